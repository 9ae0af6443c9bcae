//! Whose turn it is: a bounded number of turns at once, shared fairly between tenants.
//!
//! - A turn that ends is followed by one of the waiting tenant that has the fewest running; among
//!   equals, of the one that has waited longest since it was last given one. Within a tenant, first
//!   come, first served.
//! - A tenant alone may have every turn and every place in the queue. Where others come and the queue is
//!   full, the newest waiting call of the tenant with the most gives way to a call of one with fewer.
//!
//! So nobody starves: while a tenant waits with no turn running, no other one is given two.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What is shared by everyone who wants a turn. It knows nothing of time.
#[derive(Debug)]
pub(super) struct TurnQueue {
    state: Mutex<State>,
}

/// What became of a call that wants a turn.
#[derive(Debug)]
pub(super) enum Entry {
    Admitted(Permit),
    Waiting(QueueSlot),
    /// The queue is full, and nobody in it has more waiting than this tenant.
    Full,
}

/// The right to run one turn; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    queue: Arc<TurnQueue>,
    tenant: Arc<str>,
}

/// A slot in the queue. Dropping it leaves the queue. A turn that was given to it in the same moment goes to the
/// next one.
#[derive(Debug)]
pub(super) struct QueueSlot {
    queue: Arc<TurnQueue>,
    tenant: Arc<str>,
    number: u64,
    verdict: oneshot::Receiver<Verdict>,
}

#[derive(Debug)]
enum Verdict {
    Admitted,
    /// Another tenant with fewer waiting calls has taken the slot.
    GaveWay,
}

/// Invariant, whenever the lock is free: if anyone waits, every turn is taken.
#[derive(Debug)]
struct State {
    max_running: usize,
    max_waiting: usize,
    running: usize,
    waiting: usize,
    /// Those with a running or a waiting call, and no others: at most as many as both limits together.
    tenants: HashMap<Arc<str>, Tenant>,
    /// Counts what happens, so that of two things it can be said which was first.
    clock: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    running: usize,
    waiting: VecDeque<Waiter>,
    /// When it began to wait, or was last given a turn while it did. The oldest claim goes first.
    claim: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    verdict: oneshot::Sender<Verdict>,
}

impl TurnQueue {
    pub(super) fn new(max_running: usize, max_waiting: usize) -> Arc<Self> {
        let state = State {
            max_running,
            max_waiting,
            running: 0,
            waiting: 0,
            tenants: HashMap::new(),
            clock: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    pub(super) fn enter(self: &Arc<Self>, tenant: &str) -> Entry {
        let tenant: Arc<str> = tenant.into();
        let queue = Arc::clone(self);
        let mut state = self.state.lock();
        if state.running < state.max_running {
            state.run(&tenant);
            return Entry::Admitted(Permit { queue, tenant });
        }
        if state.waiting >= state.max_waiting && !state.make_room_for(&tenant) {
            return Entry::Full;
        }
        let (number, verdict) = state.wait(&tenant);
        Entry::Waiting(QueueSlot {
            queue,
            tenant,
            number,
            verdict,
        })
    }
}

impl QueueSlot {
    /// The permit, when it is this call's turn; `None` when the slot went to another tenant.
    pub(super) async fn turn(mut self) -> Option<Permit> {
        match (&mut self.verdict).await {
            Ok(Verdict::Admitted) => Some(Permit {
                queue: Arc::clone(&self.queue),
                tenant: Arc::clone(&self.tenant),
            }),
            Ok(Verdict::GaveWay) | Err(_) => None,
        }
    }
}

impl Drop for QueueSlot {
    /// Verdicts are given under the lock, so there are three cases and no fourth: it still waits, it
    /// has a verdict that nobody has read, or one that [`QueueSlot::turn`] has.
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.leave(&self.tenant, self.number);
        if let Ok(Verdict::Admitted) = self.verdict.try_recv() {
            state.end_turn(&self.tenant);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queue.state.lock().end_turn(&self.tenant);
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn tenant(&mut self, name: &Arc<str>) -> &mut Tenant {
        self.tenants.entry(Arc::clone(name)).or_default()
    }

    fn run(&mut self, tenant: &Arc<str>) {
        self.running += 1;
        self.tenant(tenant).running += 1;
    }

    fn wait(&mut self, tenant: &Arc<str>) -> (u64, oneshot::Receiver<Verdict>) {
        let number = self.tick();
        let (sender, verdict) = oneshot::channel();
        self.waiting += 1;
        let tenant = self.tenant(tenant);
        if tenant.waiting.is_empty() {
            tenant.claim = number;
        }
        tenant.waiting.push_back(Waiter {
            number,
            verdict: sender,
        });
        (number, verdict)
    }

    /// Gives a turn back, and to the next one.
    fn end_turn(&mut self, tenant: &Arc<str>) {
        self.running -= 1;
        self.tenant(tenant).running -= 1;
        self.forget_if_idle(tenant);
        while self.running < self.max_running
            && let Some(next) = self.next_tenant()
        {
            self.admit_first_of(&next);
        }
    }

    /// A look at every waiting tenant: at most as many as the queue has places.
    fn next_tenant(&self) -> Option<Arc<str>> {
        let waiting = self.tenants.iter().filter(|(_, it)| !it.waiting.is_empty());
        let next = waiting.min_by_key(|(_, it)| (it.running, it.claim));
        next.map(|(name, _)| Arc::clone(name))
    }

    fn admit_first_of(&mut self, name: &Arc<str>) {
        let now = self.tick();
        let tenant = self.tenant(name);
        tenant.claim = now;
        let Some(first) = tenant.waiting.pop_front() else {
            return;
        };
        self.waiting -= 1;
        // Whoever goes leaves the queue first, so there is somebody who hears it.
        if first.verdict.send(Verdict::Admitted).is_ok() {
            self.run(name);
        }
        self.forget_if_idle(name);
    }

    /// Whether there is room now: somebody with more waiting calls has lost the newest.
    fn make_room_for(&mut self, newcomer: &Arc<str>) -> bool {
        let own = self.tenants.get(newcomer).map_or(0, |it| it.waiting.len());
        let greediest = self
            .tenants
            .iter()
            .max_by_key(|(_, it)| (it.waiting.len(), it.running, it.claim))
            .filter(|(_, it)| it.waiting.len() > own)
            .map(|(name, _)| Arc::clone(name));
        let Some(greediest) = greediest else {
            return false;
        };
        let newest = self.tenant(&greediest).waiting.pop_back();
        if let Some(newest) = newest {
            self.waiting -= 1;
            let _ = newest.verdict.send(Verdict::GaveWay);
        }
        self.forget_if_idle(&greediest);
        true
    }

    /// Takes a call out of the queue, if it still waits.
    fn leave(&mut self, name: &Arc<str>, number: u64) {
        let Some(tenant) = self.tenants.get_mut(name) else {
            return;
        };
        let Ok(at) = tenant
            .waiting
            .binary_search_by_key(&number, |waiter| waiter.number)
        else {
            return;
        };
        tenant.waiting.remove(at);
        self.waiting -= 1;
        self.forget_if_idle(name);
    }

    fn forget_if_idle(&mut self, name: &Arc<str>) {
        if self
            .tenants
            .get(name)
            .is_some_and(|it| it.running == 0 && it.waiting.is_empty())
        {
            self.tenants.remove(name);
        }
    }
}

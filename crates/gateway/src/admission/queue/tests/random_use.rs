//! A model that knows the rules watches random sequences of calls that come, end and leave.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Arc, Entry, Fate, Permit, TurnQueue, Waiting, fate};

const TENANTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Enter {
        tenant: usize,
    },
    End {
        turn: Index,
    },
    Leave {
        call: Index,
    },
    /// A call leaves at the moment in which a turn ends, and does not know whether it was its own.
    EndAndLeave {
        turn: Index,
        call: Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TENANTS.len()).prop_map(|tenant| Step::Enter { tenant }),
        3 => any::<Index>().prop_map(|turn| Step::End { turn }),
        1 => any::<Index>().prop_map(|call| Step::Leave { call }),
        1 => any::<(Index, Index)>().prop_map(|(turn, call)| Step::EndAndLeave { turn, call }),
    ]
}

/// Everyone who holds something of the queue's, in the order in which they came.
struct World {
    queue: Arc<TurnQueue>,
    max_running: usize,
    max_waiting: usize,
    running: Vec<(usize, Permit)>,
    waiting: Vec<(usize, Waiting)>,
    /// How often, while the first of two tenants waited with nothing running, the second was served.
    passed_over: BTreeMap<(usize, usize), usize>,
}

impl World {
    fn new(max_running: usize, max_waiting: usize) -> Self {
        Self {
            queue: TurnQueue::new(max_running, max_waiting),
            max_running,
            max_waiting,
            running: Vec::new(),
            waiting: Vec::new(),
            passed_over: BTreeMap::new(),
        }
    }

    fn running_of(&self, tenant: usize) -> usize {
        self.running.iter().filter(|(of, _)| *of == tenant).count()
    }

    fn waiting_of(&self, tenant: usize) -> usize {
        self.waiting.iter().filter(|(of, _)| *of == tenant).count()
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Enter { tenant } => self.enter(*tenant)?,
            Step::End { turn } if !self.running.is_empty() => {
                self.end(turn.index(self.running.len()))?;
            }
            Step::Leave { call } if !self.waiting.is_empty() => {
                drop(self.waiting.remove(call.index(self.waiting.len())));
            }
            Step::EndAndLeave { turn, call } if !self.waiting.is_empty() => {
                drop(self.running.remove(turn.index(self.running.len())));
                drop(self.waiting.remove(call.index(self.waiting.len())));
                // If the turn was its own, its tenant has had one, and the others may go first.
                self.passed_over.clear();
                self.somebody_is_served()?;
                self.passed_over.clear();
            }
            _ => {}
        }
        self.check()
    }

    fn enter(&mut self, tenant: usize) -> Result<(), TestCaseError> {
        let has_room = self.waiting.len() < self.max_waiting;
        let most = (0..TENANTS.len()).map(|of| self.waiting_of(of)).max();
        let is_modest = Some(self.waiting_of(tenant)) < most;
        match self.queue.enter(TENANTS[tenant]) {
            Entry::Admitted(permit) => {
                prop_assert!(self.waiting.is_empty(), "it overtook the queue");
                self.running.push((tenant, permit));
            }
            Entry::Waiting(place) => {
                prop_assert_eq!(self.running.len(), self.max_running, "a turn was free");
                prop_assert!(has_room || is_modest, "nobody had more");
                if !has_room {
                    self.somebody_gave_way(most)?;
                }
                self.waiting.push((tenant, Box::pin(place.turn())));
            }
            Entry::Full => prop_assert!(!has_room && !is_modest, "there was a place for it"),
        }
        Ok(())
    }

    /// Exactly one, the newest of a tenant that had `most`.
    fn somebody_gave_way(&mut self, most: Option<usize>) -> Result<(), TestCaseError> {
        let fates: Vec<_> = self.waiting.iter_mut().map(|(_, it)| fate(it)).collect();
        let gone: Vec<_> = (0..fates.len())
            .filter(|at| matches!(fates[*at], Fate::GaveWay))
            .collect();
        prop_assert_eq!(gone.len(), 1);
        let greediest = self.waiting[gone[0]].0;
        prop_assert_eq!(Some(self.waiting_of(greediest)), most);
        let newest = self.waiting.iter().rposition(|(of, _)| *of == greediest);
        prop_assert_eq!(Some(gone[0]), newest);
        drop(self.waiting.remove(gone[0]));
        Ok(())
    }

    fn end(&mut self, turn: usize) -> Result<(), TestCaseError> {
        drop(self.running.remove(turn));
        self.somebody_is_served()
    }

    /// A turn has ended: exactly one of the waiting calls has it now, and it is the right one.
    fn somebody_is_served(&mut self) -> Result<(), TestCaseError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let fates = self.waiting.iter_mut().map(|(_, it)| fate(it));
        let mut served: Vec<_> = fates
            .enumerate()
            .filter_map(|(at, fate)| match fate {
                Fate::Admitted(permit) => Some((at, permit)),
                Fate::Waits | Fate::GaveWay => None,
            })
            .collect();
        prop_assert_eq!(served.len(), 1);
        let (at, permit) = served.remove(0);
        let tenant = self.waiting[at].0;
        let first = self.waiting.iter().position(|(of, _)| *of == tenant);
        prop_assert_eq!(first, Some(at), "it overtook its own tenant's");
        let each = self.waiting.iter().map(|(of, _)| self.running_of(*of));
        prop_assert_eq!(Some(self.running_of(tenant)), each.min());
        drop(self.waiting.remove(at));
        self.running.push((tenant, permit));
        self.nobody_starves(tenant)
    }

    /// While a tenant waits with no turn running, no other one is given two.
    fn nobody_starves(&mut self, served: usize) -> Result<(), TestCaseError> {
        for other in (0..TENANTS.len()).filter(|other| *other != served) {
            let count = self.passed_over.entry((other, served)).or_default();
            *count += 1;
            prop_assert!(*count <= 1, "{} was passed over", TENANTS[other]);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        prop_assert!(self.running.len() <= self.max_running);
        prop_assert!(self.waiting.len() <= self.max_waiting);
        let starves =
            |tenant: &usize| self.running_of(*tenant) == 0 && self.waiting_of(*tenant) > 0;
        let starving: Vec<_> = (0..TENANTS.len()).filter(starves).collect();
        self.passed_over
            .retain(|(waits, _), _| starving.contains(waits));
        let is_active = |tenant: &usize| self.running_of(*tenant) + self.waiting_of(*tenant) > 0;
        let active = (0..TENANTS.len()).filter(is_active).count();
        prop_assert_eq!(self.queue.state.lock().tenants.len(), active);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_rules_hold_whatever_comes(
        max_running in 1_usize..5,
        max_waiting in 0_usize..7,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(max_running, max_waiting);
        for step in &steps {
            world.take(step)?;
        }
        // Everyone who still waits is served, one for each turn that ends.
        for _ in 0..world.waiting.len() {
            world.end(0)?;
            world.check()?;
        }
        prop_assert!(world.waiting.is_empty());
        world.running.clear();
        for _ in 0..max_running {
            let Entry::Admitted(permit) = world.queue.enter("a") else {
                return Err(TestCaseError::fail("a turn was lost"));
            };
            world.running.push((0, permit));
        }
    }
}

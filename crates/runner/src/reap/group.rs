use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{self, Pid};

use crate::{reap::exit::Signal, sandbox::Inside};

/// The process group of one child, as long as its number is certain to be that child's.
///
/// The kernel gives a process number away again only when no process and no group bears it. Until its
/// parent has waited for it, even a dead leader keeps the number (as a zombie); afterwards only
/// surviving members would. So the order is: kill the group, verify, and only then wait for the leader.
/// [`Group::release`] marks that moment, under the same lock that every signal takes, and from then on
/// nothing is sent: no signal can ever hit a stranger.
pub(crate) struct Group {
    leader: Pid,
    state: Mutex<State>,
}

struct State {
    released: bool,
    sent: Vec<Signal>,
    /// In a sandbox, once it stands.
    inside: Option<Arc<Inside>>,
}

impl Group {
    /// `leader` must have been started as the leader of its own group, and not have been waited for.
    pub(crate) fn new(leader: Pid) -> Self {
        Self {
            leader,
            state: Mutex::new(State {
                released: false,
                sent: Vec::new(),
                inside: None,
            }),
        }
    }

    pub(crate) fn leader(&self) -> Pid {
        self.leader
    }

    /// Signals every member and notes it down.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut state = self.state();
        if state.released {
            return;
        }
        match (&state.inside, signal) {
            (Some(inside), Signal::Interrupt) => inside.interrupt(),
            (Some(inside), Signal::Kill) => {
                self.send(signal);
                inside.kill();
            }
            (None, _) => self.send(signal),
        }
        if state.sent.last() != Some(&signal) {
            state.sent.push(signal);
        }
    }

    /// For a group that should be empty: kills what a look at it may have missed.
    pub(crate) fn sweep(&self) {
        let state = self.state();
        if !state.released {
            self.send(Signal::Kill);
        }
    }

    /// The leader is bubblewrap, and what it was started for has begun. If it was killed meanwhile, so
    /// is that.
    pub(crate) fn enter(&self, inside: Inside) {
        let mut state = self.state();
        if state.sent.contains(&Signal::Kill) || state.released {
            inside.kill();
        }
        state.inside = Some(Arc::new(inside));
    }

    pub(crate) fn inside(&self) -> Option<Arc<Inside>> {
        self.state().inside.clone()
    }

    /// From here on the leader may be waited for, and the group is never signalled again.
    pub(crate) fn release(&self) {
        self.state().released = true;
    }

    pub(crate) fn signals_sent(&self) -> Vec<Signal> {
        self.state().sent.clone()
    }

    /// Runs `look` at the program while the leader's number is certain to be the leader's. In a
    /// sandbox the program is not the leader; its number is certain to the few milliseconds between
    /// its end and bubblewrap's, so only look at it.
    pub(crate) fn while_held<T>(&self, look: impl FnOnce(Pid) -> Option<T>) -> Option<T> {
        let state = self.state();
        if state.released {
            return None;
        }
        let program = state.inside.as_ref().map(|inside| inside.program_pid());
        look(program.unwrap_or(self.leader))
    }

    /// To the leader as well as to the group, because a leader may have moved itself to another group.
    /// Failures mean that there is nobody (left) to signal, which verification sees.
    fn send(&self, signal: Signal) {
        let signal = match signal {
            Signal::Interrupt => process::Signal::INT,
            Signal::Kill => process::Signal::KILL,
        };
        let group = process::kill_process_group(self.leader, signal);
        if signal == process::Signal::KILL || group.is_err() {
            let _ = process::kill_process(self.leader, signal);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

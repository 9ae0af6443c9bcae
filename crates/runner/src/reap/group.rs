use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{self, Pid};

use crate::{reap::exit::Signal, sandbox::Inside};

/// The process group of one child. Signals are sent only while its number certainly belongs to that child.
///
/// The kernel reuses a number only if no process and no group has it. A dead leader keeps its number, as a
/// zombie, until this process waits for it. So the group is killed and verified to be dead before that.
/// [`Group::release`] is called just before the wait. After it no signal is sent, so none can hit a process
/// that has got the number since.
pub(crate) struct Group {
    leader: Pid,
    state: Mutex<State>,
}

struct State {
    released: bool,
    sent: Vec<Signal>,
    /// `Some` in a sandbox that has been set up.
    inside: Option<Arc<Inside>>,
}

impl Group {
    /// `leader` must be the leader of its own group, and must not have been waited for.
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

    /// Signals all members, and records the signal.
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

    /// Kills the members of a group that should be empty, in case one has been missed.
    pub(crate) fn sweep(&self) {
        let state = self.state();
        if !state.released {
            self.send(Signal::Kill);
        }
    }

    /// The leader is bubblewrap, and the program inside has been found. It is killed if the group has been
    /// killed meanwhile.
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

    /// Allows to wait for the leader. The group is not signalled after this.
    pub(crate) fn release(&self) {
        self.state().released = true;
    }

    pub(crate) fn signals_sent(&self) -> Vec<Signal> {
        self.state().sent.clone()
    }

    /// Calls `look` with the program's number while it belongs to the program. In a sandbox the number may be
    /// stale for the few milliseconds between the end of the program and that of bubblewrap. So `look` must
    /// only read.
    pub(crate) fn while_held<T>(&self, look: impl FnOnce(Pid) -> Option<T>) -> Option<T> {
        let state = self.state();
        if state.released {
            return None;
        }
        let program = state.inside.as_ref().map(|inside| inside.program_pid());
        look(program.unwrap_or(self.leader))
    }

    /// Signals the group and the leader, because the leader may have moved to another group. A failure means
    /// that there is no process to signal.
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

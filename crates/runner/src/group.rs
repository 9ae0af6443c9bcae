use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{self, Pid};

use crate::exit::Signal;

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
}

impl Group {
    /// `leader` must have been started as the leader of its own group, and not have been waited for.
    pub(crate) fn new(leader: Pid) -> Self {
        Self {
            leader,
            state: Mutex::new(State {
                released: false,
                sent: Vec::new(),
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
        self.send(signal);
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

    /// From here on the leader may be waited for, and the group is never signalled again.
    pub(crate) fn release(&self) {
        self.state().released = true;
    }

    pub(crate) fn signals_sent(&self) -> Vec<Signal> {
        self.state().sent.clone()
    }

    /// Runs `look` while the leader's number is certain to be the leader's.
    pub(crate) fn while_held<T>(&self, look: impl FnOnce(Pid) -> Option<T>) -> Option<T> {
        let state = self.state();
        if state.released {
            return None;
        }
        look(self.leader)
    }

    /// The number of living members; zombies do not count. Reads all of `/proc`, so it blocks for a
    /// millisecond or two on a busy machine.
    pub(crate) fn count_members(leader: Pid) -> u32 {
        let Ok(entries) = fs::read_dir("/proc") else {
            return 0;
        };
        let members = entries
            .flatten()
            .filter(|entry| {
                entry
                    .file_name()
                    .as_encoded_bytes()
                    .iter()
                    .all(u8::is_ascii_digit)
            })
            .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
            .filter(|stat| is_living_member(stat, leader))
            .count();
        u32::try_from(members).unwrap_or(u32::MAX)
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

/// Whether a line of `/proc/PID/stat` is of a living process in the group of `leader`: the fields after
/// the name, which stands in parentheses and may hold any character, are state, parent, group.
fn is_living_member(stat: &str, leader: Pid) -> bool {
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let mut fields = fields.split_ascii_whitespace();
    let is_alive = !matches!(fields.next(), Some("Z" | "X" | "x") | None);
    let group = fields.nth(1).and_then(|field| field.parse().ok());
    is_alive && group == Some(leader.as_raw_nonzero().get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stat_line_is_read_behind_the_last_parenthesis() {
        let leader = Pid::from_raw(77).unwrap();
        assert!(is_living_member("80 (a) Z 1 2 (x)) S 1 77 77 0 -1", leader));
        assert!(!is_living_member("80 (sleep) Z 1 77 77 0 -1", leader));
        assert!(!is_living_member("80 (sleep) S 77 78 77 0 -1", leader));
        assert!(!is_living_member("", leader));
    }
}

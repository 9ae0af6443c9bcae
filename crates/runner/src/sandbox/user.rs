//! The user that a sandboxed program runs as, inside and on the host.

use std::{fs, io, sync::OnceLock};

use rustix::{
    process::{getegid, geteuid},
    thread::UnshareFlags,
};

/// The program's user and group inside.
pub(crate) const USER_INSIDE: u32 = 10_001;

/// The user of bubblewrap and the launcher in the first user namespace.
pub(crate) const MAKER_INSIDE: u32 = 0;

/// The program's user and group on the host, if this process is root. By convention nobody has this number.
const UNPRIVILEGED: u32 = 10_001;

/// The user of the host that the program of a sandbox runs as.
///
/// It is never root, because the program could then write to kernel files of root (`/proc/sys`). A gateway that
/// is root gives the programs of its sandboxes another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramUser {
    /// The user of this process, which is not root.
    Own,
    /// The user and group with this number. It may read what everybody may read, and owns only what it is
    /// given.
    Other(u32),
}

impl ProgramUser {
    /// The same for all sandboxes of this process.
    pub fn here() -> Self {
        static HERE: OnceLock<ProgramUser> = OnceLock::new();
        *HERE.get_or_init(|| {
            let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
            if geteuid().is_root() && !is_root_of_a_namespace_alone(&map) {
                Self::Other(UNPRIVILEGED)
            } else {
                Self::Own
            }
        })
    }

    /// Its number on the host.
    pub fn number(self) -> u32 {
        match self {
            Self::Own => geteuid().as_raw(),
            Self::Other(number) => number,
        }
    }

    /// Its number in the first user namespace.
    pub(crate) fn number_to_maker(self) -> u32 {
        match self {
            Self::Own => MAKER_INSIDE,
            Self::Other(_) => USER_INSIDE,
        }
    }

    /// The users of the first user namespace. `None` if bubblewrap can make that itself.
    pub(super) fn map(self) -> Option<IdentityMap> {
        let Self::Other(number) = self else {
            return None;
        };
        let map = |own| format!("{MAKER_INSIDE} {own} 1\n{USER_INSIDE} {number} 1\n");
        Some(IdentityMap {
            users: map(geteuid().as_raw()),
            groups: map(getegid().as_raw()),
        })
    }
}

/// The users and groups of a namespace, in the format of `/proc/PID/uid_map` and `gid_map`: root, which sets the
/// sandbox up, and the program's user.
pub(super) struct IdentityMap {
    pub(super) users: String,
    pub(super) groups: String,
}

/// Only for a process with one thread.
pub(super) fn new_user_namespace() -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "the successor is unsafe for flags that part threads; this one does not"
    )]
    let outcome = rustix::thread::unshare(UnshareFlags::NEWUSER);
    Ok(outcome?)
}

/// Whether root of this namespace is an unprivileged user outside, and there is no other user: a rootless
/// container with one user. `map` is the text of `/proc/self/uid_map`.
fn is_root_of_a_namespace_alone(map: &str) -> bool {
    let mut ranges = map.lines().map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let mut number = || numbers.next()?.ok();
        Some((number()?, number()?, number()?))
    });
    let has_unprivileged = ranges.clone().flatten().any(|(inside, _, count)| {
        let unprivileged = u64::from(UNPRIVILEGED);
        (inside..inside.saturating_add(count)).contains(&unprivileged)
    });
    let root_is_somebody =
        ranges.any(|range| matches!(range, Some((0, outside, _)) if outside != 0));
    root_is_somebody && !has_unprivileged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_that_is_nobody_outside_and_alone_is_left_as_it_is() {
        for (map, is_left) in [
            ("         0          0 4294967295\n", false),
            ("0 1000 1\n", true),
            ("0 1000 1\n1 100000 65536\n", false),
            ("0 0 1\n", false),
            ("", false),
        ] {
            assert_eq!(is_root_of_a_namespace_alone(map), is_left, "{map}");
        }
    }
}

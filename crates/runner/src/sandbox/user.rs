//! Who a sandboxed program is, to itself and to the host.

use std::{fs, io, sync::OnceLock};

use rustix::{
    process::{getegid, geteuid},
    thread::UnshareFlags,
};

/// The program's user and group inside, whoever the gateway is outside.
pub(crate) const USER_INSIDE: u32 = 10_001;

/// Who makes the sandbox, in the user namespace that bubblewrap makes.
pub(crate) const MAKER_INSIDE: u32 = 0;

/// The program's user and group on the host where the gateway is root: nobody's, by convention.
const UNPRIVILEGED: u32 = 10_001;

/// The user of the host that the program of a sandbox runs as.
///
/// Never root: kernel files that belong to root (`/proc/sys`) would be the program's to write. So a
/// gateway that is root makes its sandboxes itself, and gives their programs another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramUser {
    /// The gateway's own, which is not root.
    Own,
    /// Another one, of this number, and in the group of this number alone. It reads what everybody may
    /// read, and owns nothing that it is not given.
    Other(u32),
}

impl ProgramUser {
    /// That of every sandbox that this process makes.
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

    /// Its number in the user namespace that bubblewrap makes.
    pub(crate) fn number_to_maker(self) -> u32 {
        match self {
            Self::Own => MAKER_INSIDE,
            Self::Other(_) => USER_INSIDE,
        }
    }

    /// What the user namespace of its sandboxes must know, if bubblewrap cannot make it by itself.
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

/// The users and groups of a namespace, as `/proc/PID/uid_map` and `gid_map` take them: the maker, who is
/// root and owns what a sandbox shows, and the program's.
pub(super) struct IdentityMap {
    pub(super) users: String,
    pub(super) groups: String,
}

/// For a process of one thread.
pub(super) fn new_user_namespace() -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "the successor is unsafe for flags that part threads; this one does not"
    )]
    let outcome = rustix::thread::unshare(UnshareFlags::NEWUSER);
    Ok(outcome?)
}

/// Whether `map`, what `/proc/self/uid_map` says, has root of this namespace as somebody without
/// privileges outside, and nobody else (rootless containers of one user).
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

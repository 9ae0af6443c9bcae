//! What to do where the sandbox cannot be made: looked up where the kernel says why.

use std::fs;
use std::path::Path;

use codex_client::ProbeError;

pub(super) const NO_BUBBLEWRAP: &str = "Install the pinned Codex CLI with `make codex` (its package \
    brings bubblewrap) or the system's package `bubblewrap`, or name the program in CODEX_SANDBOX_BWRAP.";
/// The real one says why.
const NOT_BUBBLEWRAP: &str =
    "It ended without a word: name bubblewrap 0.8 or later in CODEX_SANDBOX_BWRAP.";
pub(super) const LAUNCHER: &str = "The gateway's own program file must be readable while it runs.";
pub(super) const HIDDEN_PROGRAM: &str = "Have CODEX_STATE_DIR and PORTCULLIS_DATA_DIR name \
    directories of their own.";

pub(super) const STATE_DIR: &str = "CODEX_STATE_DIR must name a directory that can be made.";
pub(super) const MISSING_PATHS: &str =
    "Name what the program reads beside itself in CODEX_SANDBOX_READ_PATHS.";

const NOT_OPEN: &str = "It must be a program that everybody may read and run: a gateway that is root \
    gives the sandbox's program another user.";

/// What to do where the CLI cannot be found or started.
pub(crate) const CODEX_PROGRAM: &str =
    "`make codex` installs the pinned one; CODEX_BIN names another program.";

/// What to do where the CLI did not answer as one that can be used.
pub(crate) fn of_probe(error: &ProbeError) -> &'static str {
    match error {
        ProbeError::NotCodex { .. } => {
            "Set CODEX_BIN to the Codex program, or CODEX_DRIVER=contract for a CLI of your own."
        }
        ProbeError::Silent { .. } => "Set CODEX_BIN to a CLI that has a command `chat`.",
        ProbeError::UnknownKind { .. } => "Set CODEX_DRIVER, or another CODEX_BIN.",
        ProbeError::Sandbox(_) | ProbeError::Spawn(_) => CODEX_PROGRAM,
    }
}

/// `reason` is what bubblewrap or the launcher said.
pub(super) fn of_refusal(reason: &str) -> String {
    let remedy = if reason.contains("another user") {
        "Run the gateway as a user of its own, or leave root CAP_SETUID, CAP_SETGID and CAP_SETFCAP, with \
         which it gives its sandboxes' programs a user that is not root."
    } else if reason.contains("mount proc") {
        "The container hides parts of /proc, so no new one can be mounted: run it with \
         `--security-opt systempaths=unconfined` (Docker), `--security-opt unmask=ALL` (podman), \
         `procMount: Unmasked` (Kubernetes)."
    } else if reason.contains("Unknown option") {
        "This bubblewrap is too old (0.8 or later is needed): use the one in the CLI's package, or \
         name another one in CODEX_SANDBOX_BWRAP."
    } else if reason.contains("Permission denied") && reason.contains("could not be started inside")
    {
        NOT_OPEN
    } else if reason.contains("could not be started inside") {
        MISSING_PATHS
    } else if reason.contains("bubblewrap exited with") {
        NOT_BUBBLEWRAP
    } else if reason.contains("limit ") {
        "Raise that limit for the gateway itself (ulimit, LimitAS= …), or correct CODEX_LIMIT_…."
    } else {
        of_kernel()
    };
    remedy.to_owned()
}

fn of_kernel() -> &'static str {
    if says("/proc/sys/user/max_user_namespaces", "0") {
        "The kernel gives no user namespaces: sysctl user.max_user_namespaces=1000."
    } else if says("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "The kernel gives user namespaces to root alone: sysctl kernel.unprivileged_userns_clone=1."
    } else if says(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        "AppArmor forbids user namespaces to programs without a profile: give bubblewrap one (see \
         docs/sandbox.md), or sysctl kernel.apparmor_restrict_unprivileged_userns=0."
    } else if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        "The container's seccomp profile forbids user namespaces: run it with a profile that allows \
         clone, unshare, mount, umount2 and pivot_root."
    } else {
        "User namespaces must be allowed to the gateway's user."
    }
}

fn says(path: &str, value: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bubblewrap_says_leads_to_what_to_do() {
        for (reason, word) in [
            (
                "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
                "systempaths",
            ),
            (
                "bwrap: Unknown option --disable-userns",
                "CODEX_SANDBOX_BWRAP",
            ),
            (
                "the gateway is root, and cannot give a sandbox another user: EPERM",
                "CAP_SETUID",
            ),
            (
                "/x could not be started inside: Permission denied (os error 13)",
                "everybody",
            ),
            (
                "/x could not be started inside: No such file",
                "CODEX_SANDBOX_READ_PATHS",
            ),
            (
                "the sandbox could not be made (bubblewrap exited with 1)",
                "CODEX_SANDBOX_BWRAP",
            ),
            ("the limit Nofile of 9 was refused: EPERM", "ulimit"),
            (
                "bwrap: No permissions to create new namespace",
                "ser namespaces",
            ),
        ] {
            assert!(of_refusal(reason).contains(word), "{reason}");
        }
    }
}

use codex_client::SandboxSettings;
use runner::{NoControlGroups, ProgramUser, ResourceLimits};

use crate::sandbox::{SandboxStatus, Unusable};

use super::name::SANDBOX;
use super::report::Check;

const REQUIREMENTS: &str = "docs/sandbox.md has the requirements of each environment.";

/// It is required, and cannot be made.
pub(super) fn refused(unusable: &Unusable) -> Check {
    let detail = format!(
        "required (PORTCULLIS_SANDBOX), and cannot be used: {}",
        unusable.reason
    );
    Check::failed(
        SANDBOX,
        detail,
        format!("{} {REQUIREMENTS}", unusable.remedy),
    )
}

pub(super) fn check(status: &SandboxStatus, sandbox: Option<&SandboxSettings>) -> Check {
    match status {
        SandboxStatus::Off => Check::warning(
            SANDBOX,
            "off, by PORTCULLIS_SANDBOX: Codex can reach the network, read what this user can read, and \
             has no limits",
            "Set PORTCULLIS_SANDBOX=required wherever the gateway serves anyone but yourself.",
        ),
        SandboxStatus::Unusable(unusable) => Check::warning(
            SANDBOX,
            format!(
                "NOT ENFORCED, as PORTCULLIS_SANDBOX=auto allows: {}",
                unusable.reason
            ),
            format!("{} {REQUIREMENTS}", unusable.remedy),
        ),
        SandboxStatus::Enforced { control_groups } => match ProgramUser::here() {
            ProgramUser::Own => Check::ok(
                SANDBOX,
                format!("enforced{}", enforced(sandbox, control_groups)),
            ),
            ProgramUser::Other(number) => Check::warning(
                SANDBOX,
                format!(
                    "enforced; this is root, so programs run as user {number}, who reads only what everybody \
                     may read{}",
                    enforced(sandbox, control_groups)
                ),
                "Run the gateway as a user of its own: it needs nothing of root's, and then workspaces \
                 that are its own need no copies.",
            ),
        },
    }
}

/// What the kernel holds every Codex process to, a line each.
fn enforced(
    sandbox: Option<&SandboxSettings>,
    control_groups: &Result<(), NoControlGroups>,
) -> String {
    let Some(sandbox) = sandbox else {
        return String::new();
    };
    let ResourceLimits {
        memory_bytes,
        address_space_bytes,
        processes,
        open_files,
        file_size_bytes,
        cpu_sec,
    } = sandbox.limits;
    let readable = match sandbox.read_paths.len() {
        0 => "no file but the CLI, read-only".to_owned(),
        count => format!("no file but the CLI and {count} paths, read-only"),
    };
    let together = match control_groups {
        Ok(()) => {
            "a control group holds memory and processes of each sandbox as a whole".to_owned()
        }
        Err(reason) => format!(
            "no control group for each sandbox, so memory is limited by process: {reason} (systemd: \
             Delegate=yes)"
        ),
    };
    let lines = [
        format!("made by {}", sandbox.tools.bubblewrap.display()),
        "network: none but the broker".to_owned(),
        format!(
            "files: {readable}; {} MiB of its own, in memory",
            sandbox.scratch_bytes >> 20
        ),
        "processes: it sees only its own, and they end with it".to_owned(),
        format!(
            "limits: {} MiB of memory, {} MiB of addresses, {processes} processes, {open_files} open \
             files, files of {} MiB, {cpu_sec} s of processor time",
            memory_bytes >> 20,
            address_space_bytes >> 20,
            file_size_bytes >> 20,
        ),
        together,
    ];
    lines.map(|line| format!("\n  {line}")).concat()
}

//! What the gateway needs to be of use, check by check.

use codex_client::{CodexClient, Installation, PINNED_VERSION};

use crate::guard::Guard;
use crate::sandbox::Standing;

/// Answers whether work should be sent here. Reads what is known; starts and asks nothing.
pub struct Health {
    pub installation: Installation,
    pub client: CodexClient,
    pub guard: Guard,
    pub sandbox: Standing,
}

/// One condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub passed: bool,
    pub detail: String,
}

impl Health {
    pub fn checks(&self) -> Vec<Check> {
        let status = self.client.status();
        let draining = self.guard.is_draining();
        vec![
            Check {
                name: "codex_version",
                // Another version is used with a warning, or was refused at start.
                passed: true,
                detail: format!("{} (pinned: {PINNED_VERSION})", self.installation.version),
            },
            Check {
                name: "sandbox",
                // `required` was proven at start, `auto` and `off` promise nothing.
                passed: true,
                detail: self.sandbox.to_string(),
            },
            Check {
                name: "codex_pool",
                passed: status.ready > 0,
                detail: format!(
                    "{} ready, {} starting, {} turns running{}",
                    status.ready,
                    status.starting,
                    status.active_turns,
                    if status.failure.is_some() {
                        "; the last start failed, see the log"
                    } else {
                        ""
                    },
                ),
            },
            Check {
                name: "not_draining",
                passed: !draining,
                detail: if draining {
                    "shutting down"
                } else {
                    "taking work"
                }
                .to_owned(),
            },
        ]
    }
}

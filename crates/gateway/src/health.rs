//! What the gateway needs to be of use, check by check.

use codex_client::{ClientStatus, CodexClient, Driver, Installation, PINNED_VERSION};

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
                detail: self.version(),
            },
            Check {
                name: "sandbox",
                // `required` was proven at start, `auto` and `off` promise nothing.
                passed: true,
                detail: self.sandbox.to_string(),
            },
            Check {
                name: "codex_processes",
                passed: status.is_ready(),
                detail: describe(&status),
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

    fn version(&self) -> String {
        let Installation {
            version, driver, ..
        } = &self.installation;
        match driver {
            Driver::AppServer | Driver::Exec => format!("{version} (pinned: {PINNED_VERSION})"),
            Driver::Contract(_) => format!("{version} (a CLI of your own)"),
        }
    }
}

fn describe(status: &ClientStatus) -> String {
    match status {
        ClientStatus::Pool(pool) => format!(
            "{} ready, {} starting, {} turns running{}",
            pool.ready,
            pool.starting,
            pool.active_turns,
            if pool.failure.is_some() {
                "; the last start failed, see the log"
            } else {
                ""
            },
        ),
        ClientStatus::PerTurn { active_turns } => {
            format!("one for each turn, {active_turns} turns running")
        }
    }
}

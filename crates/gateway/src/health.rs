//! What the gateway needs to be of use, check by check.

use std::sync::Arc;
use std::time::Duration;

use codex_client::{ClientStatus, CodexClient, Driver, Installation, PINNED_VERSION};

use crate::access::authentication::Authenticator;
use crate::admission::Admission;
use crate::logging::{self, Flow};
use crate::sandbox::SandboxStatus;

/// Answers whether work should be sent here. Reads what is known; starts and asks nothing.
pub struct Health {
    pub installation: Installation,
    pub client: CodexClient,
    pub admission: Admission,
    pub authenticator: Arc<Authenticator>,
    pub sandbox: SandboxStatus,
}

/// One condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub outcome: Outcome,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// An operator should know, and work can be done all the same.
    Degraded,
    Failed,
}

impl Outcome {
    fn of(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }

    /// Of a check whose failure the operator has allowed: the gateway would not have started otherwise.
    fn passed_or_degraded(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Degraded }
    }
}

impl Health {
    pub fn checks(&self) -> Vec<Check> {
        let status = self.client.status();
        let draining = self.admission.is_draining();
        vec![
            Check {
                name: "codex_version",
                outcome: Outcome::passed_or_degraded(self.installation.is_expected()),
                detail: self.version(),
            },
            Check {
                name: "sandbox",
                outcome: Outcome::passed_or_degraded(self.is_confined()),
                detail: self.sandbox.to_string(),
            },
            Check {
                name: "codex_processes",
                outcome: Outcome::of(status.is_ready()),
                detail: describe(&status),
            },
            Check {
                name: "authentication",
                outcome: Outcome::of(self.authenticator.hindrance().is_none()),
                detail: self
                    .authenticator
                    .hindrance()
                    .unwrap_or("callers can be known")
                    .to_owned(),
            },
            Check {
                name: "not_draining",
                outcome: Outcome::of(!draining),
                detail: if draining {
                    "shutting down"
                } else {
                    "taking work"
                }
                .to_owned(),
            },
            log_check(logging::flow()),
        ]
    }

    fn is_confined(&self) -> bool {
        matches!(self.sandbox, SandboxStatus::Enforced { .. })
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

/// A line that takes so long is not taken.
const STALLED: Duration = Duration::from_secs(1);

/// A log that nobody takes is no reason to send the work elsewhere.
fn log_check(flow: Option<Flow>) -> Check {
    let (outcome, detail) = match flow {
        None => (
            Outcome::Passed,
            "standard error is closed or the null device: nobody reads the log".to_owned(),
        ),
        Some(Flow { untold, .. }) if untold > 0 => (
            Outcome::Degraded,
            format!("{untold} lines are lost: standard error does not take them"),
        ),
        Some(flow) if flow.writing > STALLED => {
            let (lines, seconds) = (flow.queued + 1, flow.writing.as_secs());
            let detail =
                format!("{lines} lines wait: standard error takes nothing for {seconds} s");
            (Outcome::Degraded, detail)
        }
        Some(Flow { lost: 0, .. }) => (Outcome::Passed, "every line was written".to_owned()),
        Some(Flow { lost, .. }) => (Outcome::Passed, format!("{lost} lines were lost earlier")),
    };
    Check {
        name: "log",
        outcome,
        detail,
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

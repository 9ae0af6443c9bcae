//! The record of a request: sizes, times and outcome, never content.
//!
//! A record is made when a request's head has been read, and is reported once, when the last that holds it
//! lets go: whatever happens to the request, it leaves exactly one.

mod log;

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Usage;
use parking_lot::{Mutex, MutexGuard};
use store::LimitState;

use crate::access::caller::Caller;
use crate::client_address::ClientAddress;
use crate::error::{ErrorCode, Problem};

/// A handle of one request's record. Clones are handles of the same record.
#[derive(Clone, Debug)]
pub struct Record(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    request_id: String,
    client: ClientAddress,
    accepted: Instant,
    facts: Mutex<Facts>,
}

/// What is known of the request by now.
#[derive(Debug, Default)]
pub struct Facts {
    pub method: String,
    /// The pattern of the path: what a caller wrote there may be content.
    pub route: Option<String>,
    /// The request asks for a call: of the model, or of a skill.
    pub is_call: bool,
    pub mode: Option<Mode>,
    pub tenant: Option<String>,
    pub key_id: Option<String>,
    /// The name of a skill that there is; what a caller wrote instead is content.
    pub skill: Option<String>,
    pub workspace: Option<String>,
    pub driver: Option<&'static str>,
    pub model: Option<String>,
    pub message_bytes: Option<usize>,
    pub context_bytes: Option<usize>,
    pub extra_bytes: Option<usize>,
    /// How long the call waited to be admitted.
    pub queued: Option<Duration>,
    /// The work may have started, so repeating the call may run it twice.
    pub may_have_started: bool,
    pub first_token: Option<Duration>,
    pub usage: Option<Usage>,
    /// Where the caller stands against its limits, this call included.
    pub limits: Vec<LimitState>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub result_bytes: Option<usize>,
    /// Secrets that were replaced in a skill's result.
    pub redactions: Option<u64>,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Chat,
    Tool,
}

/// How a request ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Outcome {
    /// Nothing has answered it yet. At the end: the client was gone before anything could.
    #[default]
    Unanswered,
    Answered {
        status: u16,
    },
    Failed(Problem),
}

impl Record {
    pub fn new(request_id: String, client: ClientAddress, method: String, is_call: bool) -> Self {
        let facts = Facts {
            method,
            is_call,
            ..Facts::default()
        };
        Self(Arc::new(Shared {
            request_id,
            client,
            accepted: Instant::now(),
            facts: Mutex::new(facts),
        }))
    }

    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// When the request's head had arrived.
    pub fn accepted(&self) -> Instant {
        self.0.accepted
    }

    /// To add what has become known. Held for no longer than that.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.facts.lock()
    }

    pub fn called_by(&self, caller: &Caller) {
        let mut facts = self.facts();
        facts.tenant = Some(caller.tenant.clone());
        facts.key_id.clone_from(&caller.key_id);
    }

    pub fn admitted(&self) {
        self.facts().queued = Some(self.0.accepted.elapsed());
    }

    /// `may_have_started(true)` marks the call unsafe to repeat.
    pub fn may_have_started(&self, may_have: bool) {
        self.facts().may_have_started = may_have;
    }

    /// The time to the first token. The first call of this decides it.
    pub fn first_token(&self) -> Duration {
        let elapsed = self.0.accepted.elapsed();
        *self.facts().first_token.get_or_insert(elapsed)
    }

    /// How the request was answered, if it has become no call: a call has an outcome of its own.
    pub fn answered(&self, status: u16, problem: Option<Problem>) {
        let mut facts = self.facts();
        if facts.mode.is_none() {
            facts.outcome = problem.map_or(Outcome::Answered { status }, Outcome::Failed);
        }
    }
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Tool => "tool",
        }
    }
}

impl Facts {
    /// The HTTP status that stands for the outcome.
    pub fn status(&self) -> u16 {
        match &self.outcome {
            Outcome::Unanswered => ErrorCode::ClientGone.status(),
            Outcome::Answered { status } => *status,
            Outcome::Failed(problem) => problem.code.status(),
        }
    }

    pub fn code(&self) -> Option<ErrorCode> {
        match &self.outcome {
            Outcome::Unanswered => Some(ErrorCode::ClientGone),
            Outcome::Answered { .. } => None,
            Outcome::Failed(problem) => Some(problem.code),
        }
    }

    pub fn problem(&self) -> Option<&Problem> {
        match &self.outcome {
            Outcome::Failed(problem) => Some(problem),
            Outcome::Unanswered | Outcome::Answered { .. } => None,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let facts = self.facts.get_mut();
        if facts.outcome == Outcome::Unanswered && std::thread::panicking() {
            facts.outcome = Outcome::Failed(Problem::new(ErrorCode::Internal, ""));
        }
        log::report(
            &self.request_id,
            self.client,
            self.accepted.elapsed(),
            facts,
        );
    }
}

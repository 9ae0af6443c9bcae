//! The broker: the only thing a Codex child can reach.
//!
//! A child holds a throw-away credential and one address on loopback. The broker admits
//! `POST /v1/responses` with a live credential, rebuilds the request from what the turn was granted,
//! sends it with the provider's key to the one configured endpoint, streams the answer back and meters
//! it on the way. It never hands out the key, never passes a header of the child on, never logs or
//! stores content, and keeps the words of a provider's error answer to itself.
//!
//! The straight line: `listener` accepts, `call` admits and answers, `request` rebuilds, `provider` or
//! `demo` responds, `relay` streams through `meter`; `grants` holds who may.

mod answer;
mod body;
mod call;
mod connection;
mod demo;
mod events;
mod failure;
mod grants;
mod listener;
mod meter;
mod provider;
mod question;
mod reach;
mod refusal;
mod relay;
mod request;
mod room;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use codex_client::{ReportedUsage, ToolDefinition};
use redact::{Counts, Redactor};
use runner::Deadline;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ProviderSettings;

use self::call::Gate;
use self::grants::{Grants, LiveTurn};
use self::provider::Provider;
use self::room::Room;

pub use self::failure::{ProviderFailure, ProviderFailureClass};
pub use self::question::{Asked, ask};
pub use self::reach::{Reach, probably_meant, reach};

/// The running broker. Cheap to clone; it serves what it is given until its shutdown token fires.
#[derive(Clone)]
pub struct Broker {
    gate: Arc<Gate>,
    grants: Arc<Grants>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Broker {
    /// `shutdown` is the hard end: it revokes every live turn and cuts every stream. A drain lets the
    /// turns end first and cancels it then.
    pub fn start(
        provider: &ProviderSettings,
        redactor: Redactor,
        tracker: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Result<Self, BrokerStartError> {
        let grants = Arc::new(Grants::new(shutdown.clone()));
        let gate = Gate {
            provider: Provider::new(provider)?,
            redactor,
            grants: Arc::clone(&grants),
            tracker: tracker.clone(),
            room: Room::new(),
        };
        Ok(Self {
            gate: Arc::new(gate),
            grants,
            tracker: tracker.clone(),
            shutdown,
        })
    }

    /// Serves the children that connect to `listener`, on the loopback of this machine or of one child's
    /// sandbox, until `closed`; then it is dropped with its connections. `turns` is how many they may run
    /// at once: that bounds their connections and the memory of their requests.
    pub fn serve(&self, listener: TcpListener, turns: usize, closed: CancellationToken) {
        let gate = Arc::clone(&self.gate);
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            let serving = CancellationToken::new();
            let _ends_connections = serving.clone().drop_guard();
            tokio::select! {
                () = closed.cancelled() => {}
                () = shutdown.cancelled() => {}
                () = listener::serve(listener, gate, turns, serving) => {}
            }
        });
    }

    /// Makes `credential` valid for one turn.
    ///
    /// Threads are prepared ahead with a credential that is worth nothing until this call. A credential
    /// is for one turn: issued again while it lives, it ends the older turn.
    pub fn issue(&self, credential: &SecretString, grant: Grant) -> TurnToken {
        let turn = self.grants.issue(credential, grant);
        TurnToken {
            grants: Arc::clone(&self.grants),
            turn,
        }
    }
}

/// What one turn may do. Everything that is not in it is refused or cut from the request.
#[derive(Clone, Debug)]
pub struct Grant {
    pub turn_id: String,
    pub tenant: String,
    /// The models (for Azure: deployments) that the turn may name.
    pub models: Vec<String>,
    /// Bounds every upstream call of the turn; the credential is worth nothing after it.
    pub deadline: Deadline,
    /// Sent as `reasoning.effort`. `None` for a model that does not reason: such a model refuses the
    /// whole `reasoning` object.
    pub reasoning_effort: Option<String>,
    /// The JSON Schema that the answer is to follow.
    pub output_schema: Option<Value>,
    /// What the model may be offered to call. Nothing that the CLI itself would offer passes.
    pub tools: Vec<ToolDefinition>,
}

/// Keeps a turn's credential alive. Dropping it revokes the credential and cancels the turn's
/// upstream calls at once.
#[must_use = "dropping the token revokes the credential"]
pub struct TurnToken {
    grants: Arc<Grants>,
    turn: Arc<LiveTurn>,
}

impl TurnToken {
    /// What the turn's model calls have cost so far; complete when the CLI reports the turn's end.
    pub fn usage(&self) -> Usage {
        self.turn.usage()
    }

    /// Secrets that were replaced in the turn's requests to the model, by rule.
    pub fn redactions(&self) -> Counts {
        self.turn.redactions()
    }

    /// The first failure of the turn's model calls; recorded before the CLI can see it.
    ///
    /// A passed deadline is not one: the caller knows its deadline, and answers 504 for it.
    pub fn failure(&self) -> Option<ProviderFailure> {
        self.turn.failure()
    }

    /// Whether nothing has run in the turn, and the provider said when to ask again: then the same call may
    /// be made again.
    pub fn may_be_asked_again(&self) -> bool {
        let failure = self.failure();
        failure.is_some_and(|failure| failure.retry_after.is_some())
    }

    /// How the provider said that the turn's last answer ended.
    pub fn finish(&self) -> Option<Finish> {
        self.turn.finish()
    }

    /// How many requests of the turn were let through to the provider.
    pub fn model_calls(&self) -> u32 {
        self.turn.model_calls()
    }
}

impl Drop for TurnToken {
    fn drop(&mut self) {
        self.grants.revoke(&self.turn);
    }
}

/// How an answer ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model had said what it had to say.
    Stop,
    /// It was cut at the length that the model may write.
    Length,
    /// The provider's content filter cut it.
    ContentFilter,
    /// The model refused to answer.
    Refusal,
}

/// Tokens as the provider counted them, summed over a turn's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub input_tokens: u64,
    /// The part of `input_tokens` that the provider had cached.
    pub cached_input_tokens: u64,
    pub output_tokens: u64,
    /// The part of `output_tokens` that was reasoning.
    pub reasoning_tokens: u64,
}

impl From<ReportedUsage> for Usage {
    fn from(reported: ReportedUsage) -> Self {
        Self {
            input_tokens: reported.input_tokens,
            cached_input_tokens: reported.cached_input_tokens,
            output_tokens: reported.output_tokens,
            reasoning_tokens: reported.reasoning_tokens,
        }
    }
}

impl Usage {
    fn add(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_input_tokens = self
            .cached_input_tokens
            .saturating_add(other.cached_input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

/// Why the broker cannot start. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum BrokerStartError {
    #[error("cannot read PORTCULLIS_CA_FILE {}", path.display())]
    CaFile {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("PORTCULLIS_CA_FILE {} holds no usable PEM certificate", path.display())]
    CaFormat { path: PathBuf },
    #[error("the provider's address is not an http or https URL")]
    ProviderUrl,
    #[error("the provider's key has characters that an HTTP header cannot carry")]
    ProviderKey,
    #[error("cannot set up TLS for the way to the model provider")]
    Tls(#[source] rustls::Error),
}

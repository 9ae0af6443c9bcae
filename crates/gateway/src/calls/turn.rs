//! Turns of Codex, as chats and skills have them done: a place on a process, the credential made valid,
//! the turn started, and started once more where the process turns out to be dead.

use std::fmt::Write as _;
use std::ops::Deref;
use std::time::Duration;

use broker::{Broker, Finish, Grant, GrantedTool, TurnToken};
use codex_client::{
    CodexClient, Driver, LeaseError, ThreadProfile, ToolDefinition, Turn, TurnFailure, TurnLease,
    TurnStream,
};
use runner::Deadline;
use sha2::{Digest, Sha256};

use super::call::Call;
use super::record::Record;
use super::result::finish_reason::FinishReason;
use crate::access::limits::Lease;
use crate::admission;
use crate::error::{ErrorCode, Problem};

/// Starts turns. Cheap to clone.
#[derive(Clone)]
pub struct Turns {
    pub broker: Broker,
    pub client: CodexClient,
    pub driver: Driver,
    /// The longest call, named in the error when a call is over it.
    pub timeout: Duration,
    /// Tell the provider one caller from another.
    pub names_callers: bool,
}

/// A turn to be done.
pub struct TurnOrder {
    pub turn: Turn,
    pub profile: ThreadProfile,
    /// Not later than the call's.
    pub deadline: Deadline,
}

/// A turn that was tried to be started. Dropping it ends it.
pub struct StartedTurn {
    /// Knows what the turn's model calls cost, and how they failed.
    pub token: MeteredToken,
    pub stream: Result<TurnStream, TurnFailure>,
}

/// A turn's token. Whatever ends the turn, its record has what the turn has cost.
pub struct MeteredToken {
    token: TurnToken,
    record: Record,
}

impl Deref for MeteredToken {
    type Target = TurnToken;

    fn deref(&self) -> &TurnToken {
        &self.token
    }
}

impl Drop for MeteredToken {
    fn drop(&mut self) {
        if self.token.model_calls() > 0 {
            self.record.facts().usage = Some(self.token.usage());
        }
    }
}

impl Turns {
    /// Starts the turn, a second time if the process turns out to be dead or stalled: as long as the model
    /// has not been called, nothing was run that would be run again. The call's record says whether the
    /// turn may have started.
    pub async fn start(&self, order: TurnOrder, call: &Call) -> Result<StartedTurn, Problem> {
        let tenant = &call.caller.tenant;
        call.record.facts().model = Some(order.turn.model.clone());
        let grant = Grant {
            turn_id: call.request_id.clone(),
            tenant: tenant.clone(),
            models: vec![order.turn.model.clone()],
            deadline: order.deadline,
            reasoning_effort: order.turn.reasoning_effort.clone(),
            output_schema: order.turn.output_schema.clone(),
            max_tokens: call.lease.get().and_then(Lease::max_tokens),
            safety_identifier: self.safety_identifier(call),
            tools: order.profile.tools.iter().map(granted).collect(),
        };
        let mut is_first = true;
        loop {
            let lease = self.lease(tenant, &order).await?;
            let token = MeteredToken {
                token: self.broker.issue(lease.credential(), grant.clone()),
                record: call.record.clone(),
            };
            // From here on it may have started, until it says that it has not.
            call.record.may_have_started(true);
            let stream = lease.start_turn(&order.turn).await;
            let is_lost = stream.as_ref().is_err_and(TurnFailure::is_of_the_process);
            let may_have_started = stream.is_ok() || is_lost || token.model_calls() > 0;
            call.record.may_have_started(may_have_started);
            if !(is_lost && is_first && token.model_calls() == 0) {
                return Ok(StartedTurn { token, stream });
            }
            is_first = false;
            // Nothing has run: if no other process can be had, the same call may be made again.
            call.record.may_have_started(false);
        }
    }

    /// A hash, so that the provider learns who is one caller, and not which.
    fn safety_identifier(&self, call: &Call) -> Option<String> {
        let key_id = call.caller.key_id.as_ref().filter(|_| self.names_callers)?;
        let mut hash = Sha256::new();
        for part in [&call.caller.tenant, key_id] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        Some(digest.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    async fn lease(&self, tenant: &str, order: &TurnOrder) -> Result<TurnLease, Problem> {
        let lease = self.client.lease(tenant, &order.profile, order.deadline);
        lease.await.map_err(|error| match error {
            LeaseError::Busy => Problem::deadline_exceeded(self.timeout),
            LeaseError::Unavailable { reason } => {
                tracing::error!(%reason, "no call can be served");
                unavailable()
            }
            LeaseError::NoTools | LeaseError::Refused => {
                Problem::new(ErrorCode::CodexFailed, format!("{error}."))
            }
            LeaseError::Closing => admission::draining(),
        })
    }
}

fn granted(tool: &ToolDefinition) -> GrantedTool {
    GrantedTool {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
    }
}

/// What a turn has put out, as far as its result depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnOutput {
    /// More than white space.
    pub text: bool,
    pub empty_message: bool,
    pub reasoning: bool,
}

/// How a turn ended that gave an answer; or why it gave none. Nothing is no answer, and what was broken
/// off is one as far as it came.
pub fn conclude(
    end: Result<(), TurnFailure>,
    output: TurnOutput,
    token: &TurnToken,
) -> Result<FinishReason, Problem> {
    let broken_off = broken_off(token);
    match end {
        Ok(()) if output.text => Ok(broken_off.unwrap_or_else(|| finished(token))),
        Err(_)
            if output.text
                && let Some(reason) = broken_off =>
        {
            Ok(reason)
        }
        Ok(()) => Err(nothing(output, broken_off)),
        Err(failure) => Err(Problem {
            finish_reason: broken_off,
            ..failed(&failure, token)
        }),
    }
}

fn finished(token: &TurnToken) -> FinishReason {
    match token.finish() {
        Some(Finish::Refusal) => FinishReason::Refusal,
        _ => FinishReason::Stop,
    }
}

/// Whether the provider has not finished the answer.
fn broken_off(token: &TurnToken) -> Option<FinishReason> {
    if token.is_out_of_budget() {
        return Some(FinishReason::Length);
    }
    match token.finish() {
        Some(Finish::Length) => return Some(FinishReason::Length),
        Some(Finish::ContentFilter) => return Some(FinishReason::ContentFilter),
        Some(Finish::Stop | Finish::Refusal) | None => {}
    }
    match token.failure()?.code? {
        "max_output_tokens" => Some(FinishReason::Length),
        "content_filter" => Some(FinishReason::ContentFilter),
        _ => None,
    }
}

fn nothing(output: TurnOutput, broken_off: Option<FinishReason>) -> Problem {
    let detail = match output {
        _ if broken_off == Some(FinishReason::Length) => {
            "The most tokens that an answer may have were used before any text."
        }
        _ if broken_off.is_some() => "The provider's filter broke the answer off before any text.",
        TurnOutput {
            empty_message: true,
            ..
        } => "The model's message was empty.",
        TurnOutput {
            reasoning: true, ..
        } => "The model reasoned and gave no answer.",
        _ => "The model gave no answer.",
    };
    Problem {
        finish_reason: broken_off.or(Some(FinishReason::Empty)),
        ..Problem::new(
            ErrorCode::ProviderFailed,
            format!("{detail} Ask again, or in other words."),
        )
    }
}

/// Whose fault it was that a turn failed, in words that hold no content. The broker saw what the provider
/// answered; Codex only knows that it got no answer.
pub fn failed(failure: &TurnFailure, token: &TurnToken) -> Problem {
    if token.is_out_of_budget() {
        return Problem::new(
            ErrorCode::BudgetExhausted,
            "The turn has used the tokens that were reserved for it, which was all that is left of a budget, or PORTCULLIS_RESERVED_TOKENS.",
        );
    }
    if let Some(failure) = token.failure() {
        return Problem {
            // Whole seconds, and not one too early.
            retry_after: failure.retry_after.map(|wait| {
                Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            }),
            ..Problem::new(ErrorCode::ProviderFailed, failure.detail())
        };
    }
    match failure {
        TurnFailure::Overloaded => Problem::new(
            ErrorCode::Overloaded,
            "Codex has too much to do at the moment. Try again in a few seconds.",
        ),
        TurnFailure::NotStarted => unavailable(),
        failure => Problem::new(ErrorCode::CodexFailed, format!("{failure}.")),
    }
}

fn unavailable() -> Problem {
    Problem::new(
        ErrorCode::CodexUnavailable,
        "The Codex CLI does not start on this gateway. Its log says why.",
    )
}

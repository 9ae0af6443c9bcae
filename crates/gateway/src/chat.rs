//! `mode=chat`: a question through Codex, from a checked request to the run's terminal event.

mod call_record;
mod meta;
mod output;
mod prompt;
pub mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_client::{
    CodexClient, Driver, LeaseError, ThreadProfile, Turn, TurnEnd, TurnEvent, TurnFailure,
    TurnLease, TurnStream,
};
use redact::Redactor;
use runner::Deadline;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::{Broker, Grant, TurnToken};
use crate::config::ChatSettings;
use crate::error::{ErrorCode, FieldError, Problem};
use crate::guard::{self, Guard, Permit};
use crate::run::{RunEvent, RunFollower, RunWriter, new_run};

use call_record::CallRecord;
use meta::Meta;
use output::Output;
use request::ChatRequest;

pub(crate) use meta::milliseconds;

/// All calls are one tenant's until there is access control.
pub(crate) const TENANT: &str = "default";

/// Answers chat calls. It knows nothing of HTTP: a call comes in as a [`ChatRequest`], and what
/// becomes of it is read from the [`RunFollower`].
#[derive(Clone)]
pub struct Chat {
    parts: Arc<ChatParts>,
}

/// What a chat call needs of the gateway.
pub struct ChatParts {
    pub settings: ChatSettings,
    /// The model of a call that names none.
    pub model: String,
    pub driver: Driver,
    pub redactor: Redactor,
    pub guard: Guard,
    pub broker: Broker,
    pub client: CodexClient,
    /// Where the tasks of calls run.
    pub tracker: TaskTracker,
    /// Cancelled when running turns have had their time to end at shutdown.
    pub stopping: CancellationToken,
}

/// What belongs to a call whatever it asks for. Made when its head has arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub request_id: String,
    pub accepted: Instant,
    pub deadline: Deadline,
}

impl Call {
    pub fn new(request_id: String, timeout: Duration) -> Self {
        Self {
            request_id,
            accepted: Instant::now(),
            deadline: Deadline::after(timeout),
        }
    }
}

impl Chat {
    pub fn new(parts: ChatParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    pub fn settings(&self) -> &ChatSettings {
        &self.parts.settings
    }

    /// Starts the work on a call. It goes on until its terminal event, its deadline, or until the
    /// follower is dropped.
    pub fn start(&self, request: ChatRequest, call: Call) -> RunFollower {
        let (writer, follower) = new_run();
        let parts = Arc::clone(&self.parts);
        self.parts
            .tracker
            .spawn(async move { parts.run(request, call, writer).await });
        follower
    }
}

impl ChatParts {
    /// One call, and its one terminal event on every path.
    async fn run(&self, request: ChatRequest, call: Call, writer: RunWriter) {
        let mut record = CallRecord::new(&call, &request, self.driver.name());
        let outcome = {
            let work = self.work(request, &call, &writer, &mut record);
            tokio::select! {
                // What ends a call from outside goes before what it still has to say.
                biased;
                () = writer.cancelled() => Err(Problem::new(ErrorCode::ClientGone, "")),
                () = self.stopping.cancelled() => Err(guard::draining()),
                () = tokio::time::sleep_until(call.deadline.instant()) => {
                    Err(Problem::deadline_exceeded(self.settings.timeout))
                }
                outcome = work => outcome,
            }
        };
        let event = match outcome {
            Ok(meta) => {
                record.completed();
                RunEvent::Done {
                    meta: meta.to_json(),
                }
            }
            Err(mut problem) => {
                if record.has_codex_started() {
                    problem = problem.after_codex_started();
                }
                record.failed(&problem);
                RunEvent::Failed { problem }
            }
        };
        writer.finish(event);
    }

    /// The straight line. Dropping this future at any point interrupts the turn, revokes its token
    /// and gives back its permit.
    async fn work(
        &self,
        request: ChatRequest,
        call: &Call,
        writer: &RunWriter,
        record: &mut CallRecord,
    ) -> Result<Meta, Problem> {
        self.refuse_what_the_cli_cannot_do(&request)?;
        let _permit: Permit = self.guard.admit(TENANT, call.deadline).await?;
        record.admitted();
        let model = request.model.clone().unwrap_or_else(|| self.model.clone());
        record.model(&model);
        let driver = self.driver.name();
        let mut meta = Meta::new(call, model.clone(), driver, request.ignored_extra.clone());
        let input = prompt::input(&request, &self.redactor, &self.settings, &mut meta);
        let grant = Grant {
            turn_id: call.request_id.clone(),
            tenant: TENANT.to_owned(),
            models: vec![model.clone()],
            deadline: call.deadline,
            reasoning_effort: request.reasoning_effort.clone(),
            tools: Vec::new(),
        };
        let turn = Turn {
            input,
            model,
            reasoning_effort: request.reasoning_effort,
            output_schema: request.output_schema,
        };
        let (token, started) = self.start_turn(&turn, &grant, call, record).await?;
        let outcome = match started {
            Ok(stream) => self.follow_turn(stream, writer, record, &mut meta).await,
            Err(failure) => Err(codex_failed(&failure)),
        };
        // What the broker has counted is sure. A CLI that called no model here may have cost all the same.
        if token.model_calls() > 0 {
            meta.usage = token.usage();
        }
        meta.redactions.upstream = token.redactions();
        record.usage(meta.usage);
        // The broker saw what the provider answered; Codex only knows that it got no answer.
        outcome.map_err(|problem| provider_failure(&token).unwrap_or(problem))?;
        Ok(meta)
    }

    fn refuse_what_the_cli_cannot_do(&self, request: &ChatRequest) -> Result<(), Problem> {
        if request.output_schema.is_none() || self.driver.takes_output_schema() {
            return Ok(());
        }
        let detail = "cannot be given to the CLI of this gateway: CODEX_CHAT_ARGS has no {output_schema_file}";
        let error = FieldError::new(&["extra", "output_schema"], detail);
        Err(Problem::invalid(ErrorCode::InvalidExtra, vec![error], 1))
    }

    /// Starts the turn, a second time if the process turns out to be dead or deaf: as long as the model
    /// has not been called, nothing was run that would be run again.
    async fn start_turn(
        &self,
        turn: &Turn,
        grant: &Grant,
        call: &Call,
        record: &mut CallRecord,
    ) -> Result<(TurnToken, Result<TurnStream, TurnFailure>), Problem> {
        let mut is_first = true;
        loop {
            let lease = self.lease(call).await?;
            let token = self.broker.issue(lease.credential(), grant.clone());
            // From here on it may have begun, until it says that it has not.
            record.codex_started(true);
            let started = lease.start_turn(turn).await;
            let is_lost = started.as_ref().is_err_and(TurnFailure::is_of_the_process);
            record.codex_started(started.is_ok() || is_lost || token.model_calls() > 0);
            if !(is_lost && is_first && token.model_calls() == 0) {
                return Ok((token, started));
            }
            is_first = false;
        }
    }

    async fn lease(&self, call: &Call) -> Result<TurnLease, Problem> {
        self.client
            .lease(TENANT, &ThreadProfile::default(), call.deadline)
            .await
            .map_err(|error| match error {
                LeaseError::Busy => Problem::deadline_exceeded(self.settings.timeout),
                LeaseError::Unavailable { reason } => {
                    tracing::error!(%reason, "no call can be served");
                    Problem::new(
                        ErrorCode::CodexUnavailable,
                        "The Codex CLI does not start on this gateway. Its log says why.",
                    )
                }
                LeaseError::NoTools => Problem::new(ErrorCode::CodexUnavailable, error.to_string()),
                LeaseError::Closing => guard::draining(),
            })
    }

    /// Passes on what the turn says, until it ends or the answer is over its limit.
    async fn follow_turn(
        &self,
        mut stream: TurnStream,
        writer: &RunWriter,
        record: &mut CallRecord,
        meta: &mut Meta,
    ) -> Result<(), Problem> {
        let limit_chars = self.settings.max_output_chars;
        let mut output = Output::new(writer, record, meta, self.redactor.stream(), limit_chars);
        loop {
            match stream.next().await {
                Some(TurnEvent::Delta(text)) => {
                    output.pass_on(&text).await;
                    if output.is_full() {
                        // Dropping the stream ends the turn: nobody will see more of it.
                        break;
                    }
                }
                Some(TurnEvent::Item { kind, status }) => output.tell(kind, status).await,
                // No chat has any tools yet; dropping the call refuses it.
                Some(TurnEvent::ToolCall(_)) => {}
                Some(TurnEvent::Usage(usage)) => output.reported_usage(usage.into()),
                Some(TurnEvent::Ended(TurnEnd::Failed(failure))) => {
                    output.break_off().await;
                    return Err(codex_failed(&failure));
                }
                Some(TurnEvent::Ended(TurnEnd::Completed)) | None => break,
            }
        }
        output.finish().await;
        Ok(())
    }
}

/// Whose fault it was that a turn failed, in words that hold no content.
fn codex_failed(failure: &TurnFailure) -> Problem {
    match failure {
        TurnFailure::Overloaded => Problem::new(
            ErrorCode::Overloaded,
            "Codex has too much to do at the moment. Try again in a few seconds.",
        ),
        TurnFailure::NotStarted => Problem::new(
            ErrorCode::CodexUnavailable,
            "The Codex CLI does not start on this gateway. Its log says why.",
        ),
        failure => Problem::new(ErrorCode::CodexFailed, format!("{failure}.")),
    }
}

fn provider_failure(token: &TurnToken) -> Option<Problem> {
    let failure = token.failure()?;
    Some(Problem::new(ErrorCode::ProviderFailed, failure.detail()))
}

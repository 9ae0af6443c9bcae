//! `mode=chat`: a question through Codex, from a checked request to the run's terminal event.

mod item;
mod meta;
mod output;
mod record;

use std::sync::Arc;

use broker::TurnToken;
use codex_client::{ItemKind, ThreadProfile, Turn, TurnEnd, TurnEvent, TurnStream};
use redact::Redactor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Admission, Permit};
use crate::calls::call::{Call, TENANT};
use crate::calls::prompt::{PromptCaps, Question};
use crate::calls::run::{RunEvent, RunFollower, RunWriter, new_run};
use crate::calls::turn::{self as turns, Said, StartedTurn, TurnOrder, Turns};
use crate::config::ChatSettings;
use crate::error::{ErrorCode, FieldError, Problem};
use crate::skills::{Borrower, Lending, Skills};

use crate::calls::request::ChatRequest;
use meta::Meta;
use output::Output;
use record::CallRecord;

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
    pub redactor: Redactor,
    pub admission: Admission,
    pub turns: Turns,
    pub skills: Skills,
    /// Where the tasks of calls run.
    pub tracker: TaskTracker,
    /// Cancelled when running turns have had their time to end at shutdown.
    pub stopping: CancellationToken,
}

/// A turn that runs, with what it may call.
struct FollowedTurn<'call> {
    stream: TurnStream,
    lending: Lending,
    token: &'call TurnToken,
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
        let mut record = CallRecord::new(&call, &request, self.turns.driver.name());
        let outcome = {
            let work = self.work(request, &call, &writer, &mut record);
            tokio::select! {
                // What ends a call from outside goes before what it still has to say.
                biased;
                () = writer.cancelled() => Err(Problem::new(ErrorCode::ClientGone, "")),
                () = self.stopping.cancelled() => Err(admission::draining()),
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
        mut request: ChatRequest,
        call: &Call,
        writer: &RunWriter,
        record: &mut CallRecord,
    ) -> Result<Meta, Problem> {
        self.refuse_what_the_cli_cannot_do(&request)?;
        let lending = self.lend(&request)?;
        let _permit: Permit = self.admission.admit(TENANT, call.deadline).await?;
        record.admitted();
        let model = request.model.clone().unwrap_or_else(|| self.model.clone());
        record.model(&model);
        let driver = self.turns.driver.name();
        let ignored = request.ignored_extra.iter();
        let ignored = ignored.map(|name| self.redactor.redact(name).text);
        let mut meta = Meta::new(call, model.clone(), driver, ignored.collect());
        let input = self.input(&mut request, &mut meta).await?;
        let order = TurnOrder {
            turn: Turn {
                input,
                model,
                reasoning_effort: request.reasoning_effort,
                output_schema: request.output_schema,
            },
            profile: ThreadProfile {
                instructions: None,
                tools: lending.tools(),
            },
            tenant: TENANT,
            request_id: &call.request_id,
            deadline: call.deadline,
        };
        let begun = |begun| record.codex_started(begun);
        let StartedTurn { token, stream } = self.turns.start(order, begun).await?;
        let outcome = match stream {
            Ok(stream) => {
                let turn = FollowedTurn {
                    stream,
                    lending,
                    token: &token,
                };
                self.follow(turn, call, writer, record, &mut meta).await
            }
            Err(failure) => Err(turns::failed(&failure, &token)),
        };
        // What the broker has counted is sure. A CLI that called no model here may have cost all the same.
        if token.model_calls() > 0 {
            meta.usage = token.usage();
        }
        meta.redactions.upstream.add(&token.redactions());
        record.usage(meta.usage);
        if token.may_be_asked_again() {
            record.codex_started(false);
        }
        outcome?;
        Ok(meta)
    }

    /// The text items of the user's turn: the message, and the context between marks.
    async fn input(
        &self,
        request: &mut ChatRequest,
        meta: &mut Meta,
    ) -> Result<Vec<String>, Problem> {
        let caps = PromptCaps {
            max_message_chars: self.settings.max_input_chars,
            max_context_chars: self.settings.max_context_chars,
        };
        let question = Question {
            message: std::mem::take(&mut request.message),
            context: request.context.take(),
        };
        let texts = question
            .prepare(&self.redactor, caps, &self.tracker)
            .await?;
        let input = texts.into_iter().map(|(field, prepared)| {
            meta.redactions.request.add(&prepared.redactions);
            let truncation = prepared.truncation.map(|truncation| (field, truncation));
            meta.truncated.extend(truncation);
            prepared.text
        });
        Ok(input.collect())
    }

    fn lend(&self, request: &ChatRequest) -> Result<Lending, Problem> {
        let workspace = request.workspace.as_deref();
        self.skills
            .lend(&request.skills, workspace, self.settings.max_skill_calls)
    }

    fn refuse_what_the_cli_cannot_do(&self, request: &ChatRequest) -> Result<(), Problem> {
        let driver = &self.turns.driver;
        let mut errors = Vec::new();
        if request.output_schema.is_some() && !driver.takes_output_schema() {
            let detail = "cannot be given to the CLI of this gateway: CODEX_CHAT_ARGS has no {output_schema_file}";
            errors.push(FieldError::new(&["extra", "output_schema"], detail));
        }
        if !request.skills.is_empty() && !driver.supports_tools() {
            let detail = "cannot be called by the model with the driver of this gateway; CODEX_DRIVER=app-server can lend them";
            errors.push(FieldError::new(&["extra", "skills"], detail));
        }
        match errors.len() {
            0 => Ok(()),
            count => Err(Problem::invalid(ErrorCode::InvalidExtra, errors, count)),
        }
    }

    /// Passes on what the turn says, until it ends or the answer is over its limit, and runs the skills
    /// that its model calls.
    async fn follow(
        &self,
        turn: FollowedTurn<'_>,
        call: &Call,
        writer: &RunWriter,
        record: &mut CallRecord,
        meta: &mut Meta,
    ) -> Result<(), Problem> {
        let FollowedTurn {
            mut stream,
            mut lending,
            token,
        } = turn;
        let mut said = Said::default();
        let limit_chars = self.settings.max_output_chars;
        let mut output = Output::new(writer, record, meta, self.redactor.stream(), limit_chars);
        let borrower = Borrower {
            request_id: &call.request_id,
            tenant: TENANT,
            deadline: call.deadline,
        };
        let end = loop {
            match stream.next().await {
                Some(TurnEvent::Delta(text)) => {
                    output.pass_on(&text).await;
                    if output.is_full() {
                        // Dropping the stream ends the turn: nobody will see more of it.
                        break Ok(());
                    }
                }
                // Told below, by the name of the skill.
                Some(TurnEvent::Item {
                    kind: ItemKind::ToolCall,
                    ..
                }) => {}
                Some(TurnEvent::Item { kind, status }) => {
                    said.reasoning |= kind == ItemKind::Reasoning;
                    output.tell(kind, status).await;
                }
                Some(TurnEvent::EmptyMessage) => said.empty_message = true,
                Some(TurnEvent::ToolCall(tool_call)) => {
                    output.tell_skill(tool_call.name(), "started").await;
                    tokio::select! {
                        called = lending.answer(tool_call, &borrower) => {
                            output.tell_skill(&called.skill, called.status()).await;
                        }
                        // Nobody waits for the result any more; the end is the next event.
                        () = stream.over() => {}
                    }
                }
                Some(TurnEvent::Usage(usage)) => output.reported_usage(usage),
                Some(TurnEvent::Ended(TurnEnd::Failed(failure))) => break Err(failure),
                Some(TurnEvent::Ended(TurnEnd::Completed)) | None => break Ok(()),
            }
        };
        said.text = output.complete();
        let end = match turns::conclude(end, said, token) {
            Ok(reason) => {
                output.finish_reason(reason);
                output.finish().await;
                Ok(())
            }
            Err(problem) => {
                output.break_off().await;
                Err(problem)
            }
        };
        meta.skill_calls = lending.calls().to_vec();
        meta.redactions.upstream.add(lending.redactions());
        end
    }
}

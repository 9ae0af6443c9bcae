//! `mode=chat`: a question that Codex answers.

mod item;
mod output;

use broker::{TurnToken, Usage};
use codex_client::{ItemKind, ThreadProfile, Turn, TurnEnd, TurnEvent, TurnStream};
use redact::Redactor;
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::prompt::{PromptCaps, Question};
use super::request::ChatRequest;
use super::result::finish_reason::FinishReason;
use super::result::milliseconds::milliseconds;
use super::result::{CallResult, ChatMeta, ChatResult, Redactions, Truncations};
use super::run::RunWriter;
use super::skills::Skills;
use super::tool_grants::{ToolContext, ToolGrants};
use super::turn::{self, StartedTurn, TurnOrder, TurnOutput, Turns};
use crate::access::limits::Need;
use crate::config::ChatSettings;
use crate::error::{ErrorCode, FieldError, Problem};

use output::Output;

/// Answers questions. It knows nothing of HTTP.
pub struct Chat {
    pub settings: ChatSettings,
    /// The model of a call that names none.
    pub model: String,
    pub redactor: Redactor,
    pub turns: Turns,
    pub skills: Skills,
    /// Where long texts are redacted.
    pub tasks: TaskTracker,
}

/// A question that this gateway's CLI can be asked, and the skills that the model may call for it.
pub struct PreparedChat {
    request: ChatRequest,
    grants: ToolGrants,
}

/// A turn that runs, with what it may call.
struct FollowedTurn<'call> {
    stream: TurnStream,
    grants: ToolGrants,
    token: &'call TurnToken,
}

impl Chat {
    pub fn prepare(&self, request: ChatRequest, call: &Call) -> Result<PreparedChat, Problem> {
        if !call.caller.scopes.allow_chat() {
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "This key may not chat: it lacks the scope \"chat\".",
            ));
        }
        call.record.facts().driver = Some(self.turns.driver.name());
        self.refuse_what_the_cli_cannot_do(&request)?;
        let workspace = request.workspace.as_deref();
        let most = self.settings.max_skill_calls;
        let grants = ToolGrants::new(
            &self.skills,
            &call.caller.scopes,
            &request.skills,
            workspace,
            most,
        )?;
        Ok(PreparedChat { request, grants })
    }

    /// What the turn will need of its caller's limits.
    pub fn need(&self, prepared: &PreparedChat) -> Need {
        let PreparedChat { request, grants } = prepared;
        let context = request.context.as_ref().map_or(0, String::len);
        let model = request.model.as_ref().unwrap_or(&self.model);
        Need {
            model: Some(model.clone()),
            // Of characters, a cap may leave more bytes than it has; no estimate needs to know.
            text_bytes: request.message.len().min(self.settings.max_input_chars)
                + context.min(self.settings.max_context_chars),
            has_tools: !grants.is_empty(),
        }
    }

    /// Dropping this future at any point interrupts the turn and revokes its token.
    pub async fn answer(
        &self,
        prepared: PreparedChat,
        call: &Call,
        writer: &RunWriter,
    ) -> Result<CallResult, Problem> {
        let PreparedChat {
            mut request,
            grants,
        } = prepared;
        let model = request.model.take().unwrap_or_else(|| self.model.clone());
        call.record.facts().model = Some(model.clone());
        let mut meta = self.meta(call, model.clone(), &request.ignored_extra);
        let order = TurnOrder {
            turn: Turn {
                input: self.input(&mut request, &mut meta).await?,
                model,
                reasoning_effort: request.reasoning_effort,
                output_schema: request.output_schema,
            },
            profile: ThreadProfile {
                instructions: None,
                tools: grants.tools(),
            },
            deadline: call.deadline,
        };
        let StartedTurn { token, stream } = self.turns.start(order, call).await?;
        let outcome = match stream {
            Ok(stream) => {
                let turn = FollowedTurn {
                    stream,
                    grants,
                    token: &token,
                };
                self.follow(turn, call, writer, &mut meta).await
            }
            Err(failure) => Err(turn::failed(&failure, &token)),
        };
        // What the broker has counted is sure. A CLI that called no model here may have cost all the same.
        if token.model_calls() > 0 {
            meta.usage = token.usage();
        }
        meta.redactions.upstream.add(&token.redactions());
        call.record.facts().usage = Some(meta.usage);
        if token.may_be_asked_again() {
            call.record.may_have_started(false);
        }
        outcome?;
        meta.duration_ms = milliseconds(call.accepted.elapsed());
        Ok(CallResult::Chat(Box::new(ChatResult { meta })))
    }

    /// As far as it is known before the turn.
    fn meta(&self, call: &Call, model: String, ignored_extra: &[String]) -> ChatMeta {
        let ignored_extra = ignored_extra.iter();
        let ignored_extra = ignored_extra.map(|name| self.redactor.redact(name).text);
        ChatMeta {
            request_id: call.request_id.clone(),
            conversation_id: None,
            model,
            driver: self.turns.driver.name(),
            duration_ms: 0.0,
            first_token_ms: None,
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
            truncated: Truncations::new(),
            redactions: Redactions::default(),
            skill_calls: Vec::new(),
            ignored_extra: ignored_extra.collect(),
        }
    }

    /// The text items of the user's turn: the message, and the context between marks.
    async fn input(
        &self,
        request: &mut ChatRequest,
        meta: &mut ChatMeta,
    ) -> Result<Vec<String>, Problem> {
        let caps = PromptCaps {
            max_message_chars: self.settings.max_input_chars,
            max_context_chars: self.settings.max_context_chars,
        };
        let question = Question {
            message: std::mem::take(&mut request.message),
            context: request.context.take(),
        };
        let texts = question.prepare(&self.redactor, caps, &self.tasks).await?;
        let input = texts.into_iter().map(|(field, prepared)| {
            meta.redactions.request.add(&prepared.redactions);
            let truncation = prepared.truncation.map(|truncation| (field, truncation));
            meta.truncated.extend(truncation);
            prepared.text
        });
        Ok(input.collect())
    }

    fn refuse_what_the_cli_cannot_do(&self, request: &ChatRequest) -> Result<(), Problem> {
        let driver = &self.turns.driver;
        let mut errors = Vec::new();
        if request.output_schema.is_some() && !driver.takes_output_schema() {
            let detail = "cannot be given to the CLI of this gateway: CODEX_CHAT_ARGS has no {output_schema_file}";
            errors.push(FieldError::new(&["extra", "output_schema"], detail));
        }
        if !request.skills.is_empty() && !driver.supports_tools() {
            let detail = "cannot be called by the model with the driver of this gateway; CODEX_DRIVER=app-server can grant them";
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
        meta: &mut ChatMeta,
    ) -> Result<(), Problem> {
        let FollowedTurn {
            mut stream,
            mut grants,
            token,
        } = turn;
        let mut said = TurnOutput::default();
        let limit_chars = self.settings.max_output_chars;
        let redactor = self.redactor.stream();
        let mut output = Output::new(writer, &call.record, meta, redactor, limit_chars);
        let context = ToolContext {
            call,
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
                // Reported below, by the name of the skill.
                Some(TurnEvent::Item {
                    kind: ItemKind::ToolCall,
                    ..
                }) => {}
                Some(TurnEvent::Item { kind, status }) => {
                    said.reasoning |= kind == ItemKind::Reasoning;
                    output.item(kind, status).await;
                }
                Some(TurnEvent::EmptyMessage) => said.empty_message = true,
                Some(TurnEvent::ToolCall(tool_call)) => {
                    output.skill(tool_call.name(), "started").await;
                    tokio::select! {
                        called = grants.answer(tool_call, &context) => {
                            output.skill(&called.skill, called.status()).await;
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
        let end = match turn::conclude(end, said, token) {
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
        meta.skill_calls = grants.calls().to_vec();
        meta.redactions.upstream.add(grants.redactions());
        end
    }
}

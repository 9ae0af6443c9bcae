//! The kind `codex`: a turn of the real CLI with a prompt made from a template, an answer by schema, and
//! no tools but the skills that its file grants it.
//!
//! The CLI itself never sees the workspace: it reads it by those skills alone, each in a sandbox of its
//! own, so nothing that lies in there (`AGENTS.md`, hooks, scripts, git's settings) means anything to it.

use std::time::Instant;

use broker::{TurnToken, Usage};
use codex_client::{ItemKind, ThreadProfile, Turn, TurnEnd, TurnEvent, TurnStream};
use redact::{Counts, Untrusted};
use serde_json::Value;
use skills::{
    CodexRun, Completed, ResultForm, Skill, SkillError, Status, ToolResult, ValidatedCall,
};
use tokio::time::timeout_at;

use super::{Ended, EndedTurn, Tool};
use crate::access::scopes::Scopes;
use crate::calls::call::Call;
use crate::calls::prompt::Question;
use crate::calls::result::finish_reason::FinishReason;
use crate::calls::result::{Truncations, TurnMeta};
use crate::calls::run::{RunEvent, RunWriter};
use crate::calls::tool_grants::{READING_SKILL, ToolCallRecord, ToolContext, ToolGrants};
use crate::calls::turn::{self, StartedTurn, TurnOrder, TurnOutput};
use crate::error::{ErrorCode, FieldError, Problem};

/// Calls of skills that the model of such a turn may make, to look around.
const MAX_CALLS: u32 = 24;

impl Tool {
    pub(super) async fn run_turn(
        &self,
        validated: ValidatedCall,
        run: &CodexRun,
        call: &Call,
        writer: &RunWriter,
        report_start: impl AsyncFnOnce(),
    ) -> Result<Ended, Problem> {
        if run.needs_context && validated.context.as_deref().is_none_or(str::is_empty) {
            let detail = "is what this skill works on: send it";
            let error = FieldError::new(&["context"], detail);
            return Err(Problem::invalid(ErrorCode::InvalidRequest, vec![error], 1));
        }
        let skill = validated.skill.clone();
        let workspace = validated.workspace.as_ref().map(|one| one.name.as_str());
        let mut grants = ToolGrants::new(
            &self.skills,
            // Whoever wrote the skill decides what it may use.
            &Scopes::everything(),
            &run.skills,
            workspace,
            MAX_CALLS,
        )?;
        let model = run.model.clone().unwrap_or_else(|| self.model.clone());
        let mut prompt = self.prompt(&validated, run).await?;
        let deadline = call.deadline.min_after(skill.deadline);
        let order = TurnOrder {
            turn: Turn {
                input: std::mem::take(&mut prompt.texts),
                model: model.clone(),
                reasoning_effort: run.reasoning_effort.clone(),
                output_schema: run
                    .output_schema
                    .clone()
                    .filter(|_| self.turns.driver.takes_output_schema()),
            },
            profile: ThreadProfile {
                instructions: run.instructions.clone(),
                tools: grants.tools(),
            },
            deadline,
        };
        let started = Instant::now();
        let mut usage = Usage::default();
        let mut upstream = Counts::default();
        let working = async {
            let StartedTurn { token, stream } = self.turns.start(order, call).await?;
            let outcome = match stream {
                Ok(stream) => {
                    let following = Following {
                        skill: &skill,
                        grants: &mut grants,
                        context: ToolContext { call, deadline },
                        writer,
                    };
                    following.answer(stream, &token, report_start).await
                }
                Err(failure) => Err(turn::failed(&failure, &token)),
            };
            usage = token.usage();
            upstream = token.redactions();
            if token.may_be_asked_again() {
                call.record.may_have_started(false);
            }
            outcome
        };
        let answer = timeout_at(deadline.instant(), working).await;
        let answer = answer.map_err(|_| SkillError::DeadlineExceeded {
            limit: skill.deadline,
        })??;
        let (output, redactions, truncated) = self.shape(&answer, &skill, run)?;
        upstream.add(grants.redactions());
        let skill_calls = grants.calls().to_vec();
        let mut result = ToolResult::new(Status::Ok, started.elapsed(), output);
        result.truncated = truncated;
        if run.skills.iter().any(|name| name == READING_SKILL) {
            result.files_read = Some(files_read(&skill_calls));
        }
        Ok(Ended {
            completed: Completed { result, redactions },
            turn: Some(EndedTurn {
                meta: TurnMeta {
                    model,
                    finish_reason: answer.finish_reason,
                    usage,
                    skill_calls,
                },
                truncated: prompt.truncated,
                request: prompt.redactions,
                upstream,
            }),
        })
    }

    /// The message from the skill's template, and the material between its marks.
    async fn prompt(&self, validated: &ValidatedCall, run: &CodexRun) -> Result<Prompt, Problem> {
        let message = run.prompt(validated);
        let context = validated.context.clone();
        let question = Question { message, context };
        let redactor = self.skills.redactor();
        let texts = question.prepare(redactor, self.caps, &self.tasks).await?;
        let mut prompt = Prompt::default();
        for (field, text) in texts {
            prompt.redactions.add(&text.redactions);
            let truncation = text.truncation.map(|truncation| (field, truncation));
            prompt.truncated.extend(truncation);
            prompt.texts.push(text.text);
        }
        Ok(prompt)
    }

    /// The answer in the form that the skill promises; whether it was cut.
    fn shape(
        &self,
        answer: &Answer,
        skill: &Skill,
        run: &CodexRun,
    ) -> Result<(Value, Counts, bool), Problem> {
        let redactor = self.skills.redactor();
        if skill.result == ResultForm::Text {
            let redacted = redactor.redact_untrusted(&answer.text);
            let counts = redacted.counts();
            let is_cut = matches!(
                answer.finish_reason,
                FinishReason::Length | FinishReason::ContentFilter
            );
            return Ok((Value::String(redacted.text), counts, is_cut));
        }
        if answer.is_cut {
            let limit = skill.max_output_bytes;
            return Err(bad_output(format!(
                "The answer is over the skill's limit of {limit} bytes, and cannot be cut."
            )));
        }
        let redacted = redact::json::redact_with_keys(redactor, &answer.text).map_err(|error| {
            bad_output(format!(
                "The answer is not the JSON that the skill promises, at byte {}.",
                error.offset_bytes
            ))
        })?;
        let output: Value = serde_json::from_str(&redacted.text)
            .map_err(|_| bad_output("The answer cannot be read.".to_owned()))?;
        if let Some(schema) = &run.output_schema {
            follows(schema, &output)?;
        }
        Ok((output, redacted.counts(), false))
    }
}

/// What the turn is asked.
#[derive(Default)]
struct Prompt {
    texts: Vec<String>,
    truncated: Truncations,
    redactions: Counts,
}

/// The whole answer, sealed.
struct Answer {
    text: Untrusted,
    /// It was longer than the skill allows.
    is_cut: bool,
    finish_reason: FinishReason,
}

struct Following<'turn> {
    skill: &'turn Skill,
    grants: &'turn mut ToolGrants,
    context: ToolContext<'turn>,
    writer: &'turn RunWriter,
}

impl Following<'_> {
    /// `report_start` is called at the first event: what fails before it keeps its HTTP status.
    async fn answer(
        self,
        mut stream: TurnStream,
        token: &TurnToken,
        report_start: impl AsyncFnOnce(),
    ) -> Result<Answer, Problem> {
        let mut answer = Answer {
            text: Untrusted::default(),
            is_cut: false,
            finish_reason: FinishReason::Length,
        };
        let mut said = TurnOutput::default();
        let mut event = stream.next().await;
        if let Some(TurnEvent::Ended(TurnEnd::Failed(failure))) = event {
            return Err(turn::failed(&failure, token));
        }
        report_start().await;
        let end = loop {
            match event {
                Some(TurnEvent::Delta(text)) => {
                    let length = answer.text.len_bytes() + text.len_bytes();
                    if length > self.skill.max_output_bytes {
                        answer.is_cut = true;
                        return Ok(answer);
                    }
                    said.text |= !text.is_empty();
                    answer.text.append(&text);
                }
                Some(TurnEvent::ToolCall(call)) => {
                    self.writer.append(item(call.name(), "started")).await;
                    tokio::select! {
                        called = self.grants.answer(call, &self.context) => {
                            let item = item(&called.skill, called.status());
                            self.writer.append(item).await;
                        }
                        // Nobody waits for the result any more; the end is the next event.
                        () = stream.over() => {}
                    }
                }
                Some(TurnEvent::EmptyMessage) => said.empty_message = true,
                Some(TurnEvent::Item { kind, .. }) => {
                    said.reasoning |= kind == ItemKind::Reasoning;
                }
                Some(TurnEvent::Usage(_)) => {}
                Some(TurnEvent::Ended(TurnEnd::Failed(failure))) => break Err(failure),
                Some(TurnEvent::Ended(TurnEnd::Completed)) | None => break Ok(()),
            }
            event = stream.next().await;
        };
        answer.finish_reason = turn::conclude(end, said, token)?;
        Ok(answer)
    }
}

fn item(skill: &str, status: &'static str) -> RunEvent {
    RunEvent::Item {
        kind: "skill_call",
        title: skill.to_owned().into(),
        status,
    }
}

/// In the order in which they were read first.
fn files_read(calls: &[ToolCallRecord]) -> Vec<String> {
    let mut files = Vec::new();
    for path in calls.iter().filter_map(|call| call.file_read.as_ref()) {
        if !files.contains(path) {
            files.push(path.clone());
        }
    }
    files
}

/// The provider was asked to hold to it; the result does, or there is none.
fn follows(schema: &Value, output: &Value) -> Result<(), Problem> {
    let validator = jsonschema::options()
        .build(schema)
        .map_err(|_| bad_output("The skill's schema cannot be used.".to_owned()))?;
    match validator.iter_errors(output).next() {
        None => Ok(()),
        Some(error) => Err(bad_output(format!(
            "The answer does not follow the skill's schema, at {}.",
            place(schema, error.instance_path().as_str())
        ))),
    }
}

/// The place in the answer, with nothing of it that the schema does not name: keys are the model's words.
fn place(schema: &Value, pointer: &str) -> String {
    if pointer.is_empty() {
        return "its root".to_owned();
    }
    let declared = schema.to_string();
    let steps = pointer.split('/').skip(1).map(|step| {
        let is_index = step.bytes().all(|byte| byte.is_ascii_digit());
        let is_declared = declared.contains(&Value::from(step).to_string());
        if is_index || is_declared { step } else { "*" }
    });
    steps.fold(String::new(), |place, step| format!("{place}/{step}"))
}

fn bad_output(detail: String) -> Problem {
    Problem::new(ErrorCode::BadToolOutput, detail)
}

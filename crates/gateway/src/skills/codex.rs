//! The kind `codex`: a turn of the real CLI with a prompt made from a template, an answer by schema, and
//! no tools but the skills that its file lends it.
//!
//! The CLI itself never sees the workspace: it reads it by those skills alone, each in a sandbox of its
//! own, so nothing that lies in there (`AGENTS.md`, hooks, scripts, git's settings) means anything to it.

use ::skills::{CodexRun, Completed, Prepared, ResultForm, Skill, SkillError, Status, ToolResult};
use broker::{TurnToken, Usage};
use codex_client::{ItemKind, ThreadProfile, Turn, TurnEnd, TurnEvent, TurnStream};
use redact::{Counts, Untrusted};
use serde_json::Value;
use tokio::time::timeout_at;

use super::lending::{Borrower, Lending, LentCall, READING_SKILL};
use super::{Ended, Skills, TurnParts};
use crate::calls::call::{Call, FinishReason, TENANT};
use crate::calls::caps::Truncation;
use crate::calls::prompt::Question;
use crate::calls::run::{RunEvent, RunWriter};
use crate::calls::turn::{self as turns, Said, StartedTurn, TurnOrder};
use crate::error::{ErrorCode, FieldError, Problem};

/// Skills that are lent to such a turn and may be called in all; it is given them to look around.
const MAX_CALLS: u32 = 24;

/// What `meta` says of a turn.
#[derive(Debug, Default)]
pub(super) struct TurnAccount {
    pub(super) model: String,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) usage: Usage,
    pub(super) request: Counts,
    pub(super) upstream: Counts,
    pub(super) truncated: Vec<(&'static str, Truncation)>,
    pub(super) skill_calls: Vec<LentCall>,
}

impl Skills {
    pub(super) async fn codex(
        &self,
        prepared: Prepared,
        run: &CodexRun,
        call: &Call,
        writer: &RunWriter,
        began: impl AsyncFnOnce(),
        mut may_have_begun: impl FnMut(bool),
    ) -> Result<Ended, Problem> {
        if run.needs_context && prepared.context.as_deref().is_none_or(str::is_empty) {
            let detail = "is what this skill works on: send it";
            let error = FieldError::new(&["context"], detail);
            return Err(Problem::invalid(ErrorCode::InvalidRequest, vec![error], 1));
        }
        let parts = &self.parts.turn;
        let skill = prepared.skill.clone();
        let workspace = prepared.workspace.as_ref().map(|one| one.name.as_str());
        let mut lending = self.lend(&run.skills, workspace, MAX_CALLS)?;
        let mut account = TurnAccount {
            model: parts.model_of(run),
            ..TurnAccount::default()
        };
        let deadline = call.deadline.min_after(skill.deadline);
        let order = TurnOrder {
            turn: Turn {
                input: self.input(&prepared, run, &mut account).await?,
                model: account.model.clone(),
                reasoning_effort: run.reasoning_effort.clone(),
                output_schema: run
                    .output_schema
                    .clone()
                    .filter(|_| parts.turns.driver.takes_output_schema()),
            },
            profile: ThreadProfile {
                instructions: run.instructions.clone(),
                tools: lending.tools(),
            },
            tenant: TENANT,
            request_id: &call.request_id,
            deadline,
        };
        let started = std::time::Instant::now();
        let borrower = Borrower {
            request_id: &call.request_id,
            tenant: TENANT,
            deadline,
        };
        let working = async {
            let StartedTurn { token, stream } =
                parts.turns.start(order, &mut may_have_begun).await?;
            let outcome = match stream {
                Ok(stream) => {
                    let following = Following {
                        skill: &skill,
                        lending: &mut lending,
                        borrower: &borrower,
                        writer,
                    };
                    following.answer(stream, &token, began).await
                }
                Err(failure) => Err(turns::failed(&failure, &token)),
            };
            account.usage = token.usage();
            account.upstream = token.redactions();
            if token.may_be_asked_again() {
                may_have_begun(false);
            }
            outcome
        };
        let answer = timeout_at(deadline.instant(), working).await;
        let answer = answer.map_err(|_| SkillError::DeadlineExceeded {
            limit: skill.deadline,
        })??;
        account.finish_reason = Some(answer.finish_reason);
        let (output, redactions, truncated) = self.shape(&answer, &skill, run)?;
        account.upstream.add(lending.redactions());
        account.skill_calls = lending.calls().to_vec();
        let mut result = ToolResult::new(Status::Ok, started.elapsed(), output);
        result.truncated = truncated;
        if run.skills.iter().any(|name| name == READING_SKILL) {
            result.files_read = Some(files_read(&account.skill_calls));
        }
        Ok(Ended {
            completed: Completed { result, redactions },
            turn: Some(account),
        })
    }

    /// The prompt, and the material between its marks.
    async fn input(
        &self,
        prepared: &Prepared,
        run: &CodexRun,
        account: &mut TurnAccount,
    ) -> Result<Vec<String>, Problem> {
        let message = run.prompt(prepared);
        let context = prepared.context.clone();
        let texts = Question { message, context }
            .prepare(self.redactor(), self.parts.turn.caps, &self.parts.tasks)
            .await?;
        let input = texts.into_iter().map(|(field, text)| {
            account.request.add(&text.redactions);
            let truncation = text.truncation.map(|truncation| (field, truncation));
            account.truncated.extend(truncation);
            text.text
        });
        Ok(input.collect())
    }

    /// The answer in the form that the skill promises; whether it was cut.
    fn shape(
        &self,
        answer: &Answer,
        skill: &Skill,
        run: &CodexRun,
    ) -> Result<(Value, Counts, bool), Problem> {
        let redactor = self.redactor();
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

/// The whole answer, sealed.
struct Answer {
    text: Untrusted,
    /// It was longer than the skill allows.
    is_cut: bool,
    finish_reason: FinishReason,
}

struct Following<'turn> {
    skill: &'turn Skill,
    lending: &'turn mut Lending,
    borrower: &'turn Borrower<'turn>,
    writer: &'turn RunWriter,
}

impl Following<'_> {
    /// `began` is told of the first event: what fails before it keeps its HTTP status.
    async fn answer(
        self,
        mut stream: TurnStream,
        token: &TurnToken,
        began: impl AsyncFnOnce(),
    ) -> Result<Answer, Problem> {
        let mut answer = Answer {
            text: Untrusted::default(),
            is_cut: false,
            finish_reason: FinishReason::Length,
        };
        let mut said = Said::default();
        let mut event = stream.next().await;
        if let Some(TurnEvent::Ended(TurnEnd::Failed(failure))) = event {
            return Err(turns::failed(&failure, token));
        }
        began().await;
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
                        called = self.lending.answer(call, self.borrower) => {
                            let told = item(&called.skill, called.status());
                            self.writer.append(told).await;
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
        answer.finish_reason = turns::conclude(end, said, token)?;
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
fn files_read(calls: &[LentCall]) -> Vec<String> {
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

impl TurnParts {
    fn model_of(&self, run: &CodexRun) -> String {
        run.model.clone().unwrap_or_else(|| self.model.clone())
    }
}

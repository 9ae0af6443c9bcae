//! `mode=tool`: a skill that a caller has run.

mod codex;

use redact::Counts;
use skills::{Completed, Run, ToolRequest, ToolResult, ValidatedCall};
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::prompt::PromptCaps;
use super::result::milliseconds::milliseconds;
use super::result::{CallResult, Redactions, ToolCallResult, ToolMeta, Truncations, TurnMeta};
use super::run::{RunEvent, RunWriter};
use super::skills::Skills;
use super::turn::Turns;
use crate::access::limits::Need;
use crate::error::Problem;

/// Runs skills for callers. It knows nothing of HTTP.
pub struct Tool {
    pub skills: Skills,
    pub turns: Turns,
    /// The model of a skill that is a turn and names none.
    pub model: String,
    pub caps: PromptCaps,
    /// Where long texts are redacted.
    pub tasks: TaskTracker,
}

/// A call whose values are all valid.
pub struct PreparedTool {
    validated: ValidatedCall,
    ignored_extra: Vec<String>,
}

/// What has been run, and how the turn was made, if it was one.
struct Ended {
    completed: Completed,
    turn: Option<EndedTurn>,
}

struct EndedTurn {
    meta: TurnMeta,
    truncated: Truncations,
    /// In the prompt.
    request: Counts,
    /// In what Codex sent to the model, and in what it was shown of skills.
    upstream: Counts,
}

impl Tool {
    /// Before the call is admitted, so that a mistake is reported even where the queue is full.
    pub async fn prepare(
        &self,
        request: ToolRequest,
        call: &Call,
    ) -> Result<PreparedTool, Problem> {
        let skill = self.skills.find(&request.skill, &call.caller.scopes)?;
        let message = request.message.is_some() && !skill.takes_message();
        let context = request.context.is_some() && !skill.takes_context();
        let unused = [("message", message), ("context", context)];
        let validated = self.skills.executor().prepare(skill, request).await?;
        let unused = unused.into_iter().filter(|(_, is_unused)| *is_unused);
        let unused = unused.map(|(field, _)| field.to_owned());
        let ignored_extra = validated.ignored_extra.iter().cloned().chain(unused);
        let mut facts = call.record.facts();
        facts.skill = Some(validated.skill.name.to_string());
        facts.driver = Some(validated.skill.run.kind());
        facts.workspace = validated.workspace.as_ref().map(|one| one.name.clone());
        drop(facts);
        Ok(PreparedTool {
            ignored_extra: ignored_extra.collect(),
            validated,
        })
    }

    /// What the call will need of its caller's limits.
    pub fn need(&self, prepared: &PreparedTool) -> Need {
        let call = &prepared.validated;
        let Run::Codex(run) = &call.skill.run else {
            return Need::default();
        };
        let most = self.caps.max_message_chars + self.caps.max_context_chars;
        Need {
            model: Some(run.model.clone().unwrap_or_else(|| self.model.clone())),
            text_bytes: call.text_bytes().min(most),
            has_tools: !run.skills.is_empty(),
        }
    }

    /// Dropping this future at any point kills what runs.
    pub async fn run(
        &self,
        prepared: PreparedTool,
        call: &Call,
        writer: &RunWriter,
    ) -> Result<CallResult, Problem> {
        let PreparedTool {
            validated,
            ignored_extra,
        } = prepared;
        let skill = validated.skill.clone();
        let workspace = validated.workspace.as_ref().map(|one| one.name.clone());
        let name = skill.name.to_string();
        let driver = skill.run.kind();
        let item = |status| RunEvent::Item {
            kind: "skill",
            title: name.clone().into(),
            status,
        };
        let report_start = async || {
            let start = RunEvent::Start {
                model: None,
                driver,
                skill: Some(name.clone()),
            };
            writer.append(start).await;
            writer.append(item("started")).await;
        };
        let Ended { completed, turn } = match &skill.run {
            Run::Codex(run) => {
                let running = self.run_turn(validated, run, call, writer, report_start);
                running.await?
            }
            Run::Command(_) | Run::Cli(_) => {
                let on_started = async || {
                    call.record.may_have_started(true);
                    report_start().await;
                };
                let executor = self.skills.executor();
                let running = executor.run(validated, call.deadline, on_started);
                Ended {
                    completed: running.await?,
                    turn: None,
                }
            }
        };
        writer.append(item("completed")).await;
        record(call, &completed, turn.as_ref());
        let mut redactions = Redactions {
            response: completed.redactions,
            ..Redactions::default()
        };
        let mut truncated = Truncations::new();
        let turn = turn.map(|turn| {
            redactions.request = turn.request;
            redactions.upstream = turn.upstream;
            truncated = turn.truncated;
            turn.meta
        });
        let ignored_extra = ignored_extra.iter();
        let ignored_extra = ignored_extra.map(|name| self.skills.redactor().redact(name).text);
        let meta = ToolMeta {
            request_id: call.request_id.clone(),
            conversation_id: None,
            skill: name.clone(),
            workspace,
            driver,
            duration_ms: milliseconds(call.accepted.elapsed()),
            truncated,
            redactions,
            ignored_extra: ignored_extra.collect(),
            turn,
        };
        Ok(CallResult::Tool(Box::new(ToolCallResult {
            tool_result: completed.result,
            meta,
        })))
    }
}

fn record(call: &Call, completed: &Completed, turn: Option<&EndedTurn>) {
    let Completed { result, redactions } = completed;
    let mut facts = call.record.facts();
    facts.exit_code = result.exit_code;
    facts.signal = result.signal;
    facts.result_bytes = Some(size_bytes(result));
    facts.redactions = Some(redactions.total());
    if let Some(turn) = turn {
        facts.model = Some(turn.meta.model.clone());
        facts.usage = Some(turn.meta.usage);
    }
}

/// As JSON.
fn size_bytes(result: &ToolResult) -> usize {
    serde_json::to_vec(result).map_or(0, |text| text.len())
}

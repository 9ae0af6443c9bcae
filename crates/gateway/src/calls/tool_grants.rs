//! Skills that the model of one turn may call by itself: the same schema, sandbox, limits and redaction as
//! for everybody else, a bounded number of calls, and no time beyond the turn's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_client::{ToolCall, ToolDefinition};
use redact::Counts;
use runner::Deadline;
use serde::Serialize;
use serde_json::{Map, Value};
use skills::{Run, Skill, Status, WorkspaceMode};

use super::call::Call;
use super::prompt::caps::{Keep, cap};
use super::result::milliseconds::milliseconds;
use super::skills::{Skills, unknown_skill};
use crate::access::scopes::Scopes;
use crate::error::{ErrorCode, FieldError, Problem};
use crate::logging::RECORD;

/// What of one result the model is shown; more would fill its context.
const MAX_RESULT_CHARS: usize = 50_000;

/// The skill that reads a file.
pub(super) const READING_SKILL: &str = "read-file";

const OK: &str = "ok";

/// The skills that a turn's model may call, and what it has called.
pub struct ToolGrants {
    skills: Skills,
    granted: Vec<Arc<Skill>>,
    /// The one that the caller chose; else the model chooses.
    workspace: Option<String>,
    calls_left: u32,
    limit: u32,
    calls: Vec<ToolCallRecord>,
    redactions: Counts,
}

/// One call that the model made; what `meta.skill_calls` says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolCallRecord {
    pub skill: String,
    /// `ok`, or the code of what was wrong.
    pub outcome: &'static str,
    pub duration_ms: f64,
    /// What `read-file` has read.
    #[serde(skip)]
    pub file_read: Option<String>,
}

impl ToolCallRecord {
    /// Of the `item` that reports it.
    pub fn status(&self) -> &'static str {
        if self.outcome == OK {
            "completed"
        } else {
            "failed"
        }
    }
}

/// For whom a skill runs, and until when.
pub struct ToolContext<'call> {
    pub call: &'call Call,
    /// The turn's, which is not later than the call's.
    pub deadline: Deadline,
}

impl ToolGrants {
    /// Grants those skills of these names that `scopes` allow, `limit` calls in all.
    pub fn new(
        skills: &Skills,
        scopes: &Scopes,
        names: &[String],
        workspace: Option<&str>,
        limit: u32,
    ) -> Result<Self, Problem> {
        let mut granted: Vec<Arc<Skill>> = Vec::new();
        let mut errors = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let skill = skills.find(name, scopes)?;
            if matches!(skill.run, Run::Codex(_)) {
                let detail = "is a turn of Codex itself, which no other turn can call";
                let index = index.to_string();
                errors.push(FieldError::new(&["extra", "skills", &index], detail));
            } else if !granted.iter().any(|other| other.name == skill.name) {
                granted.push(skill);
            }
        }
        let needs_workspace = granted
            .iter()
            .any(|skill| skill.workspace != WorkspaceMode::None);
        if needs_workspace {
            let chosen = workspace.map(Value::from);
            // Without a name the model chooses, if there is anything to choose from.
            let is_open = chosen.is_none() && !skills.workspaces().names().is_empty();
            if !is_open && let Err(reason) = skills.workspaces().choose(chosen.as_ref()) {
                errors.push(FieldError::new(&["extra", "workspace"], reason.detail()));
            }
        }
        if !errors.is_empty() {
            let count = errors.len();
            return Err(Problem::invalid(ErrorCode::InvalidExtra, errors, count));
        }
        Ok(Self {
            skills: skills.clone(),
            granted,
            workspace: workspace.map(str::to_owned),
            calls_left: limit,
            limit,
            calls: Vec::new(),
            redactions: Counts::default(),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.granted.is_empty()
    }

    /// The granted skills as tools of the model.
    pub fn tools(&self) -> Vec<ToolDefinition> {
        let tools = self.granted.iter().map(|skill| ToolDefinition {
            name: skill.name.to_string(),
            description: skill.description.clone(),
            parameters: self.schema(skill),
        });
        tools.collect()
    }

    fn schema(&self, skill: &Skill) -> Value {
        let mut schema = skill.offered_schema(self.skills.workspaces());
        if self.workspace.is_some() {
            if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                properties.remove("workspace");
            }
            if let Some(Value::Array(required)) = schema.get_mut("required") {
                required.retain(|name| name != "workspace");
            }
        }
        without_annotations(&mut schema);
        schema
    }

    /// Runs the skill that the model called, and answers with its result or with the reason why there is none.
    pub async fn answer(&mut self, call: ToolCall, context: &ToolContext<'_>) -> ToolCallRecord {
        let started = Instant::now();
        let skill = call.name().to_owned();
        let outcome = self.run(&call, context).await;
        let (outcome, file_read) = match outcome {
            Ok((text, file_read)) => {
                call.answer(true, &text);
                (OK, file_read)
            }
            Err(problem) => {
                call.answer(false, &explanation(&problem));
                (problem.code.as_str(), None)
            }
        };
        let duration = started.elapsed();
        log(context, &skill, outcome, duration);
        let called = ToolCallRecord {
            skill,
            outcome,
            duration_ms: milliseconds(duration),
            file_read,
        };
        self.calls.push(called.clone());
        called
    }

    async fn run(
        &mut self,
        call: &ToolCall,
        context: &ToolContext<'_>,
    ) -> Result<(String, Option<String>), Problem> {
        if self.calls_left == 0 {
            return Err(Problem::new(
                ErrorCode::TooManySkillCalls,
                format!(
                    "This turn has made its {} calls. Answer with what is known by now.",
                    self.limit
                ),
            ));
        }
        self.calls_left -= 1;
        let mut arguments = self.arguments(call)?;
        if let Some(workspace) = &self.workspace {
            arguments.insert("workspace".to_owned(), workspace.clone().into());
        }
        let path = arguments.get("path").and_then(Value::as_str);
        let path = path.map(str::to_owned);
        // The very skill that was granted: the files may have been read again meanwhile.
        let granted = self
            .granted
            .iter()
            .find(|skill| skill.name.as_str() == call.name());
        let skill = granted.cloned().ok_or_else(unknown_skill)?;
        let called = self.skills.call(skill, arguments, context.deadline);
        let outcome = called.await?;
        self.redactions.add(&outcome.redactions);
        let was_read = call.name() == READING_SKILL && outcome.result.status == Status::Ok;
        let mut text = serde_json::to_string(&outcome.result)
            .map_err(|_| Problem::new(ErrorCode::Internal, "The result cannot be written."))?;
        cap(&mut text, MAX_RESULT_CHARS, Keep::HeadAndTail);
        Ok((text, path.filter(|_| was_read)))
    }

    /// The model's own words, and so redacted like everything that comes from it.
    fn arguments(&mut self, call: &ToolCall) -> Result<Map<String, Value>, Problem> {
        let wrong = || {
            let detail = "The arguments must be a JSON object.";
            Problem::new(ErrorCode::InvalidExtra, detail)
        };
        let redactor = self.skills.redactor();
        let redacted = redact::json::redact_untrusted(redactor, call.arguments());
        let redacted = redacted.map_err(|_| wrong())?;
        self.redactions.add(&redacted.counts());
        match serde_json::from_str(&redacted.text) {
            Ok(Value::Object(arguments)) => Ok(arguments),
            _ => Err(wrong()),
        }
    }

    pub fn calls(&self) -> &[ToolCallRecord] {
        &self.calls
    }

    /// What was replaced in arguments and results.
    pub fn redactions(&self) -> &Counts {
        &self.redactions
    }
}

/// What the model learns of a refusal: enough to do better.
fn explanation(problem: &Problem) -> String {
    let mut text = problem.detail.clone();
    for error in &problem.errors {
        text.push('\n');
        text.push_str(&error.pointer);
        text.push_str(": ");
        text.push_str(&error.detail);
    }
    text
}

/// Ours; an endpoint may refuse what it does not know. They stand in the schema of a parameter, or of the
/// items of a list, and nowhere else: a parameter may have such a name.
fn without_annotations(schema: &mut Value) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for property in properties.values_mut() {
        without_own(property);
        if let Some(items) = property.get_mut("items") {
            without_own(items);
        }
    }
}

fn without_own(schema: &mut Value) {
    if let Value::Object(members) = schema {
        members.retain(|name, _| name != "x-path" && name != "x-multiline");
    }
}

fn log(context: &ToolContext<'_>, skill: &str, outcome: &str, duration: Duration) {
    tracing::info!(
        target: RECORD,
        request_id = context.call.request_id,
        tenant = context.call.caller.tenant,
        skill,
        outcome,
        duration_ms = milliseconds(duration),
        "the model called a skill"
    );
}

//! `mode=tool`: allow-listed programs, by name, by schema, in a sandbox of their own.
//!
//! A call in a straight line: the skill by its name, every value judged ([`request`]), the world made
//! ([`world`]), the program run ([`execution`]), its output redacted and shaped ([`output`]). It knows
//! nothing of HTTP, and no byte of a program leaves it before the redactor.

mod catalogue;
mod codex;
mod confined;
mod copy;
mod definition;
mod execution;
mod field_errors;
mod file;
mod intake;
mod lending;
mod makefile;
mod offer;
mod output;
mod parameters;
mod problem;
mod record;
mod request;
mod run_directory;
mod section;
mod template;
mod tests_report;
mod workspace;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{RwLock, RwLockUpgradableReadGuard};
use redact::{Counts, Redactor};
use runner::Deadline;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Admission, Permit};
use crate::calls::call::{Call, TENANT, milliseconds};
use crate::calls::prompt::PromptCaps;
use crate::calls::run::{RunEvent, RunFollower, RunWriter, new_run};
use crate::calls::turn::Turns;
use crate::error::{ErrorCode, Problem};

use execution::{Ended, Execution};
use record::ToolRecord;
use request::Prepared;

pub(crate) use parameters::LIMITS as PARAMETER_LIMITS;

pub use catalogue::Catalogue;
pub use definition::{Example, Run, Skill, SkillName, TestKind, WorkspaceMode};
pub use lending::{Borrower, Lending, LentCall};
pub use problem::{CatalogueError, FileProblem};
pub use request::ToolRequest;
pub use workspace::{Workspace, WorkspaceError, Workspaces};
pub use world::{SandboxParts, Surroundings};

/// Runs skills. Clones share one catalogue, which can be replaced while calls run.
#[derive(Clone)]
pub struct Skills {
    parts: Arc<SkillParts>,
    catalogue: Arc<RwLock<Arc<Catalogue>>>,
    /// Places for calls whose values are looked at.
    judging: Arc<Semaphore>,
    /// Places for copies of workspaces.
    copies: Arc<Semaphore>,
    /// Places for work on what programs write.
    intake: Arc<Semaphore>,
}

/// Calls whose values are looked at in the same moment. It takes a fraction of a millisecond, but where a
/// workspace's disk does not answer.
const MAX_JUDGED: usize = 8;

/// What skills need of the gateway.
pub struct SkillParts {
    /// Where the files are; read again by [`Skills::reload`].
    pub dir: PathBuf,
    pub workspaces: Workspaces,
    pub surroundings: Surroundings,
    pub redactor: Redactor,
    pub admission: Admission,
    pub turn: TurnParts,
    /// The longest call.
    pub timeout: Duration,
    pub kill_grace: Duration,
    /// Where the tasks of calls run.
    pub calls: TaskTracker,
    /// Where the tasks of their processes run.
    pub tasks: TaskTracker,
    /// Cancelled when running calls have had their time to end at shutdown.
    pub stopping: CancellationToken,
}

/// What skills that are turns of Codex need beside.
pub struct TurnParts {
    pub turns: Turns,
    /// The model of a skill that names none.
    pub model: String,
    pub caps: PromptCaps,
}

/// What came of [`Skills::call`].
#[derive(Debug)]
pub struct ToolOutcome {
    /// As a caller gets it: redacted, and within its limits.
    pub tool_result: Value,
    /// What was replaced in it.
    pub redactions: Counts,
    /// Keys of the arguments that mean nothing to the skill.
    pub ignored_extra: Vec<String>,
}

impl Skills {
    /// Removes what an earlier gateway left behind. Blocks on a few directories.
    pub fn new(mut parts: SkillParts, catalogue: Catalogue) -> Self {
        match run_directory::remove_left_behind(&parts.surroundings.runs_dir) {
            Ok(0) => {}
            Ok(removed) => tracing::warn!(removed, "removed what an earlier run's skills left"),
            Err(error) => tracing::warn!(%error, "what an earlier run left cannot be looked for"),
        }
        let plugins = parts.surroundings.runs_dir.with_file_name("test-plugins");
        match tests_report::install(&plugins) {
            Ok(()) => parts.surroundings.test_plugins = Some(plugins),
            Err(error) => {
                tracing::warn!(%error, "test runs are counted by what they print: the plugins cannot be written");
            }
        }
        let catalogue = catalogue.runnable(&parts.turn.turns.driver);
        Self {
            parts: Arc::new(parts),
            catalogue: Arc::new(RwLock::new(Arc::new(catalogue))),
            judging: Arc::new(Semaphore::new(MAX_JUDGED)),
            copies: Arc::new(Semaphore::new(execution::MAX_COPIES)),
            intake: Arc::new(Semaphore::new(intake::places())),
        }
    }

    /// The skills as they are now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read())
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.parts.redactor
    }

    pub fn workspaces(&self) -> &Workspaces {
        &self.parts.workspaces
    }

    /// Reads the files again. If anything is wrong with them, all stays as it is. Blocks on small files.
    pub fn reload(&self) {
        // Of two at the same time the later one reads what it puts in place; calls go on meanwhile.
        let current = self.catalogue.upgradable_read();
        match Catalogue::read_again(&self.parts.dir) {
            Ok(catalogue) => {
                tracing::info!(skills = catalogue.len(), "the skills were read again");
                let catalogue = catalogue.runnable(&self.parts.turn.turns.driver);
                *RwLockUpgradableReadGuard::upgrade(current) = Arc::new(catalogue);
            }
            Err(error) => {
                for problem in &error.problems {
                    tracing::error!(%problem, "a skill cannot be used");
                }
                tracing::error!("the skills stay as they were");
            }
        }
    }

    /// Whether a skill takes a value of this name in `extra`.
    pub fn takes(&self, skill: &str, name: &str) -> bool {
        let catalogue = self.catalogue();
        let skill = catalogue.get(skill);
        skill.is_some_and(|skill| skill.takes(name))
    }

    /// Starts the work on a call. It goes on until its terminal event, its deadline, or until the
    /// follower is dropped.
    pub fn start(&self, request: ToolRequest, call: Call) -> RunFollower {
        let (writer, follower) = new_run();
        let skills = self.clone();
        self.parts
            .calls
            .spawn(async move { skills.run(request, call, writer).await });
        follower
    }

    /// Runs a skill for somebody who has been admitted already, such as a turn whose model calls it:
    /// the same schema, sandbox, limits and redaction. `arguments` are what `extra` is in a request,
    /// `workspace` included. Dropping the future kills what runs.
    ///
    /// Every skill is the only tenant's until there is access control.
    pub async fn call(
        &self,
        skill: &str,
        arguments: Map<String, Value>,
        deadline: Deadline,
        _tenant: &str,
    ) -> Result<ToolOutcome, Problem> {
        let skill = self.catalogue().get(skill).cloned();
        let skill = skill.ok_or_else(unknown_skill)?;
        self.call_skill(skill, arguments, deadline).await
    }

    async fn call_skill(
        &self,
        skill: Arc<Skill>,
        arguments: Map<String, Value>,
        deadline: Deadline,
    ) -> Result<ToolOutcome, Problem> {
        let request = ToolRequest {
            skill: skill.name.to_string(),
            extra: arguments,
            ..ToolRequest::default()
        };
        let working = async {
            let prepared = self.prepare(skill, request).await?;
            let ignored_extra = prepared.ignored_extra.clone();
            let running = self.execution();
            let ended = running.run(prepared, deadline, async || {}).await?;
            Ok::<_, Problem>((ended, ignored_extra))
        };
        let ended = tokio::time::timeout_at(deadline.instant(), working).await;
        let exceeded = |_| Problem::deadline_exceeded(self.parts.timeout);
        let (ended, ignored_extra) = ended.map_err(exceeded)??;
        Ok(ToolOutcome {
            tool_result: ended.tool_result,
            redactions: ended.redactions,
            ignored_extra,
        })
    }

    /// One call, and its one terminal event on every path.
    async fn run(&self, request: ToolRequest, call: Call, writer: RunWriter) {
        let extra_bytes = request.extra.values().map(|value| value.to_string().len());
        let mut record = ToolRecord::new(&call, extra_bytes.sum());
        let outcome = {
            let work = self.work(request, &call, &writer, &mut record);
            tokio::select! {
                // What ends a call from outside goes before what it still has to say.
                biased;
                () = writer.cancelled() => Err(Problem::new(ErrorCode::ClientGone, "")),
                () = self.parts.stopping.cancelled() => Err(admission::draining()),
                () = tokio::time::sleep_until(call.deadline.instant()) => {
                    Err(Problem::deadline_exceeded(self.parts.timeout))
                }
                outcome = work => outcome,
            }
        };
        let event = match outcome {
            Ok((tool_result, meta)) => RunEvent::ToolDone { tool_result, meta },
            Err(mut problem) => {
                if record.has_begun() {
                    problem = problem.after_codex_started();
                }
                record.failed(&problem);
                RunEvent::Failed { problem }
            }
        };
        writer.finish(event);
    }

    /// The straight line. Dropping this future at any point kills what runs and gives back the permit.
    async fn work(
        &self,
        request: ToolRequest,
        call: &Call,
        writer: &RunWriter,
        record: &mut ToolRecord,
    ) -> Result<(Value, Value), Problem> {
        let skill = self.catalogue().get(&request.skill).cloned();
        let skill = skill.ok_or_else(unknown_skill)?;
        let unused = [
            (
                "message",
                request.message.is_some() && !skill.takes_message(),
            ),
            (
                "context",
                request.context.is_some() && !skill.takes_context(),
            ),
        ];
        let prepared = self.prepare(skill, request).await?;
        let name = prepared.skill.name.to_string();
        let kind = prepared.skill.run.kind();
        let workspace = prepared.workspace.as_ref().map(|one| one.name.clone());
        let mut ignored_extra = prepared.ignored_extra.clone();
        let unused = unused.into_iter().filter(|(_, is_unused)| *is_unused);
        ignored_extra.extend(unused.map(|(field, _)| field.to_owned()));
        record.skill = Some(name.clone());
        record.kind = Some(kind);
        record.workspace.clone_from(&workspace);
        let _permit: Permit = self.parts.admission.admit(TENANT, call.deadline).await?;
        record.admitted();
        let item = |status| RunEvent::Item {
            kind: "skill",
            title: name.clone().into(),
            status,
        };
        let skill = prepared.skill.clone();
        let told = async || {
            let skill = name.clone();
            writer.append(RunEvent::ToolStart { skill, kind }).await;
            writer.append(item("started")).await;
        };
        let ended = match &skill.run {
            Run::Codex(run) => {
                let begun = |begun| record.began(begun);
                let turn = self.codex(prepared, run, call, writer, told, begun);
                turn.await?
            }
            Run::Command(_) | Run::Cli(_) => {
                let began = async || {
                    record.began(true);
                    told().await;
                };
                self.execution().run(prepared, call.deadline, began).await?
            }
        };
        writer.append(item("completed")).await;
        record.completed(&ended);
        let Ended {
            tool_result,
            redactions,
            turn,
            ..
        } = ended;
        let ignored_extra = ignored_extra.iter();
        let ignored_extra = ignored_extra.map(|name| self.parts.redactor.redact(name).text);
        let mut meta = json!({
            "request_id": call.request_id,
            "conversation_id": null,
            "skill": name,
            "workspace": workspace,
            "driver": kind,
            "duration_ms": milliseconds(call.accepted.elapsed()),
            "truncated": {},
            "redactions": { "request": {}, "upstream": {}, "response": redactions },
            "ignored_extra": ignored_extra.collect::<Vec<_>>(),
        });
        if let Some(turn) = turn {
            meta["model"] = turn.model.into();
            meta["finish_reason"] = json!(turn.finish_reason);
            meta["usage"] = json!(turn.usage);
            meta["truncated"] = turn
                .truncated
                .into_iter()
                .map(|(field, truncation)| (field.to_owned(), json!(truncation)))
                .collect();
            meta["redactions"]["request"] = json!(turn.request);
            meta["redactions"]["upstream"] = json!(turn.upstream);
            meta["skill_calls"] = json!(turn.skill_calls);
        }
        Ok((tool_result, meta))
    }

    /// Before a call is admitted, so that a mistake is told even where the queue is full. What that
    /// may cost is bounded by places of its own.
    async fn prepare(&self, skill: Arc<Skill>, request: ToolRequest) -> Result<Prepared, Problem> {
        let not_judged = || Problem::new(ErrorCode::Internal, "The call could not be judged.");
        let place = Arc::clone(&self.judging).acquire_owned().await;
        let place = place.map_err(|_| not_judged())?;
        let parts = Arc::clone(&self.parts);
        let judging = move || {
            let _place = place;
            request::prepare(skill, request, &parts.workspaces)
        };
        let judged = self.parts.tasks.spawn_blocking(judging).await;
        judged.map_err(|_| not_judged())?
    }

    fn execution(&self) -> Execution<'_> {
        Execution {
            surroundings: &self.parts.surroundings,
            redactor: &self.parts.redactor,
            tracker: &self.parts.tasks,
            kill_grace: self.parts.kill_grace,
            copies: &self.copies,
            intake: &self.intake,
        }
    }
}

/// The same for a skill that there is not and for one that this caller may not see.
fn unknown_skill() -> Problem {
    Problem::new(
        ErrorCode::UnknownSkill,
        "No skill of this name can be run here. GET /skills lists those that can.",
    )
}

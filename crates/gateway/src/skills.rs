//! `mode=tool`: allow-listed programs, by name, by schema, in a sandbox of their own.
//!
//! The crate [`skills`](::skills) knows what a skill is and runs it. Here it meets admission, runs, turns of
//! Codex and the models that call skills by themselves.

mod codex;
mod error;
mod lending;
mod record;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::skills::{Catalogue, Completed, Executor, Run, Skill, ToolRequest, ToolResult, Workspaces};
use codex_client::Driver;
use parking_lot::{RwLock, RwLockUpgradableReadGuard};
use redact::{Counts, Redactor};
use runner::Deadline;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Admission, Permit};
use crate::calls::call::{Call, TENANT, milliseconds};
use crate::calls::prompt::PromptCaps;
use crate::calls::run::{RunEvent, RunFollower, RunWriter, new_run};
use crate::calls::turn::Turns;
use crate::error::{ErrorCode, Problem};

use codex::TurnAccount;
use record::ToolRecord;

pub use lending::{Borrower, Lending, LentCall};

/// Runs skills. Clones share one catalogue, which can be replaced while calls run.
#[derive(Clone)]
pub struct Skills {
    parts: Arc<SkillParts>,
    catalogue: Arc<RwLock<Arc<Catalogue>>>,
    executor: Executor,
}

/// What skills need of the gateway.
pub struct SkillParts {
    /// Where the files are; read again by [`Skills::reload`].
    pub dir: PathBuf,
    pub admission: Admission,
    pub turn: TurnParts,
    /// The longest call.
    pub timeout: Duration,
    /// Where the tasks of calls run.
    pub calls: TaskTracker,
    /// Where other tasks run.
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
    pub tool_result: ToolResult,
    /// What was replaced in it.
    pub redactions: Counts,
    /// Keys of the arguments that mean nothing to the skill.
    pub ignored_extra: Vec<String>,
}

impl Skills {
    pub fn new(parts: SkillParts, executor: Executor, catalogue: Catalogue) -> Self {
        let catalogue = runnable(catalogue, &parts.turn.turns.driver);
        Self {
            parts: Arc::new(parts),
            catalogue: Arc::new(RwLock::new(Arc::new(catalogue))),
            executor,
        }
    }

    /// The skills as they are now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read())
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        self.executor.redactor()
    }

    pub fn workspaces(&self) -> &Workspaces {
        self.executor.workspaces()
    }

    /// Reads the files again. If anything is wrong with them, all stays as it is. Blocks on small files.
    pub fn reload(&self) {
        // Of two at the same time the later one reads what it puts in place; calls go on meanwhile.
        let current = self.catalogue.upgradable_read();
        match Catalogue::read_again(&self.parts.dir) {
            Ok(catalogue) => {
                tracing::info!(skills = catalogue.len(), "the skills were read again");
                let catalogue = runnable(catalogue, &self.parts.turn.turns.driver);
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
            let prepared = self.executor.prepare(skill, request).await?;
            let ignored_extra = prepared.ignored_extra.clone();
            let running = self.executor.run(prepared, deadline, async || {});
            Ok::<_, Problem>((running.await?, ignored_extra))
        };
        let ended = tokio::time::timeout_at(deadline.instant(), working).await;
        let exceeded = |_| Problem::deadline_exceeded(self.parts.timeout);
        let (completed, ignored_extra) = ended.map_err(exceeded)??;
        Ok(ToolOutcome {
            tool_result: completed.result,
            redactions: completed.redactions,
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
        // Before the call is admitted, so that a mistake is reported even where the queue is full.
        let prepared = self.executor.prepare(skill, request).await?;
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
        let Ended { completed, turn } = match &skill.run {
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
                let running = self.executor.run(prepared, call.deadline, began);
                Ended {
                    completed: running.await?,
                    turn: None,
                }
            }
        };
        writer.append(item("completed")).await;
        let Completed { result, redactions } = completed;
        let tool_result = serde_json::to_value(&result)
            .map_err(|_| Problem::new(ErrorCode::Internal, "The result cannot be written."))?;
        record.completed(&result, &tool_result, &redactions);
        let ignored_extra = ignored_extra.iter();
        let ignored_extra = ignored_extra.map(|name| self.redactor().redact(name).text);
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

    /// What a caller may know of each skill: `GET /skills`, and the tools of a model.
    pub fn offers(&self) -> Vec<Value> {
        let catalogue = self.catalogue();
        let offers = catalogue.iter().map(|skill| skill.offer(self.workspaces()));
        offers.collect()
    }

    /// The body of a call that works here, for whoever has just started the gateway; `None` without a
    /// search or a workspace.
    pub fn example(&self) -> Option<String> {
        const SEARCH: &str = "code-search";
        self.catalogue().get(SEARCH)?;
        let names = self.workspaces().names();
        let extra = match names.as_slice() {
            [] => return None,
            [_] => String::new(),
            [first, ..] => format!(", \"extra\": {{\"workspace\": \"{first}\"}}"),
        };
        Some(format!(
            "{{\"mode\": \"tool\", \"skill\": \"{SEARCH}\", \"message\": \"test\"{extra}, \"stream\": false}}"
        ))
    }
}

/// A call that has a result, and the account of the turn that made it, if one did.
struct Ended {
    completed: Completed,
    turn: Option<TurnAccount>,
}

/// Without the skills that cannot be run with this driver, each named in the log.
fn runnable(catalogue: Catalogue, driver: &Driver) -> Catalogue {
    catalogue.filter(|skill| {
        let hindrance = hindrance(&skill.run, driver);
        if let Some(reason) = hindrance {
            tracing::warn!(skill = %skill.name, reason, "a skill cannot be run here, and is left out");
        }
        hindrance.is_none()
    })
}

fn hindrance(run: &Run, driver: &Driver) -> Option<&'static str> {
    match run {
        Run::Codex(run) if !run.skills.is_empty() && !driver.supports_tools() => {
            Some("it lends skills to the model, which takes CODEX_DRIVER=app-server")
        }
        Run::Cli(_) if !matches!(driver, Driver::Contract(_)) => {
            Some("it is run by `tool` of a CLI of your own, which takes CODEX_DRIVER=contract")
        }
        _ => None,
    }
}

/// The same for a skill that there is not and for one that this caller may not see.
fn unknown_skill() -> Problem {
    Problem::new(
        ErrorCode::UnknownSkill,
        "No skill of this name can be run here. GET /skills lists those that can.",
    )
}

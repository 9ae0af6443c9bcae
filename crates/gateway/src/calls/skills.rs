//! The skills of this gateway: which there are now, and what runs them.

mod error;

use std::path::PathBuf;
use std::sync::Arc;

use ::skills::{Catalogue, Completed, Executor, Run, Skill, ToolRequest, Workspaces};
use codex_client::Driver;
use parking_lot::{RwLock, RwLockUpgradableReadGuard};
use redact::Redactor;
use runner::Deadline;
use serde_json::{Map, Value};

use crate::access::scopes::Scopes;
use crate::error::{ErrorCode, Problem};

/// Clones share one catalogue, which can be replaced while calls run.
#[derive(Clone)]
pub struct Skills {
    catalogue: Arc<RwLock<Arc<Catalogue>>>,
    executor: Executor,
    source: Arc<SkillSource>,
}

/// Where the catalogue comes from.
pub struct SkillSource {
    /// Where the files are; read again by [`Skills::reload`].
    pub dir: PathBuf,
    /// Decides which of them can be run here.
    pub driver: Driver,
}

impl Skills {
    pub fn new(source: SkillSource, executor: Executor, catalogue: Catalogue) -> Self {
        let catalogue = runnable(catalogue, &source.driver);
        Self {
            catalogue: Arc::new(RwLock::new(Arc::new(catalogue))),
            executor,
            source: Arc::new(source),
        }
    }

    /// The skills as they are now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read())
    }

    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    pub fn redactor(&self) -> &Redactor {
        self.executor.redactor()
    }

    pub fn workspaces(&self) -> &Workspaces {
        self.executor.workspaces()
    }

    /// Reads the files again. If anything is wrong with them, all stays as it is. Blocks on small files.
    pub fn reload(&self) {
        // Of two at the same time the later one reads what it puts in place; calls go on meanwhile.
        let current = self.catalogue.upgradable_read();
        match Catalogue::read_again(&self.source.dir) {
            Ok(catalogue) => {
                tracing::info!(skills = catalogue.len(), "the skills were read again");
                let catalogue = runnable(catalogue, &self.source.driver);
                *RwLockUpgradableReadGuard::upgrade(current) = Arc::new(catalogue);
            }
            Err(error) => {
                for diagnostic in &error.diagnostics {
                    tracing::error!(problem = %diagnostic, "a skill cannot be used");
                }
                tracing::error!("the skills stay as they were");
            }
        }
    }

    /// A skill, if there is one of that name that `scopes` allow.
    pub fn find(&self, name: &str, scopes: &Scopes) -> Result<Arc<Skill>, Problem> {
        let catalogue = self.catalogue();
        let skill = catalogue.get(name).filter(|skill| may_call(scopes, skill));
        skill.cloned().ok_or_else(unknown_skill)
    }

    /// Whether a skill that `scopes` allow takes a value of this name in `extra`.
    pub fn takes(&self, skill: &str, name: &str, scopes: &Scopes) -> bool {
        let skill = self.find(skill, scopes);
        skill.is_ok_and(|skill| skill.takes(name))
    }

    /// Runs a skill for a turn whose model calls it: the same schema, sandbox, limits and redaction as for
    /// everybody else. `arguments` are what `extra` is in a request, `workspace` included. Dropping the
    /// future kills what runs.
    pub async fn call(
        &self,
        skill: Arc<Skill>,
        arguments: Map<String, Value>,
        deadline: Deadline,
    ) -> Result<Completed, Problem> {
        let request = ToolRequest {
            skill: skill.name.to_string(),
            extra: arguments,
            ..ToolRequest::default()
        };
        let prepared = self.executor.prepare(skill, request).await?;
        let running = self.executor.run(prepared, deadline, async || {});
        Ok(running.await?)
    }

    /// What a caller may know of each skill that `scopes` allow: `GET /skills`.
    pub fn offers(&self, scopes: &Scopes) -> Vec<Value> {
        let catalogue = self.catalogue();
        let allowed = catalogue.iter().filter(|skill| may_call(scopes, skill));
        let offers = allowed.map(|skill| skill.offer(self.workspaces()));
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

fn may_call(scopes: &Scopes, skill: &Skill) -> bool {
    scopes.allow_skill(skill.name.as_str(), &skill.scopes)
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
            Some("it grants skills to the model, which takes CODEX_DRIVER=app-server")
        }
        Run::Cli(_) if !matches!(driver, Driver::Contract(_)) => {
            Some("it is run by `tool` of a CLI of your own, which takes CODEX_DRIVER=contract")
        }
        _ => None,
    }
}

/// The same for a skill that there is not and for one that this caller may not see.
pub(super) fn unknown_skill() -> Problem {
    Problem::new(
        ErrorCode::UnknownSkill,
        "No skill of this name can be run here. GET /skills lists those that can.",
    )
}

//! The skills as this gateway has them: the world they run in found and proven, then started.

use std::path::{Path, PathBuf};

use ::skills::{
    Catalogue, Executor, ExecutorParts, SandboxEnvironment, SandboxParts, WorkspaceError,
    WorkspaceMode, Workspaces,
};
use codex_client::{Driver, Installation};

use super::Shutdown;
use crate::calls::skills::{SkillSource, Skills};
use crate::config::Settings;

pub(super) fn environment(
    settings: &Settings,
    installation: &Installation,
    sandbox: Option<SandboxParts>,
    hidden: &[&Path],
    roots: &[PathBuf],
) -> SandboxEnvironment {
    let hidden = hidden.iter().map(|path| {
        // It is hidden by what is mounted on it, so it must be there; links would hide it from us.
        if !settings.skills.workspaces.is_empty() {
            let _ = std::fs::create_dir_all(path);
        }
        path.canonicalize().unwrap_or_else(|_| PathBuf::from(path))
    });
    let company_s = matches!(installation.driver, Driver::Contract(_))
        .then_some(&settings.codex.sandbox.read_paths);
    let read_paths = settings.skills.read_paths.iter();
    let read_paths = read_paths.chain(company_s.into_iter().flatten());
    let read_paths = read_paths.map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    SandboxEnvironment {
        sandbox,
        read_paths: read_paths.collect(),
        hidden_paths: hidden.collect(),
        codex: packaged_codex(installation, roots),
        company_cli: matches!(installation.driver, Driver::Contract(_))
            .then(|| installation.program.clone()),
        runs_dir: settings.server.data_dir.join("skill-runs"),
        has_overlay: false,
        search_drops_hidden: settings.skills.search_drops_hidden,
        test_plugins: None,
    }
}

/// The pinned Codex brings ripgrep, whichever CLI answers chats.
fn packaged_codex(installation: &Installation, roots: &[PathBuf]) -> PathBuf {
    let program = installation.program.clone();
    match installation.driver {
        Driver::AppServer | Driver::Exec => program,
        Driver::Contract(_) => codex_client::locate(None, roots, "".as_ref()).unwrap_or(program),
    }
}

pub(super) async fn start(
    settings: &Settings,
    catalogue: Catalogue,
    mut environment: SandboxEnvironment,
    driver: Driver,
    shutdown: &Shutdown,
) -> Result<Skills, WorkspaceError> {
    let hidden = &environment.hidden_paths;
    let workspaces = Workspaces::open(settings.skills.workspaces.iter().cloned(), hidden)?;
    if let Some(sandbox) = &environment.sandbox
        && !workspaces.names().is_empty()
    {
        let program = &environment.codex;
        let handshake_dir = &sandbox.handshake_dir;
        environment.has_overlay =
            runner::can_overlay(&sandbox.tools, program, handshake_dir, &shutdown.tasks).await;
    }
    tell(&catalogue, &workspaces, &environment);
    let executor = Executor::new(ExecutorParts {
        workspaces,
        environment,
        redactor: settings.redactor.clone(),
        kill_grace: settings.codex.kill_grace,
        tasks: shutdown.tasks.clone(),
    });
    let source = SkillSource {
        dir: settings.skills.dir.clone(),
        driver,
    };
    Ok(Skills::new(source, executor, catalogue))
}

fn tell(catalogue: &Catalogue, workspaces: &Workspaces, environment: &SandboxEnvironment) {
    if catalogue.is_empty() {
        return;
    }
    let workspaces = workspaces.names();
    tracing::info!(skills = catalogue.len(), ?workspaces, "skills");
    if environment.sandbox.is_none() {
        tracing::warn!(
            "SKILLS RUN WITHOUT A SANDBOX (PORTCULLIS_SANDBOX): their programs, and what a workspace \
             makes them do, can reach the network and whatever this user can"
        );
    } else if !environment.has_overlay
        && catalogue
            .iter()
            .any(|skill| skill.workspace == WorkspaceMode::PrivateCopy)
        && !workspaces.is_empty()
    {
        tracing::warn!("no overlay can be made here: workspaces of private-copy skills are copied");
    }
}

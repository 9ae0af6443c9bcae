use std::fs;
use std::path::Path;

use redact::Redactor;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

use super::super::file;
use super::super::workspace::Workspace;
use super::*;

const SKILL: &str = r#"
name = "probe"
description = "Copies its workspace."
workspace = "private-copy"
deadline_sec = 1
result = "text"
[run]
kind = "command"
program = "/bin/true"
"#;

/// A gateway's part that makes copies, on a runtime with a single thread for work that blocks.
struct Bench {
    places: TempDir,
    executor: Executor,
    runtime: Runtime,
}

impl Bench {
    fn new() -> Self {
        let places = tempfile::tempdir().unwrap();
        let workspace = places.path().join("main");
        fs::create_dir(&workspace).unwrap();
        fs::write(workspace.join("file"), "x").unwrap();
        Self {
            executor: Executor {
                parts: Arc::new(ExecutorParts {
                    workspaces: Workspaces::default(),
                    environment: SandboxEnvironment {
                        sandbox: None,
                        read_paths: Vec::new(),
                        hidden_paths: Vec::new(),
                        codex: "/nonexistent/codex".into(),
                        company_cli: None,
                        runs_dir: places.path().join("runs"),
                        has_overlay: false,
                        search_drops_hidden: false,
                        test_plugins: None,
                    },
                    redactor: Redactor::with_default_rules(),
                    kill_grace: Duration::from_secs(1),
                    tasks: TaskTracker::new(),
                }),
                validating: Arc::new(Semaphore::new(1)),
                copies: Arc::new(Semaphore::new(1)),
                intake: Arc::new(Semaphore::new(1)),
            },
            runtime: runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(1)
                .build()
                .unwrap(),
            places,
        }
    }

    fn validated(&self) -> ValidatedCall {
        let skill = file::parse(Path::new("probe.toml"), SKILL).unwrap();
        ValidatedCall {
            skill: Arc::new(skill),
            arguments: std::collections::BTreeMap::default(),
            workspace: Some(Workspace {
                name: "main".to_owned(),
                root: self.places.path().join("main"),
                tests: None,
            }),
            stdin: None,
            message: None,
            context: None,
            ignored_extra: Vec::new(),
            report_mark: String::new(),
        }
    }

    /// Nothing that blocks gets done until the sender is dropped.
    fn occupy(&self) -> oneshot::Sender<()> {
        let (sender, receiver) = oneshot::channel::<()>();
        self.runtime
            .handle()
            .spawn_blocking(move || receiver.blocking_recv().unwrap_err());
        sender
    }

    /// Waits until all that blocks is done.
    fn finish(&self) {
        self.executor.parts.tasks.close();
        self.runtime.block_on(self.executor.parts.tasks.wait());
        let runs = fs::read_dir(&self.executor.parts.environment.runs_dir);
        assert_eq!(runs.map_or(0, Iterator::count), 0);
        assert_eq!(self.executor.copies.available_permits(), 1);
    }
}

#[test]
fn a_copy_keeps_its_place_until_it_has_stopped_and_leaves_nothing() {
    let bench = Bench::new();
    let occupied = bench.occupy();
    bench.runtime.block_on(async {
        let mut command = Box::pin(bench.executor.command(bench.validated()));
        assert!(futures_util::poll!(&mut command).is_pending());
        // The caller leaves.
        drop(command);
    });
    assert_eq!(bench.executor.copies.available_permits(), 0);
    drop(occupied);
    bench.finish();
}

#[test]
fn the_skills_own_time_bounds_its_copy() {
    let bench = Bench::new();
    let occupied = bench.occupy();
    let outcome = bench.runtime.block_on(async {
        let call = Deadline::after(Duration::from_mins(1));
        bench
            .executor
            .run(bench.validated(), call, async || {})
            .await
    });
    assert!(matches!(outcome, Err(SkillError::DeadlineExceeded { .. })));
    drop(occupied);
    bench.finish();
}

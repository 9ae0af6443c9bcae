//! The built program as a user without privileges who can get none: what a hardened container gives it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::codex;
use crate::support::running::{Running, under};
use crate::support::skilled::repository;
use crate::support::world::sandbox_is_usable;

const USER: u32 = 10001;

const AS_USER: [&str; 5] = [
    "setpriv",
    "--reuid=10001",
    "--regid=10001",
    "--clear-groups",
    "--no-new-privs",
];

/// A directory of that user, or nothing where the test cannot be run, which it says.
fn scene(program: &Path) -> Option<TempDir> {
    if !sandbox_is_usable() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let own = directory.path().join("own");
    fs::create_dir(&own).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || chown(&own, Some(USER), Some(USER)).is_err() {
        eprintln!("skipped: only root can become another user");
        return None;
    }
    let can_read = |path: &Path| path.ancestors().all(is_open);
    let all = [Path::new(env!("CARGO_BIN_EXE_portcullis")), program];
    let version = under(&AS_USER, &["--version"], &[]).output();
    if !all.into_iter().all(can_read) || !version.is_ok_and(|version| version.status.success()) {
        eprintln!("skipped: setpriv is missing, or another user cannot read the programs");
        return None;
    }
    Some(directory)
}

fn is_open(path: &Path) -> bool {
    let mode = fs::metadata(path).map(|found| found.permissions().mode());
    mode.is_ok_and(|mode| mode & 0o001 != 0)
}

fn serve(directory: &Path, program: &Path, settings: &[(&str, &str)]) -> Running {
    serve_under(&AS_USER, directory, program, settings)
}

fn serve_under(
    wrapper: &[&str],
    directory: &Path,
    program: &Path,
    settings: &[(&str, &str)],
) -> Running {
    let own = directory.join("own");
    let bubblewrap = codex::bubblewrap();
    let base = [
        ("PATH", "/usr/bin:/bin"),
        ("PORTCULLIS_SANDBOX", "required"),
        ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", own.to_str().unwrap()),
        ("CODEX_STATE_DIR", own.to_str().unwrap()),
        ("CODEX_BIN", program.to_str().unwrap()),
    ];
    Running::serve_under(wrapper, &[&base[..], settings].concat())
}

#[tokio::test]
async fn the_real_cli_answers_through_the_sandbox() {
    let program = codex::real();
    let Some(directory) = scene(&program) else {
        return;
    };
    let gateway = serve(directory.path(), &program, &[]);
    let sandbox = gateway.readiness().await["checks"]["sandbox"].take();
    let detail = sandbox["detail"].as_str().unwrap();
    assert!(detail.starts_with("enforced; limits"), "{detail}");
    let answer = gateway.ask("What does a portcullis do?").await;
    assert!(answer.contains("the configured CLI asked it"), "{answer}");
    gateway.terminate().await;
}

/// Root is exempt from this limit, so it can only be seen here.
#[tokio::test]
async fn processes_and_threads_are_limited() {
    let programs = tempfile::tempdir().unwrap();
    fs::set_permissions(programs.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program: PathBuf = codex::fake(programs.path(), "");
    let Some(directory) = scene(&program) else {
        return;
    };
    for (mode, is_limited) in [("required", true), ("off", false)] {
        let settings = [
            ("CODEX_LIMIT_PROCESSES", "64"),
            ("PORTCULLIS_SANDBOX", mode),
        ];
        let gateway = serve(directory.path(), &program, &settings);
        let found = gateway.ask("fake:probe:threads:200").await;
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        let started = found["ok"].as_u64().unwrap();
        assert_eq!(started < 64, is_limited, "{mode}: {started} threads");
        gateway.terminate().await;
    }
}

/// Root reads everything, so where root runs the tests another user searches.
#[tokio::test]
async fn what_cannot_be_read_is_noted_and_the_rest_is_found() {
    if !sandbox_is_usable() {
        return;
    }
    let program = codex::real();
    let is_root = rustix::process::geteuid().is_root();
    let (directory, wrapper): (_, &[&str]) = if is_root {
        let Some(directory) = scene(&program) else {
            return;
        };
        (directory, &AS_USER)
    } else {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("own")).unwrap();
        (directory, &[])
    };
    let (skills, workspace) = (
        directory.path().join("skills"),
        directory.path().join("main"),
    );
    for directory in [&skills, &workspace, &workspace.join("closed")] {
        fs::create_dir(directory).unwrap();
    }
    for name in ["code-search.toml", "list-files.toml"] {
        fs::copy(repository().join("skills").join(name), skills.join(name)).unwrap();
    }
    for name in ["good.txt", "closed.txt", "closed/in.txt"] {
        fs::write(workspace.join(name), "needle\n").unwrap();
    }
    for name in ["closed.txt", "closed"] {
        fs::set_permissions(workspace.join(name), PermissionsExt::from_mode(0o000)).unwrap();
    }
    let named = format!("main={}", workspace.display());
    let settings = [
        ("PORTCULLIS_SKILLS_DIR", skills.to_str().unwrap()),
        ("PORTCULLIS_WORKSPACES", named.as_str()),
    ];
    let gateway = serve_under(wrapper, directory.path(), &program, &settings);
    let call = async |skill: &str, extra: Value| {
        let body = json!({ "mode": "tool", "skill": skill, "extra": extra, "stream": false });
        let answer = gateway.post(&body).await.answer().await;
        answer.json()["tool_result"].take()
    };
    let found = call("code-search", json!({ "pattern": "needle" })).await;
    assert_eq!(
        (&found["status"], &found["exit_code"]),
        (&json!("ok"), &json!(2)),
        "{found}"
    );
    let matches = found["output"]["matches"].as_array().unwrap();
    assert_eq!(matches.len(), 1, "{found}");
    assert_eq!(matches[0]["file"], "good.txt");
    assert_eq!(found["unread"]["count"], 2, "{found}");
    let messages = found["unread"]["messages"].to_string();
    assert!(
        messages.contains("closed.txt: Permission denied"),
        "{messages}"
    );
    let list = call("list-files", json!({})).await;
    assert_eq!(list["status"], "ok", "{list}");
    assert_eq!(list["output"]["files"], json!(["closed.txt", "good.txt"]));
    assert_eq!(list["unread"]["count"], 1, "{list}");
    gateway.terminate().await;
    fs::set_permissions(workspace.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
}

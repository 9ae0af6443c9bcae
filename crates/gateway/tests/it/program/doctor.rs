//! `portcullis doctor`: what works is said to work, what does not is named with what to do, and nothing
//! that was looked at is different afterwards.

mod address;
mod provider;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::codex;
use crate::support::provider::CANARY;
use crate::support::running::portcullis;
use crate::support::test_app::KEY;
use crate::support::world::{is_alive, processes_naming, processes_of, sandbox_is_usable, until};

/// A place for a gateway that would work: the real CLI, directories that are not there yet.
struct Scene {
    directory: TempDir,
    settings: Vec<(String, String)>,
}

impl Scene {
    fn new() -> Self {
        Self::with(&codex::real())
    }

    fn with(program: &Path) -> Self {
        let mut scene = Self {
            directory: tempfile::tempdir_in("/dev/shm").unwrap(),
            settings: Vec::new(),
        };
        scene.set("CODEX_BIN", program);
        scene.set("CODEX_SANDBOX_BWRAP", codex::bubblewrap());
        scene.set("CODEX_STATE_DIR", scene.path("state"));
        scene.set("PORTCULLIS_DATA_DIR", scene.path("data"));
        scene.set("PORTCULLIS_BIND", "127.0.0.1:0");
        scene.set("OPENAI_API_KEY", KEY);
        // Nobody listens on the port that is there for throwing away.
        scene.set("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        let value = value.as_ref().to_str().unwrap().to_owned();
        self.settings.retain(|(set, _)| set != name);
        self.settings.push((name.to_owned(), value));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let settings = self.settings.iter();
        let settings: Vec<_> = settings.map(|(name, value)| (&**name, &**value)).collect();
        let arguments = [&["doctor"], arguments].concat();
        let mut command = portcullis(&arguments, &settings);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self) -> Report {
        self.json_of(&["--json"])
    }

    fn json_of(&self, arguments: &[&str]) -> Report {
        let output = self.run(arguments);
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {output:?}");
        });
        let report = Report { document };
        assert_eq!(report.is_ok(), output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        report
    }

    /// Whatever was found, the same is there afterwards as before.
    fn is_untouched(&self) {
        let path = self.directory.path();
        let alive = |pids: Vec<u32>| pids.into_iter().filter(|pid| is_alive(*pid)).count();
        assert_eq!(alive(processes_of(path)) + alive(processes_naming(path)), 0);
        let left: Vec<_> = fs::read_dir(path).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[derive(Debug)]
struct Report {
    document: Value,
}

impl Report {
    fn is_ok(&self) -> bool {
        self.document["ok"].as_bool().unwrap()
    }

    fn check(&self, name: &str) -> &Value {
        let mut checks = self.document["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no check {name}: {:#}", self.document))
    }

    fn status(&self, name: &str) -> &str {
        self.check(name)["status"].as_str().unwrap()
    }

    /// The check has this status, and its detail and remedy name these words.
    fn says(&self, name: &str, status: &str, words: &[&str]) {
        let check = self.check(name);
        assert_eq!(check["status"], status, "{check:#}");
        let text = check.to_string();
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {check:#}");
        }
        let has_remedy = check["remedy"].is_string();
        assert_eq!(
            has_remedy,
            matches!(status, "warning" | "failed"),
            "{check:#}"
        );
    }

    fn statuses(&self, status: &str) -> Vec<&str> {
        let checks = self.document["checks"].as_array().unwrap().iter();
        let checks = checks.filter(|check| check["status"] == status);
        checks
            .map(|check| check["name"].as_str().unwrap())
            .collect()
    }
}

fn no_secret_is_in(output: &Output) {
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    for secret in [KEY, CANARY] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn what_works_is_said_to_work_and_nothing_stays_behind() {
    let mut scene = Scene::new();
    let (address, seen) = provider::answering(provider::http(
        "200 OK",
        &format!(r#"{{"data":["{CANARY}"]}}"#),
    ));
    scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
    let report = scene.json();
    assert!(report.is_ok(), "{:#}", report.document);
    report.says("settings", "ok", &["valid"]);
    report.says("codex_program", "ok", &["named by CODEX_BIN"]);
    report.says("codex_version", "ok", &["the pinned one"]);
    report.says("driver", "ok", &["app-server", "by what the CLI offers"]);
    report.says("codex_process", "ok", &["ready for its first turn"]);
    report.says("state_dir", "ok", &["CODEX_STATE_DIR"]);
    report.says("data_dir", "ok", &["made when it is needed"]);
    report.says("provider", "ok", &["takes the key", &address.to_string()]);
    report.says("address", "ok", &["is free"]);
    if sandbox_is_usable() {
        let words = [
            "enforced",
            "network: none",
            "512 open files",
            "600 s of processor",
        ];
        let is_root = rustix::process::geteuid().is_root();
        report.says("sandbox", if is_root { "warning" } else { "ok" }, &words);
        report.says("limits", "ok", &[]);
    }
    let asked = seen.recv().unwrap();
    assert!(asked.starts_with("get /v1/models "), "{asked}");
    assert!(
        asked.contains(&format!("authorization: bearer {KEY}")),
        "{asked}"
    );
    scene.is_untouched();

    let output = scene.run(&[]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        text.starts_with("ok       settings       valid\n"),
        "{text}"
    );
    assert!(text.contains(" 0 failed, 0 skipped."), "{text}");
    no_secret_is_in(&output);
    scene.is_untouched();
}

#[test]
fn the_demo_needs_no_provider() {
    let mut scene = Scene::new();
    scene
        .settings
        .retain(|(name, _)| !name.starts_with("OPENAI_"));
    let report = scene.json_of(&["--demo", "--json"]);
    assert!(report.is_ok(), "{:#}", report.document);
    assert_eq!(report.statuses("skipped"), ["provider"]);
    // Without the flag the key is missed, and nothing else is looked at.
    scene.set("PORTCULLIS_DRAIN_SEC", "-1");
    scene.set("CODEX_DRIVER", "telepathy");
    let report = scene.json();
    let words = [
        "OPENAI_API_KEY",
        "PORTCULLIS_DRAIN_SEC",
        "CODEX_DRIVER",
        "3 wrong",
    ];
    report.says("settings", "failed", &words);
    assert_eq!(report.statuses("skipped").len(), 14);
    scene.is_untouched();
}

#[test]
fn a_program_that_is_not_the_cli_is_found_out() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let report = scene.json();
    report.says("codex_program", "ok", &["/true", "named by CODEX_BIN"]);
    report.says("codex_version", "failed", &["--help", "Set CODEX_DRIVER"]);
    for name in ["driver", "sandbox", "limits", "codex_process"] {
        report.says(name, "skipped", &["did not answer"]);
    }
    scene.set("CODEX_DRIVER", "app-server");
    let words = ["--version", "Set CODEX_BIN"];
    scene.json().says("codex_version", "failed", &words);
    scene.set("CODEX_BIN", "/nowhere/codex");
    scene.json().says("settings", "failed", &["CODEX_BIN"]);
    scene.is_untouched();
}

#[test]
fn another_version_is_a_warning_or_a_failure_as_the_settings_say() {
    let directory = codex::directory();
    let program = codex::fake(directory.path(), r#"version = "0.1.0""#);
    let mut scene = Scene::with(&program);
    let report = scene.json();
    report.says("codex_version", "warning", &["0.1.0", "make codex"]);
    report.says("codex_process", "ok", &[]);
    scene.set("CODEX_VERSION_STRICT", "true");
    scene
        .json()
        .says("codex_version", "failed", &["CODEX_VERSION_STRICT"]);
    scene.is_untouched();
}

/// A CLI that answers questions, and does `otherwise` where it is to serve.
fn half_a_cli(otherwise: &str) -> (TempDir, PathBuf) {
    let directory = codex::directory();
    let program = directory.path().join("codex");
    let script = format!(
        "#!/bin/sh\ncase $1 in\n--version) echo codex-cli 0.169.0;;\n--help) echo 'Commands:'; echo \
         '  app-server  Serve';;\n*) {otherwise};;\nesac\n"
    );
    fs::write(&program, script).unwrap();
    let mode = PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    (directory, program)
}

#[test]
fn a_process_that_does_not_start_is_said_to() {
    let (_directory, program) = half_a_cli("exit 3");
    let mut scene = Scene::with(&program);
    scene.set("PORTCULLIS_SANDBOX", "off");
    let report = scene.json();
    report.says("codex_process", "failed", &["does not start", "handshake"]);
    report.says("sandbox", "warning", &["PORTCULLIS_SANDBOX=required"]);
    report.says("limits", "skipped", &[]);
    scene.is_untouched();
}

#[tokio::test]
async fn one_that_is_interrupted_leaves_nothing_either() {
    let (_directory, program) = half_a_cli("exec sleep 600");
    let mut scene = Scene::with(&program);
    scene.set("PORTCULLIS_SANDBOX", "off");
    let mut command = scene.command(&[]);
    let mut doctor = command.stderr(Stdio::null()).spawn().unwrap();
    let state_dir = scene.path("state");
    until("the start of a process", || {
        let homes = fs::read_dir(&state_dir).ok();
        homes.is_some_and(|mut homes| homes.next().is_some())
    })
    .await;
    kill_process(Pid::from_child(&doctor), Signal::INT).unwrap();
    assert_eq!(doctor.wait().unwrap().code(), Some(1));
    scene.is_untouched();
}

#[test]
fn a_driver_without_a_pool_starts_nothing_ahead() {
    let mut scene = Scene::new();
    scene.set("CODEX_DRIVER", "exec");
    let report = scene.json();
    report.says("driver", "ok", &["exec", "by CODEX_DRIVER"]);
    report.says("codex_process", "skipped", &["one for each turn"]);
    scene.is_untouched();
}

#[test]
fn a_sandbox_that_cannot_be_made_is_a_failure_where_it_is_required() {
    let mut scene = Scene::new();
    scene.set("CODEX_SANDBOX_BWRAP", "/bin/false");
    let report = scene.json();
    report.says(
        "sandbox",
        "warning",
        &["NOT ENFORCED", "CODEX_SANDBOX_BWRAP"],
    );
    report.says("codex_process", "ok", &[]);
    scene.set("PORTCULLIS_SANDBOX", "required");
    let report = scene.json();
    report.says("sandbox", "failed", &["required", "docs/sandbox.md"]);
    report.says("codex_version", "skipped", &["nothing is run"]);
    scene.is_untouched();
}

#[test]
fn directories_that_cannot_be_used_are_named() {
    let mut scene = Scene::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    // In its place the settings refuse it; above it, nobody noticed yet.
    scene.set("CODEX_STATE_DIR", file.path());
    scene.json().says(
        "settings",
        "failed",
        &["CODEX_STATE_DIR", "not a directory"],
    );
    scene.set("CODEX_STATE_DIR", file.path().join("state"));
    // Not even root makes a directory there.
    scene.set("PORTCULLIS_DATA_DIR", "/proc/data");
    let report = scene.json();
    report.says(
        "state_dir",
        "failed",
        &["Not a directory", "CODEX_STATE_DIR"],
    );
    report.says("data_dir", "failed", &["/proc/data", "PORTCULLIS_DATA_DIR"]);
    report.says("codex_version", "ok", &[]);
    report.says("codex_process", "failed", &[]);

    let open = scene.path("open");
    fs::create_dir(&open).unwrap();
    let mode = PermissionsExt::from_mode(0o755);
    fs::set_permissions(&open, mode).unwrap();
    scene.set("CODEX_STATE_DIR", &open);
    scene
        .json()
        .says("state_dir", "warning", &["other users", "chmod 700"]);
    fs::remove_dir(&open).unwrap();
    scene.is_untouched();
}

#[test]
fn skills_with_a_mistake_are_named() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    scene.set("PORTCULLIS_SKILLS_DIR", scene.path("skills"));
    fs::create_dir(scene.path("skills")).unwrap();
    fs::write(scene.path("skills/broken.toml"), "name = 3").unwrap();
    scene
        .json()
        .says("skills", "failed", &["broken.toml", "skills check"]);
}

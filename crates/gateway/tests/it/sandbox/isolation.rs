//! What a process in the sandbox can see, reach and use up. Each proof is run without the sandbox too,
//! and must fail there: else it would prove nothing.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::{
    BubblewrapSpec, CommandSpec, Interrupt, Launcher, Limits, PrivateDirectory, ResourceLimits,
    Sandbox, SandboxTools, Stdin,
};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::support::codex;
use crate::support::test_app::{KEY, TestApp};
use crate::support::world::sandbox_is_usable;

const OFF: (&str, &str) = ("PORTCULLIS_SANDBOX", "off");

/// What came of a probe of the fake CLI, see `fake-codex/src/main.rs`.
async fn probe(app: &TestApp, what: &str) -> Value {
    let answer = app.ask(&format!("fake:probe:{what}")).await.chat();
    serde_json::from_str(&answer).unwrap()
}

/// Something to find, and how to tell that it was not found.
struct Proof {
    probe: String,
    is_contained: Box<dyn Fn(&Value) -> bool>,
}

fn proof(probe: impl Into<String>, is_contained: impl Fn(&Value) -> bool + 'static) -> Proof {
    Proof {
        probe: probe.into(),
        is_contained: Box::new(is_contained),
    }
}

fn refused(probe: impl Into<String>) -> Proof {
    proof(probe, |found| found.get("error").is_some())
}

fn text(found: &Value) -> &str {
    found["ok"].as_str().unwrap_or_default()
}

fn has_only_loopback(table: &str) -> bool {
    let mut interfaces = table.lines().skip(2);
    interfaces.all(|line| line.trim_start().starts_with("lo:"))
}

#[tokio::test]
async fn nothing_of_the_host_is_in_reach() {
    if !sandbox_is_usable() {
        return;
    }
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let name = format!("portcullis-test-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&abstract_name).unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "secret").unwrap();
    let secret = secret.path().display().to_string();

    for settings in [&[][..], &[OFF]] {
        let app = TestApp::with_fake_codex("", settings).await;
        app.pids().await;
        let directory = app.directory.path();
        fs::create_dir_all(directory.join("data")).unwrap();
        fs::write(directory.join("data/row"), "somebody's").unwrap();
        let neighbour = app.state_dir().join("somebody-elses-home");
        fs::create_dir(&neighbour).unwrap();
        fs::write(neighbour.join("config.toml"), "somebody's").unwrap();
        let gateway = std::env::current_exe().unwrap();
        let gateway = gateway.file_name().unwrap().to_str().unwrap().to_owned();
        let mut proofs = vec![
            proof("read:/proc/net/route", |found| {
                text(found).lines().count() == 1
            }),
            refused(format!("connect:127.0.0.1:{port}")),
            refused(format!("abstract:{name}")),
            refused(format!("read:{secret}")),
            refused(format!("read:{}/data/row", directory.display())),
            refused(format!("list:{}", neighbour.display())),
            refused("read:/etc/shadow"),
            proof("read:/etc/passwd", |found| text(found).lines().count() == 3),
            refused("list:/home"),
            refused("list:/sys"),
            refused(format!("write:{}/probe", directory.display())),
            proof("processes", move |found| {
                let processes = found["ok"].as_object().unwrap();
                let mut lines = processes.values().map(|line| line.as_str().unwrap());
                processes.len() <= 3 && !lines.any(|line| line.contains(&gateway))
            }),
        ];
        // A host that has nothing else shows nothing else.
        if !has_only_loopback(&fs::read_to_string("/proc/net/dev").unwrap()) {
            proofs.push(proof("read:/proc/net/dev", |found| {
                text(found).contains("lo:") && has_only_loopback(text(found))
            }));
        }
        let is_inside = settings.is_empty();
        for proof in proofs {
            let found = probe(&app, &proof.probe).await;
            let contained = (proof.is_contained)(&found);
            assert_eq!(contained, is_inside, "{}: {found}", proof.probe);
        }
        fs::remove_dir_all(neighbour).unwrap();
        app.stop().await;
    }
}

#[tokio::test]
async fn it_can_write_its_own_directories_and_nothing_else() {
    if !sandbox_is_usable() {
        return;
    }
    let app = TestApp::with_fake_codex("", &[]).await;
    let environment = probe(&app, "environment").await;
    let home = environment["ok"]["CODEX_HOME"].as_str().unwrap();
    for path in [home, "/tmp", "/dev/shm"] {
        let written = probe(&app, &format!("write:{path}/probe")).await;
        assert_eq!(written["ok"], "written", "{path}: {written}");
    }
    for path in ["/", "/usr", "/dev", "/.portcullis", "/proc/sys/kernel"] {
        let written = probe(&app, &format!("write:{path}/probe")).await;
        assert!(written.get("error").is_some(), "{path}: {written}");
    }
    let data = app.directory.path().join("data").display().to_string();
    let hidden = probe(&app, &format!("write:{data}/probe")).await;
    assert!(hidden.get("error").is_some(), "{hidden}");
    let config = probe(&app, &format!("write:{home}/config.toml")).await;
    assert!(config.get("error").is_some(), "{config}");
    app.stop().await;
}

/// What the launcher needed is either gone or says nothing.
#[tokio::test]
async fn nobody_answers_where_the_launcher_reported_and_no_key_is_in_reach() {
    if !sandbox_is_usable() {
        return;
    }
    let app = TestApp::with_fake_codex("", &[]).await;
    let environment = probe(&app, "environment").await.to_string();
    assert!(!environment.contains(KEY), "{environment}");
    assert!(!environment.contains("PWD"), "{environment}");
    let own = probe(&app, "read:/proc/1/environ").await.to_string();
    assert!(!own.contains(KEY), "{own}");
    let left: Vec<_> = fs::read_dir(app.state_dir())
        .unwrap()
        .flat_map(|home| fs::read_dir(home.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("socket"))
        .collect();
    assert_eq!(left, [""; 0]);
    let ready = app.get("/readyz").await.json();
    let detail = &ready["checks"]["sandbox"]["detail"];
    assert!(detail.as_str().unwrap().starts_with("enforced"), "{ready}");
    app.stop().await;
}

#[tokio::test]
async fn what_it_may_use_is_limited() {
    if !sandbox_is_usable() {
        return;
    }
    let limits = [
        ("CODEX_LIMIT_MEMORY_MB", "512"),
        ("CODEX_LIMIT_FILE_SIZE_MB", "4"),
        ("CODEX_LIMIT_SCRATCH_MB", "16"),
        ("CODEX_LIMIT_PROCESSES", "123"),
        ("CODEX_LIMIT_OPEN_FILES", "77"),
        ("CODEX_LIMIT_CPU_SEC", "55"),
    ];
    for settings in [&limits[..], &[OFF]] {
        let app = TestApp::with_fake_codex("", settings).await;
        let is_inside = settings.len() > 1;
        let table = probe(&app, "read:/proc/self/limits").await;
        for (name, limit) in [
            ("Max processes", "123"),
            ("Max open files", "77"),
            ("Max cpu time", "55"),
            ("Max core file size", "0"),
        ] {
            let mut lines = text(&table).lines();
            let line = lines.find(|line| line.starts_with(name)).unwrap();
            let mut values = line.split_at(name.len()).1.split_ascii_whitespace();
            let is_held = values.next() == Some(limit) && values.next() == Some(limit);
            // Who runs the tests may have set no core files.
            assert!(
                is_held == is_inside || (!is_inside && limit == "0"),
                "{line}"
            );
        }
        let memory = probe(&app, "memory:700").await;
        assert_eq!(memory.get("error").is_some(), is_inside, "{memory}");
        assert_eq!(app.ask("still there?").await.chat(), "echo: still there?");
        let environment = probe(&app, "environment").await;
        let home = environment["ok"]["CODEX_HOME"].as_str().unwrap();
        let grown = probe(&app, &format!("grow:{home}/file:10")).await;
        assert_eq!(grown["ok"], if is_inside { 4 } else { 10 }, "{grown}");
        app.stop().await;
    }
    let limits = [("CODEX_LIMIT_SCRATCH_MB", "8")];
    let app = TestApp::with_fake_codex("", &limits).await;
    let grown = probe(&app, "grow:/tmp/file:12").await;
    assert!((7..=8).contains(&grown["ok"].as_u64().unwrap()), "{grown}");
    app.stop().await;
}

/// `PR_SET_PDEATHSIG` is about the thread that starts a process, so it must not be the caller's.
#[tokio::test]
async fn a_sandbox_outlives_the_thread_that_asked_for_it() {
    if !sandbox_is_usable() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let launcher = Launcher::new(Path::new(env!("CARGO_BIN_EXE_portcullis"))).unwrap();
    let program = PathBuf::from("/bin/sleep").canonicalize().unwrap();
    let megabyte = 1024 * 1024;
    let sandbox = BubblewrapSpec {
        tools: SandboxTools {
            bubblewrap: codex::bubblewrap(),
            launcher,
            control_groups: None,
        },
        read_paths: runner::read_paths(&program),
        hidden_paths: Vec::new(),
        private: PrivateDirectory {
            path: "/home".into(),
            directories: Vec::new(),
            files: Vec::new(),
            size_bytes: megabyte,
        },
        binds: Vec::new(),
        handshake_dir: directory.path().to_owned(),
        bridge_port: None,
        limits: ResourceLimits {
            memory_bytes: 1024 * megabyte,
            address_space_bytes: 4096 * megabyte,
            processes: 64,
            open_files: 64,
            file_size_bytes: megabyte,
            cpu_sec: 60,
        },
    };
    let spec = CommandSpec {
        program,
        args: vec!["1000".into()],
        env: BTreeMap::new(),
        current_dir: "/".into(),
        stdin: Stdin::Null,
        sandbox: Sandbox::Bubblewrap(Box::new(sandbox)),
    };
    let limits = Limits {
        max_line_bytes: 1024,
        kill_grace: Duration::from_secs(1),
        output: runner::OutputLimit::default(),
    };
    let runtime = Handle::current();
    let asking = std::thread::spawn(move || {
        let _entered = runtime.enter();
        runner::spawn(spec, limits, None, &TaskTracker::new()).unwrap()
    });
    let child = asking.join().unwrap();
    child.bridge.unwrap().open().await.unwrap();
    // The kernel sends the signal at once; this is for the scheduler.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(child.handle.exit(), None);
    let exit = child.handle.shutdown(Interrupt::Signal).await;
    // The grace was not needed: the interrupt went to the program, and not to bubblewrap.
    assert_eq!((exit.signal, exit.survivors), (Some(2), 0), "{exit:?}");
}

/// The bridge is the child's whole network, and ends with it.
#[tokio::test]
async fn the_broker_is_reached_from_inside_alone() {
    if !sandbox_is_usable() {
        return;
    }
    for (settings, is_reached) in [(&[][..], true), (&[OFF], false)] {
        let app = TestApp::with_fake_codex("", settings).await;
        let found = probe(&app, "connect:127.0.0.1:8080").await;
        assert_eq!(found.get("ok").is_some(), is_reached, "{found}");
        app.stop().await;
    }
    let app = TestApp::with_fake_codex("", &[]).await;
    app.ask("fake:kill").await.problem(502, "codex_failed");
    assert_eq!(
        probe(&app, "connect:127.0.0.1:8080").await["ok"],
        "connected"
    );
    app.stop().await;
}

//! The world of a Codex process is exactly the one that the gateway makes for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::codex;
use crate::support::provider::MockProvider;
use crate::support::test_app::{KEY, TestApp};

#[tokio::test]
async fn a_process_gets_nothing_but_what_it_is_given() {
    let mut provider = MockProvider::start().await;
    let proxies = [
        ("HTTPS_PROXY", "http://127.0.0.1:9/"),
        ("https_proxy", "http://127.0.0.1:9/"),
        ("ALL_PROXY", "http://127.0.0.1:9/"),
        ("RUST_LOG", "trace"),
        ("CODEX_HOME", "/nonexistent/other"),
    ];
    let app = TestApp::with_real_codex(&provider, &proxies).await;
    let [pid] = app.pids().await[..] else {
        panic!("not one process")
    };
    let proc = PathBuf::from(format!("/proc/{pid}"));

    let homes: Vec<PathBuf> = fs::read_dir(app.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [home] = &homes[..] else {
        panic!("{homes:?}")
    };
    let home_text = home.to_str().unwrap();
    let environment = [
        ("CODEX_HOME", home_text),
        ("HOME", home_text),
        ("LANG", "C.UTF-8"),
        ("PATH", "/nonexistent"),
        ("TMPDIR", home_text),
    ];
    let mut found = environment_of(&proc);
    let mark = found.remove("PORTCULLIS_RUN").unwrap();
    assert_eq!(mark.len(), 32, "{mark}");
    assert_eq!(
        found,
        BTreeMap::from(environment.map(|(name, value)| (name.into(), value.into())))
    );
    let command_line = fs::read_to_string(proc.join("cmdline")).unwrap();
    let program = codex::real();
    assert_eq!(
        command_line,
        format!("{}\0app-server\0--strict-config\0", program.display())
    );
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), home.join("work"));
    assert_eq!(
        fs::read_link(proc.join("exe")).unwrap(),
        program.canonicalize().unwrap()
    );
    let config = fs::read_to_string(home.join("config.toml")).unwrap();
    let broker = broker_port(&config);
    insta::assert_snapshot!(config.replace(&broker.to_string(), "[port]"));

    let caller = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    let call = provider.call().await;
    let in_turn = peers_of(&proc);
    call.answer("Hello.").await;
    assert_eq!(caller.answer().await.chat(), "Hello.");
    app.is_idle().await;
    let allowed = BTreeSet::from([format!("127.0.0.1:{broker}")]);
    assert_eq!(in_turn, allowed, "its connections in the middle of a turn");
    assert!(
        peers_of(&proc).is_subset(&allowed),
        "its connections after a turn"
    );

    assert_eq!(descendants_of(pid), [0_u32; 0], "it has started something");
    // As the process sees it: in the sandbox its home is in memory of its own.
    let seen = proc.join("root").join(home.strip_prefix("/").unwrap());
    let written = contents_of(&seen);
    assert!(!written.is_empty());
    for secret in [KEY, "Hello?", "Hello."] {
        assert!(
            !written.iter().any(|file| contains(file, secret)),
            "{secret:?} is on disk"
        );
    }
    app.stop().await;
}

fn environment_of(proc: &Path) -> BTreeMap<String, String> {
    let environment = fs::read_to_string(proc.join("environ")).unwrap();
    let pairs = environment
        .split_terminator('\0')
        .map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn broker_port(config: &str) -> u16 {
    let (_, rest) = config.split_once("base_url = \"http://127.0.0.1:").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// Every internet socket of a process, by where it leads: a peer, or `*` for one that listens or is
/// bound. Its Unix sockets are its own.
fn peers_of(proc: &Path) -> BTreeSet<String> {
    let inodes: BTreeSet<String> = fs::read_dir(proc.join("fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|target| {
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let mut peers = BTreeSet::new();
    for table in [
        "tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp", "packet",
    ] {
        let Ok(table_text) = fs::read_to_string(proc.join("net").join(table)) else {
            continue;
        };
        for line in table_text.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if table == "packet" {
                if inodes.contains(fields[8]) {
                    peers.insert("packet".to_owned());
                }
            } else if inodes.contains(fields[9]) {
                peers.insert(if table == "tcp" {
                    ipv4(fields[2])
                } else {
                    format!("{table} {}", fields[2])
                });
            }
        }
    }
    peers
}

/// `0100007F:1F90` → `127.0.0.1:8080`.
fn ipv4(hexadecimal: &str) -> String {
    let (address, port) = hexadecimal.split_once(':').unwrap();
    let address = u32::from_str_radix(address, 16).unwrap().to_le_bytes();
    let port = u16::from_str_radix(port, 16).unwrap();
    format!("{}:{port}", std::net::Ipv4Addr::from(address))
}

fn descendants_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok())
        .flat_map(|children| {
            children
                .split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn contents_of(directory: &Path) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents.extend(contents_of(&path));
        } else {
            contents.extend(fs::read(&path));
        }
    }
    contents
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

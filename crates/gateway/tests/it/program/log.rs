//! What becomes of the service when nobody reads its log.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _, pipe};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::caller::{Exchange, head};
use crate::support::codex;
use crate::support::running::Running;
use crate::support::world::in_time;

const QUESTION: &str = "What does a portcullis do?";

struct Places {
    directory: TempDir,
    state_dir: TempDir,
    bubblewrap: String,
    codex: String,
}

impl Places {
    fn new() -> Self {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        Self {
            directory: tempfile::tempdir().unwrap(),
            state_dir: tempfile::tempdir_in("/dev/shm").unwrap(),
            bubblewrap: path(&codex::bubblewrap()),
            codex: path(&codex::real()),
        }
    }

    fn environment(&self) -> [(&str, &str); 5] {
        [
            ("PORTCULLIS_BIND", "127.0.0.1:0"),
            (
                "PORTCULLIS_DATA_DIR",
                self.directory.path().to_str().unwrap(),
            ),
            ("CODEX_STATE_DIR", self.state_dir.path().to_str().unwrap()),
            ("CODEX_BIN", &self.codex),
            ("CODEX_SANDBOX_BWRAP", &self.bubblewrap),
        ]
    }

    fn serve(&self, log: impl Into<Stdio>) -> Running {
        Running::serve_logging_to(log, &self.environment())
    }
}

/// The check `log` of a gateway that is ready, once that is so.
async fn log_check(served: &Running) -> Value {
    until_log_is(served, |_| true).await
}

/// Calls are answered, refused ones too, and SIGTERM ends it as ever.
async fn serves_and_ends(served: Running) {
    assert!(served.ask(QUESTION).await.contains("portcullis"));
    refuse(&served, 200).await;
    assert_eq!(served.get("/livez").await["status"], "ok");
    served.signal(Signal::TERM);
    assert_eq!(served.end().await.0, Some(0));
}

/// Each is a line in the log, as long as it is not one too many.
async fn refuse(served: &Running, calls: usize) {
    for _ in 0..calls {
        let refused = served.post(&json!({ "message": 7 })).await.answer().await;
        assert_eq!(refused.status, 422);
    }
}

async fn until_log_is(served: &Running, is_so: impl Fn(&Value) -> bool) -> Value {
    in_time("the log's state", async {
        loop {
            let ready = served.readiness().await;
            let check = &ready["checks"]["log"];
            if ready["status"] == "ready" && is_so(check) {
                return check.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// The reader goes while the gateway serves, or the disk is full.
#[tokio::test]
async fn a_log_that_cannot_be_written_costs_lines_and_no_call() {
    let places = Places::new();
    let (reader, writer) = pipe().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    for (log, reader) in [(Stdio::from(writer), Some(reader)), (full.into(), None)] {
        let served = places.serve(log);
        drop(reader);
        refuse(&served, 1).await;
        let check = until_log_is(&served, |check| check["ok"] == false).await;
        assert!(
            check["detail"].as_str().unwrap().contains("lost"),
            "{check}"
        );
        serves_and_ends(served).await;
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_no_call() {
    let places = Places::new();
    let (_reader, writer) = full_pipe();
    let served = places.serve(writer);
    let check = until_log_is(&served, |check| check["ok"] == false).await;
    assert!(
        check["detail"].as_str().unwrap().contains("wait"),
        "{check}"
    );
    serves_and_ends(served).await;
}

/// Nobody has to take the greeting either.
#[tokio::test]
async fn a_gateway_without_standard_output_and_error_serves() {
    let places = Places::new();
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let bind = address.to_string();
    let mut environment = places.environment();
    environment[0].1 = &bind;
    let closing = ["sh", "-c", "exec \"$0\" \"$@\" >&- 2>&-"];
    let closed = Running::serve_unseen(&closing, &environment, address).await;
    let check = log_check(&closed).await;
    assert!(
        check["detail"].as_str().unwrap().contains("nobody"),
        "{check}"
    );
    serves_and_ends(closed).await;
    let choking = ["sh", "-c", "exec \"$0\" \"$@\" >/dev/full 2>&1"];
    serves_and_ends(Running::serve_unseen(&choking, &environment, address).await).await;
}

/// A reader that comes back learns how much it has missed.
#[tokio::test]
async fn lost_lines_are_counted_in_the_next_one() {
    let places = Places::new();
    let path = places.directory.path().join("log");
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    // Opened for both, so that it does not wait for the other side.
    let first_reader = File::options().read(true).write(true).open(&path).unwrap();
    let served = places.serve(File::options().write(true).open(&path).unwrap());
    drop(first_reader);
    refuse(&served, 1).await;
    until_log_is(&served, |check| check["ok"] == false).await;

    let reader = File::open(&path).unwrap();
    let mut lines = BufReader::new(reader).lines();
    // Behind what stood in the pipe when the first reader went.
    let told = lines.by_ref().map(Result::unwrap);
    let told = told.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let mut counts = told.filter_map(|line| line["lost_lines"].as_u64());
    assert!(counts.next() > Some(0));
    let check = until_log_is(&served, |check| check["ok"] == true).await;
    assert!(
        check["detail"].as_str().unwrap().contains("lost earlier"),
        "{check}"
    );
    let ended = served.terminate();
    let rest = lines.map(Result::unwrap);
    let (rest, _) = tokio::join!(
        async {
            tokio::task::spawn_blocking(move || rest.collect::<Vec<_>>())
                .await
                .unwrap()
        },
        ended,
    );
    assert!(rest.last().unwrap().contains("\"stopped\""), "{rest:?}");
}

/// A stranger cannot fill the disk.
#[tokio::test]
async fn what_repeats_without_end_is_left_out_and_counted() {
    const CALLS: usize = 2000;
    let places = Places::new();
    let path = places.directory.path().join("log");
    let served = places.serve(File::create(&path).unwrap());
    refuse(&served, CALLS).await;
    served.terminate().await;
    let log = fs::read_to_string(path).unwrap();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refused: Vec<Value> = lines
        .filter(|line| line["message"] == "request refused")
        .collect();
    assert!((100..CALLS).contains(&refused.len()), "{}", refused.len());
    let left_out = refused.iter().filter_map(|line| line["left_out"].as_u64());
    let left_out: u64 = left_out.sum();
    assert!(left_out > 0);
    assert!(refused.len() as u64 + left_out <= CALLS as u64);
}

/// A pipe that takes nothing more.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    let nonblocking = flags | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&writer, nonblocking).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// Redacted first and cut then: nothing of a secret stands at the edge, wherever it lies.
#[tokio::test]
async fn a_secret_at_the_cut_of_a_long_text_is_not_logged_in_part() {
    let places = Places::new();
    let path = places.directory.path().join("log");
    let served = places.serve(File::create(&path).unwrap());
    let secret = ["ghp", "_", "Zk3vQ9xT7mB2nR8wL5yH1cD6fJ4gP0sA2eUi"].concat();
    // Up to where some of what replaces it is cut off.
    let before = (2_048 - secret.len()..2_048).step_by(4);
    for before in before.clone() {
        let method = format!("{}|{secret}|{}", "X".repeat(before), "Y".repeat(7_000));
        let mut exchange = Exchange::open(served.address()).await;
        let request = head(&format!("{method} /chat"), served.address(), &[]);
        exchange.send_as_far_as_it_goes(request.as_bytes()).await;
        assert_eq!(exchange.answer().await.status, 405);
    }
    served.signal(Signal::TERM);
    assert_eq!(served.end().await.0, Some(0));
    let log = fs::read_to_string(path).unwrap();
    let cut = log.lines().filter(|line| line.contains("… ("));
    assert_eq!(cut.count(), before.count());
    assert!(!log.contains(&secret[..8]), "{log}");
}

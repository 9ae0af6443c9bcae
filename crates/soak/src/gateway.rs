//! The built gateway: started, looked at from outside, ended.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::processes::{Process, codex_processes, descendants};

/// A call that is to meet its deadline hangs for this long; every other one must be done by then, on a
/// machine that does something else beside.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// So many calls may one crash fail.
pub(crate) const TURNS_PER_PROCESS: usize = 4;

const DRAIN: Duration = Duration::from_secs(10);

/// The drain, the last words of turns, the grace of the kill: what an end may take.
const LONGEST_END: Duration = Duration::from_secs(20);

/// Until nothing runs any more, and descriptors that are on their way out are closed.
const LONGEST_UNREST: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(50);

/// So many looks in a row must see the same.
const LOOKS: usize = 4;

pub(crate) struct Gateway {
    process: Child,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    log_tasks: TaskTracker,
    log_reader: AbortHandle,
    scratch: tempfile::TempDir,
}

/// A look at the gateway while it has nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) descriptors: usize,
    pub(crate) rss_bytes: usize,
    pub(crate) codex_processes: usize,
}

impl Gateway {
    pub(crate) async fn start(
        program: &Path,
        model: SocketAddr,
        driver: &str,
        sandbox: &str,
    ) -> io::Result<Self> {
        let scratch = tempfile::Builder::new()
            .prefix("soak-")
            .tempdir_in(memory_backed_dir())?;
        let seconds = |duration: Duration| duration.as_secs().to_string();
        #[expect(clippy::disallowed_methods, reason = "the soak starts the product")]
        let mut process = Command::new(portcullis()?)
            .arg("serve")
            .env_clear()
            .env("CODEX_BIN", program)
            .env("CODEX_DRIVER", driver)
            .env("CODEX_STATE_DIR", scratch.path().join("state"))
            .env("CODEX_TIMEOUT_SEC", seconds(CALL_TIMEOUT))
            .env(
                "CODEX_POOL_TURNS_PER_PROCESS",
                TURNS_PER_PROCESS.to_string(),
            )
            // Worn out several times in a run, so that replacement is in it.
            .env("CODEX_POOL_MAX_TURNS", "60")
            .env("OPENAI_API_KEY", "soak")
            .env("OPENAI_BASE_URL", format!("http://{model}/v1"))
            .env("PORTCULLIS_BIND", "127.0.0.1:0")
            .env("PORTCULLIS_DATA_DIR", scratch.path().join("data"))
            .env("PORTCULLIS_DRAIN_SEC", seconds(DRAIN))
            .env("PORTCULLIS_SANDBOX", sandbox)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("no pipe");
        let log = Arc::new(Mutex::default());
        let log_tasks = TaskTracker::new();
        let stderr = process.stderr.take().ok_or_else(missing)?;
        let log_reader = log_tasks.spawn(collect(stderr, Arc::clone(&log)));
        let mut greeting = String::new();
        let mut stdout = BufReader::new(process.stdout.take().ok_or_else(missing)?);
        stdout.read_line(&mut greeting).await?;
        let address = greeting.trim().rsplit_once("http://");
        let Some(Ok(address)) = address.map(|(_, address)| address.parse()) else {
            sleep(PAUSE).await;
            let log = log.lock().join("\n");
            return Err(io::Error::other(format!(
                "the gateway did not start: {log}"
            )));
        };
        Ok(Self {
            pid: process.id().ok_or_else(missing)?,
            process,
            address,
            log,
            log_tasks,
            log_reader: log_reader.abort_handle(),
            scratch,
        })
    }

    /// Whoever collects the log dies.
    pub(crate) fn kill_log_reader(&self) {
        self.log_reader.abort();
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    /// What `/readyz` says of `check`.
    pub(crate) async fn readiness(&self, check: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let document: serde_json::Value = serde_json::from_str(body)?;
        let detail = document["checks"][check]["detail"].as_str();
        Ok(detail.unwrap_or_default().to_owned())
    }

    /// Waits for rest, then looks: no turn runs, as many Codex processes live as the pool knows of, and
    /// nothing has changed for a while.
    pub(crate) async fn sample_at_rest(&self) -> Result<Sample, String> {
        let begun = Instant::now();
        let mut last: Option<Sample> = None;
        let mut same = 0;
        loop {
            let pool = self.readiness("codex_processes").await;
            let pool = pool.map_err(|error| format!("readyz: {error}"))?;
            let sample = self.sample().map_err(|error| error.to_string())?;
            let is_at_rest = pool.contains(" 0 turns running")
                && !starts_one(&pool)
                && ready(&pool) == sample.codex_processes;
            let is_same = last
                .as_ref()
                .is_some_and(|last| last.descriptors == sample.descriptors);
            same = if is_at_rest && is_same { same + 1 } else { 0 };
            if same >= LOOKS {
                return Ok(sample);
            }
            if begun.elapsed() > LONGEST_UNREST {
                let processes = sample.codex_processes;
                return Err(format!(
                    "no rest within {LONGEST_UNREST:?}: the pool says {pool:?}, {processes} Codex processes live"
                ));
            }
            last = Some(sample);
            sleep(PAUSE).await;
        }
    }

    fn sample(&self) -> io::Result<Sample> {
        Ok(Sample {
            descriptors: self.descriptors()?,
            rss_bytes: self.rss_bytes()?,
            codex_processes: codex_processes(self.pid)?.len(),
        })
    }

    /// The gateway does not let others of its user see what it has open; how many, the kernel tells
    /// (Linux 6.2).
    fn descriptors(&self) -> io::Result<usize> {
        let directory = format!("/proc/{}/fd", self.pid);
        if let Ok(entries) = fs::read_dir(&directory) {
            return Ok(entries.count());
        }
        match usize::try_from(fs::metadata(&directory)?.len()) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(io::Error::other(
                "descriptors can be counted by root, or on Linux 6.2",
            )),
        }
    }

    fn rss_bytes(&self) -> io::Result<usize> {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid))?;
        let pages = statm.split(' ').nth(1).and_then(|it| it.parse().ok());
        let pages: usize = pages.ok_or_else(|| io::Error::other("statm has another form"))?;
        Ok(pages * rustix::param::page_size())
    }

    /// SIGTERM. Everything wrong with the end, and the log.
    pub(crate) async fn end(mut self) -> io::Result<(Vec<String>, Vec<String>)> {
        let children = descendants(self.pid)?;
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no process id"))?;
        kill_process(pid, Signal::TERM)?;
        let mut violations = Vec::new();
        if let Ok(status) = timeout(LONGEST_END, self.process.wait()).await {
            violations.extend(wrong_end(status?));
        } else {
            violations.push(format!("the gateway did not end within {LONGEST_END:?}"));
            self.process.kill().await?;
        }
        // Before the end of the log is waited for: what is left may have it open.
        let mut left: Vec<Process> = crate::processes::naming(self.scratch.path())?;
        left.extend(children.into_iter().filter(Process::is_alive));
        violations.extend(left.iter().map(|it| format!("a process is left: {it:?}")));
        self.log_tasks.close();
        if timeout(LONGEST_END, self.log_tasks.wait()).await.is_err() {
            violations.push("something still has the log open".to_owned());
        }
        for entry in fs::read_dir(self.state_dir())? {
            violations.push(format!("a file is left: {}", entry?.path().display()));
        }
        let log = std::mem::take(&mut *self.log.lock());
        Ok((violations, log))
    }
}

/// Of "2 ready, 0 starting, …"; none where each turn has one of its own.
fn ready(pool: &str) -> usize {
    let ready = pool
        .split_once(" ready")
        .and_then(|(it, _)| it.parse().ok());
    ready.unwrap_or_default()
}

fn starts_one(pool: &str) -> bool {
    pool.contains(" starting") && !pool.contains(" 0 starting")
}

fn wrong_end(status: ExitStatus) -> Option<String> {
    (!status.success()).then(|| format!("the gateway ended with {status}"))
}

async fn collect(stderr: tokio::process::ChildStderr, log: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().push(line);
    }
}

/// Where the gateway would put its state by itself.
fn memory_backed_dir() -> PathBuf {
    let shared_memory = PathBuf::from("/dev/shm");
    if shared_memory.is_dir() {
        shared_memory
    } else {
        std::env::temp_dir()
    }
}

/// The product, which is built into the directory of this program.
fn portcullis() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("portcullis"))
}

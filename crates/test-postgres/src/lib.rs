//! A PostgreSQL server of its own for a test binary: started in a scratch directory, on loopback, as a user
//! without rights, and gone with everything of it when its owner drops it, panics or is killed.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    reason = "this crate serves tests alone: it starts a server, and fails loudly"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection, Executor};

/// `nobody`, when the tests run as root, whom PostgreSQL refuses.
const UNPRIVILEGED: u32 = 65534;

/// Starts and kills the server as it is told. At the end of its input, so when its owner is gone however
/// it went, it stops the server and removes the directory.
const KEEPER: &str = r#"
cd "$1"
stop() { [ -z "$pid" ] || { kill -"$1" $pid $2 2>/dev/null; wait $pid 2>/dev/null; }; pid=; }
while read -r command; do
  case $command in
    start) "$2/postgres" -D "$1/data" </dev/null >>"$1/log" 2>&1 & pid=$! ;;
    kill) stop KILL "$(cat /proc/$pid/task/$pid/children)" ;;
    pause) kill -STOP $pid $(cat /proc/$pid/task/$pid/children) ;;
    resume) kill -CONT $pid $(cat /proc/$pid/task/$pid/children) ;;
  esac
  echo "$pid"
done
stop INT
rm -rf "$1"
"#;

pub struct Server {
    directory: PathBuf,
    port: u16,
    keeper: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    databases: AtomicU32,
}

/// Whether a crash of the server keeps what was committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Fast, for tests that never kill the server.
    None,
    Full,
}

impl Server {
    /// Starts a server. None, loudly, where PostgreSQL is not installed; with `CI` set, that is a failure.
    pub fn start(durability: Durability) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "no PostgreSQL: `make postgres` installs it"
            );
            eprintln!("skipped: no PostgreSQL (`make postgres` installs it)");
            return None;
        };
        let directory = tempfile::Builder::new()
            .prefix("portcullis-postgres-")
            .tempdir()
            .expect("a scratch directory")
            .keep();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700))
            .expect("its mode");
        if is_root() {
            chown(&directory, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).expect("its owner");
        }
        let port = free_port();
        let mut keeper = unprivileged("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&directory)
            .arg(&programs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server's keeper");
        // From here on the keeper removes the directory, whatever happens.
        let commands = keeper.stdin.take();
        let answers = BufReader::new(keeper.stdout.take().expect("the keeper's answers"));
        let mut server = Self {
            directory,
            port,
            keeper,
            commands,
            answers,
            databases: AtomicU32::new(0),
        };
        server.initialise(&programs, durability);
        server.restart();
        Some(server)
    }

    fn initialise(&self, programs: &Path, durability: Durability) {
        let made = unprivileged(programs.join("initdb"))
            .args([
                "--username=portcullis",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .args(["--no-instructions", "--pgdata"])
            .arg(self.directory.join("data"))
            .current_dir(&self.directory)
            .output()
            .expect("initdb");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let fsync = if durability == Durability::Full {
            "on"
        } else {
            "off"
        };
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = {fsync}\n\
             max_connections = 100\nshared_buffers = 16MB\n",
            self.port,
            self.directory.display()
        );
        std::fs::write(self.directory.join("data/postgresql.auto.conf"), settings)
            .expect("its settings");
        // `guest` must know a password, which nobody has.
        let hosts = "host all guest 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        std::fs::write(self.directory.join("data/pg_hba.conf"), hosts).expect("its hosts");
    }

    /// Starts the server again after [`Server::kill`], and waits until it answers.
    pub fn restart(&mut self) {
        let pid = self.tell("start");
        let deadline = Instant::now() + Duration::from_mins(1);
        let state = self.directory.join("data/postmaster.pid");
        loop {
            let text = std::fs::read_to_string(&state).unwrap_or_default();
            let ours = text.lines().next() == Some(&pid);
            if ours && text.lines().any(|line| line.trim() == "ready") {
                return;
            }
            if Instant::now() > deadline || !Path::new("/proc").join(&pid).exists() {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                panic!("PostgreSQL did not start: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server and all its processes with SIGKILL.
    pub fn kill(&mut self) {
        self.tell("kill");
    }

    /// Stops the server's processes where they are: it answers nothing, and closes nothing.
    pub fn pause(&mut self) {
        self.tell("pause");
    }

    pub fn resume(&mut self) {
        self.tell("resume");
    }

    fn tell(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("the keeper listens");
        writeln!(commands, "{command}").expect("the keeper listens");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the keeper answers");
        answer.trim().to_owned()
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://portcullis@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database, and returns its URL.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}"))
            .await;
        self.url(&name)
    }

    /// Executes a statement as the owner of everything.
    pub async fn execute(&self, database: &str, statement: &str) {
        let options: sqlx::postgres::PgConnectOptions = self.url(database).parse().expect("a URL");
        let mut connection = options.connect().await.expect("a connection");
        connection.execute(statement).await.expect("a statement");
        connection.close().await.expect("its end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.commands.take());
        // A server that was paused cannot stop.
        drop(self.keeper.wait());
    }
}

fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path));
    directories.into_iter().find(|directory| {
        directory.join("postgres").is_file() && directory.join("initdb").is_file()
    })
}

fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = UNPRIVILEGED.to_string();
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"])
        .arg(program);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
        .port()
}

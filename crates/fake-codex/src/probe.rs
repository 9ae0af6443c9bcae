use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{self, UnixStream},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::grandchild;

/// What a process tries, to find out what its sandbox permits; explained in `main.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Abstract(String),
    Connect(SocketAddr),
    Environment,
    Grow { path: String, megabytes: usize },
    Leave(String),
    List(String),
    Memory { megabytes: usize },
    Processes,
    Read(String),
    Resolve(String),
    Threads { count: usize },
    Write(String),
}

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const MEGABYTE: usize = 1024 * 1024;
/// `SIGXFSZ`: with a handler, a write over the limit is an error and not the end.
const FILE_TOO_LARGE: i32 = 25;

impl Probe {
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let owned = || (!value.is_empty()).then(|| value.to_owned());
        Some(match name {
            "abstract" => Self::Abstract(owned()?),
            "connect" => Self::Connect(value.parse().ok()?),
            "environment" => Self::Environment,
            "grow" => {
                let (path, megabytes) = value.rsplit_once(':')?;
                Self::Grow {
                    path: path.to_owned(),
                    megabytes: megabytes.parse().ok()?,
                }
            }
            "leave" => Self::Leave(owned()?),
            "list" => Self::List(owned()?),
            "memory" => Self::Memory {
                megabytes: value.parse().ok()?,
            },
            "processes" => Self::Processes,
            "read" => Self::Read(owned()?),
            "resolve" => Self::Resolve(owned()?),
            "threads" => Self::Threads {
                count: value.parse().ok()?,
            },
            "write" => Self::Write(owned()?),
            _ => return None,
        })
    }

    /// `{"ok": …}`, or `{"error": …}` with what the system said.
    pub(crate) fn run(&self) -> Value {
        match self.attempt() {
            Ok(found) => json!({ "ok": found }),
            Err(error) => json!({ "error": error.to_string() }),
        }
    }

    fn attempt(&self) -> io::Result<Value> {
        Ok(match self {
            Self::Abstract(name) => {
                let address = net::SocketAddr::from_abstract_name(name)?;
                UnixStream::connect_addr(&address)?;
                json!("connected")
            }
            Self::Connect(address) => {
                TcpStream::connect_timeout(address, CONNECT_LIMIT)?;
                json!("connected")
            }
            Self::Environment => json!(environment()),
            Self::Grow { path, megabytes } => json!(grow(path, *megabytes)?),
            Self::Leave(how) => json!(grandchild::leave(how)?),
            Self::List(path) => json!(names_in(path)?),
            Self::Memory { megabytes } => json!(allocate(*megabytes)?),
            Self::Processes => json!(processes()?),
            Self::Read(path) => json!(String::from_utf8_lossy(&fs::read(path)?)),
            Self::Resolve(name) => {
                let found = (name.as_str(), 1).to_socket_addrs()?;
                json!(
                    found
                        .map(|address| address.ip().to_string())
                        .collect::<Vec<_>>()
                )
            }
            Self::Threads { count } => json!(start_threads(*count)),
            Self::Write(path) => {
                fs::write(path, "probe")?;
                json!("written")
            }
        })
    }
}

pub(crate) fn environment() -> BTreeMap<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is what is looked at"
    )]
    let variables = env::vars_os();
    variables
        .map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .collect()
}

/// The megabytes that could be written.
fn grow(path: &str, megabytes: usize) -> io::Result<usize> {
    drop(signal(SignalKind::from_raw(FILE_TOO_LARGE))?);
    let mut file = File::create(path)?;
    let megabyte = vec![1; MEGABYTE];
    let fits = |_: &usize| file.write_all(&megabyte).is_ok();
    let written = (0..megabytes).take_while(fits).count();
    fs::remove_file(path)?;
    Ok(written)
}

fn names_in(path: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn allocate(megabytes: usize) -> io::Result<usize> {
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(megabytes * MEGABYTE)?;
    // In blocks: byte by byte, an unoptimised build would say nothing for so long that it is taken for stalled.
    let megabyte = vec![1; MEGABYTE];
    for _ in 0..megabytes {
        memory.extend_from_slice(&megabyte);
    }
    Ok(memory.len() / MEGABYTE)
}

/// Command lines by process id.
fn processes() -> io::Result<BTreeMap<String, String>> {
    let mut processes = BTreeMap::new();
    for name in names_in("/proc")? {
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let command_line = fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
            processes.insert(
                name,
                String::from_utf8_lossy(&command_line).replace('\0', " "),
            );
        }
    }
    Ok(processes)
}

/// How many of `count` threads could be started; they never end.
fn start_threads(count: usize) -> usize {
    let start = |_: &usize| {
        let idle = || loop {
            thread::park();
        };
        thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(idle)
            .is_ok()
    };
    (0..count).take_while(start).count()
}

//! What a search through the gateway costs over the same ripgrep by hand: `make bench`.
//!
//! A workspace of 100,000 files, made of what cargo has downloaded, is searched for a word that stands
//! in one of them: by hand and as the skill `code-search`, in turn within one run. Prints medians and the
//! ratio. Fails if the skill takes more than issue 5 allows.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const FILES: usize = 100_000;
const WORD: &str = "portcullis_rare_word_of_the_bench";
const ROUNDS: usize = 11;

/// Issue 5: at most this many times the same call by hand, and this much more.
const LIMIT_RATIO: f64 = 1.3;
const LIMIT_MS: f64 = 60.0;

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark may wait for who reads its report"
)]
fn main() -> io::Result<ExitCode> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize()?;
    let codex = codex_client::locate(None, std::slice::from_ref(&root), "".as_ref())
        .map_err(io::Error::other)?;
    let package = codex.ancestors().nth(2).unwrap_or(&codex);
    let ripgrep = package.join("codex-path/rg");
    let scratch = tempfile::Builder::new()
        .prefix("code-search-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let workspace = scratch.path().join("workspace");
    let files = fill(&workspace)?;
    fs::write(workspace.join("rare.rs"), format!("fn {WORD}() {{}}\n"))?;

    let mut gateway = Gateway::start(&root, &workspace, scratch.path())?;
    by_hand(&ripgrep, &workspace)?;
    gateway.search()?;
    let (mut hand, mut skill) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        hand.push(by_hand(&ripgrep, &workspace)?);
        skill.push(gateway.search()?);
    }
    let (hand_ms, skill_ms) = (median_ms(hand), median_ms(skill));
    let allowed_ms = hand_ms * LIMIT_RATIO + LIMIT_MS;
    writeln!(
        io::stdout(),
        "a rare word in {files} files\n\
         ripgrep by hand      {hand_ms:8.1} ms\n\
         skill code-search    {skill_ms:8.1} ms   {:.2} of it, {allowed_ms:.1} ms allowed",
        skill_ms / hand_ms
    )?;
    Ok(ExitCode::from(u8::from(skill_ms > allowed_ms)))
}

/// Links the sources of cargo's registry into the workspace, again and again until there are enough.
fn fill(workspace: &Path) -> io::Result<usize> {
    #[expect(clippy::disallowed_methods, reason = "where cargo keeps its sources")]
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.unwrap_or_default().join("registry/src");
    let mut files = 0;
    for copy in 0.. {
        let before = files;
        link(&sources, &workspace.join(copy.to_string()), &mut files)?;
        if files >= FILES {
            break;
        }
        if files == before {
            return Err(io::Error::other("cargo's registry holds no sources"));
        }
    }
    Ok(files)
}

fn link(from: &Path, to: &Path, files: &mut usize) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if *files >= FILES {
            return Ok(());
        } else if kind.is_dir() {
            link(&entry.path(), &target, files)?;
        } else if kind.is_file() {
            if fs::hard_link(entry.path(), &target).is_err() {
                fs::copy(entry.path(), &target)?;
            }
            *files += 1;
        }
    }
    Ok(())
}

/// With the arguments of `skills/code-search.toml`.
fn by_hand(ripgrep: &Path, workspace: &Path) -> io::Result<Duration> {
    let start = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "what is measured against")]
    let output = Command::new(ripgrep)
        .args(["--no-config", "--json", "--no-messages", "--no-follow"])
        .args([
            "--no-require-git",
            "--context=0",
            "--regexp",
            WORD,
            "--",
            ".",
        ])
        .current_dir(workspace)
        .output()?;
    let took = start.elapsed();
    if output.status.success() {
        Ok(took)
    } else {
        Err(io::Error::other("ripgrep by hand did not find it"))
    }
}

/// The built program.
struct Gateway {
    process: Child,
    address: String,
}

impl Gateway {
    fn start(root: &Path, workspace: &Path, scratch: &Path) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the benchmark starts the product"
        )]
        let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--demo"])
            .env_clear()
            .env("PORTCULLIS_BIND", "127.0.0.1:0")
            .env("PORTCULLIS_DATA_DIR", scratch.join("data"))
            .env("CODEX_STATE_DIR", scratch.join("state"))
            .env("PORTCULLIS_SKILLS_DIR", root.join("skills"))
            .env(
                "PORTCULLIS_WORKSPACES",
                format!("bench={}", workspace.display()),
            )
            .env("PORTCULLIS_LOG", "warn")
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut greeting = String::new();
        BufReader::new(stdout).read_line(&mut greeting)?;
        let address = greeting.trim().rsplit_once("http://");
        let address = address.ok_or_else(|| io::Error::other("the gateway did not start"))?;
        Ok(Self {
            process,
            address: address.1.to_owned(),
        })
    }

    fn search(&mut self) -> io::Result<Duration> {
        let body =
            format!(r#"{{"mode":"tool","skill":"code-search","message":"{WORD}","stream":false}}"#);
        let start = Instant::now();
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "POST /chat HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let took = start.elapsed();
        if answer.contains("\"file\":\"rare.rs\"") {
            Ok(took)
        } else {
            Err(io::Error::other("the skill did not find it"))
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(0.0, |median| median.as_secs_f64() * 1000.0)
}

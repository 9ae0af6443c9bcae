//! One `codex exec` for each question, as wrappers without a pool do it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::{QUESTION, lean_config};

pub(crate) struct Client {
    program: PathBuf,
    home: PathBuf,
}

impl Client {
    pub(crate) fn new(program: &Path, model: &SocketAddr, scratch: &Path) -> io::Result<Self> {
        let home = scratch.join("process");
        std::fs::create_dir(&home)?;
        std::fs::write(home.join("config.toml"), lean_config(&model.to_string()))?;
        Ok(Self {
            program: program.to_owned(),
            home,
        })
    }

    /// The time from the start of the process to its finished message.
    pub(crate) async fn ask(&self) -> io::Result<Duration> {
        let begun = Instant::now();
        #[expect(
            clippy::disallowed_methods,
            reason = "the other side of the comparison"
        )]
        let mut process = Command::new(&self.program)
            .args([
                "exec",
                "--json",
                "--ephemeral",
                "--skip-git-repo-check",
                "-",
            ])
            .env_clear()
            .env("CODEX_HOME", &self.home)
            .env("HOME", &self.home)
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("no pipe");
        let mut stdin = process.stdin.take().ok_or_else(missing)?;
        stdin.write_all(QUESTION.as_bytes()).await?;
        drop(stdin);
        let mut lines = BufReader::new(process.stdout.take().ok_or_else(missing)?).lines();
        let mut answered = None;
        while let Some(line) = lines.next_line().await? {
            if line.contains("\"agent_message\"") {
                answered.get_or_insert_with(|| begun.elapsed());
            }
        }
        process.wait().await?;
        answered.ok_or_else(|| io::Error::other("an exec without an answer"))
    }
}

//! Asks the CLI once, at the start, for its version and its commands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::{CommandSpec, Deadline, Limits, Line, OutputLimit, PrivateDirectory, Stdin};
use thiserror::Error;
use tokio_util::task::TaskTracker;

use crate::confinement::SandboxSettings;
use crate::driver::{Driver, DriverChoice, Offers};
use crate::install::locate::PINNED_VERSION;
use crate::per_turn::contract::{ArgumentTemplate, ContractOptions, ContractSettings};

/// A program that does not answer within this time is not usable.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const KILL_GRACE: Duration = Duration::from_secs(1);
const MAX_LINE_BYTES: usize = 4096;
const MAX_OUTPUT: OutputLimit = OutputLimit {
    bytes: 1024 * 1024,
    lines: 10_000,
};

/// The most lines that are read of one answer. A help text has a few kilobytes.
const MAX_ANSWER_LINES: usize = 2000;

/// The version of a company's CLI may have any form, but not more characters than this.
const MAX_VERSION_CHARS: usize = 64;

/// A CLI that has answered the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The absolute path of the program.
    pub program: PathBuf,
    /// The `PATH` with which it has answered.
    pub search_path: OsString,
    pub version: String,
    pub driver: Driver,
}

/// Which program is asked, and how.
pub struct Probe<'start> {
    pub program: PathBuf,
    pub choice: DriverChoice,
    /// The arguments of a company's CLI.
    pub chat_arguments: &'start [ArgumentTemplate],
    /// Its `PATH`, see [`runner::search_path`].
    pub search_path: OsString,
    /// The sandbox to ask it in, and a directory that no other user can enter. An answer then also proves
    /// that the sandbox can be made here and that the program runs in it.
    pub sandbox: Option<(&'start SandboxSettings, &'start Path)>,
    pub tracker: &'start TaskTracker,
}

#[derive(Debug, Error)]
pub enum ProbeError {
    #[error(
        "{} did not answer `--version` as the Codex CLI does (`codex-cli 0.0.0`)",
        program.display()
    )]
    NotCodex { program: PathBuf },
    #[error(
        "{} answered nothing to `--version`, `--help` and `chat --help`",
        program.display()
    )]
    Silent { program: PathBuf },
    #[error(
        "{} names neither `app-server` nor `exec` nor `chat` in its `--help`, so no driver can be chosen",
        program.display()
    )]
    UnknownKind { program: PathBuf },
    #[error(transparent)]
    Sandbox(#[from] runner::SandboxError),
    #[error(transparent)]
    Spawn(#[from] runner::SpawnError),
}

impl ProbeError {
    /// Whether the program ran but did not answer as expected. It may do so outside of the sandbox.
    pub fn is_of_the_program(&self) -> bool {
        matches!(
            self,
            Self::NotCodex { .. } | Self::Silent { .. } | Self::UnknownKind { .. }
        )
    }
}

impl Installation {
    /// Whether it is the pinned version. A company's own CLI may have any version.
    pub fn is_expected(&self) -> bool {
        matches!(self.driver, Driver::Contract(_)) || self.version == PINNED_VERSION
    }
}

impl Probe<'_> {
    pub async fn ask(self) -> Result<Installation, ProbeError> {
        let version = self.answer_to(&["--version"]);
        let (version, help) = match self.choice {
            DriverChoice::Auto => {
                let (version, help) = tokio::join!(version, self.answer_to(&["--help"]));
                (version?, help?)
            }
            DriverChoice::AppServer | DriverChoice::Exec | DriverChoice::Contract => {
                (version.await?, Vec::new())
            }
        };
        let choice = match self.choice {
            DriverChoice::Auto => self.choose(&version, &help)?,
            choice => choice,
        };
        let codex_version = version.iter().find_map(|line| codex_version(line));
        let program = self.program.clone();
        let (version, driver) = match (choice, codex_version) {
            (DriverChoice::Contract, _) => {
                let options = self.contract_options(help, !version.is_empty()).await?;
                let version = version.first().map(|line| own_version(line));
                let settings = ContractSettings {
                    chat_arguments: self.chat_arguments.to_vec(),
                    options,
                };
                let version = version.unwrap_or_else(|| "unknown".to_owned());
                (version, Driver::Contract(settings))
            }
            (_, None) => return Err(ProbeError::NotCodex { program }),
            (DriverChoice::Exec, Some(version)) => (version, Driver::Exec),
            (_, Some(version)) => (version, Driver::AppServer),
        };
        Ok(Installation {
            program,
            search_path: self.search_path,
            version,
            driver,
        })
    }

    fn choose(&self, version: &[String], help: &[String]) -> Result<DriverChoice, ProbeError> {
        let offers = Offers::of_help(help.iter().map(String::as_str));
        let program = self.program.clone();
        match offers.best() {
            Some(choice) => Ok(choice),
            None if version.is_empty() && help.is_empty() => Err(ProbeError::NotCodex { program }),
            None => Err(ProbeError::UnknownKind { program }),
        }
    }

    /// Reads the options from the help of `chat`. If that names none, from the lines of the general help
    /// that mention `chat`.
    async fn contract_options(
        &self,
        general: Vec<String>,
        has_answered: bool,
    ) -> Result<ContractOptions, ProbeError> {
        let own = self.answer_to(&["chat", "--help"]).await?;
        let options = ContractOptions::named_in(own.iter().map(String::as_str));
        if options != ContractOptions::default() {
            return Ok(options);
        }
        let general = if general.is_empty() {
            self.answer_to(&["--help"]).await?
        } else {
            general
        };
        if own.is_empty() && general.is_empty() && !has_answered {
            return Err(ProbeError::Silent {
                program: self.program.clone(),
            });
        }
        let of_chat = general.iter().filter(|line| has_word(line, "chat"));
        Ok(ContractOptions::named_in(of_chat.map(String::as_str)))
    }

    /// Runs the program and returns the lines of text that it prints until it ends or its time is over.
    async fn answer_to(&self, arguments: &[&str]) -> Result<Vec<String>, ProbeError> {
        let sandbox = self.sandbox.map(|(settings, handshake_dir)| {
            let private = PrivateDirectory {
                // Not /home, where the program itself may lie: this is mounted over it.
                path: PathBuf::from("/probe-home"),
                directories: Vec::new(),
                files: Vec::new(),
                size_bytes: settings.scratch_bytes,
            };
            settings.sandbox(private, handshake_dir.to_owned(), None)
        });
        let environment = [
            ("HOME", OsString::from("/nonexistent")),
            ("PATH", self.search_path.clone()),
        ];
        let spec = CommandSpec {
            program: self.program.clone(),
            args: arguments.iter().map(Into::into).collect(),
            env: BTreeMap::from(environment.map(|(name, value)| (name.into(), value))),
            current_dir: "/".into(),
            stdin: Stdin::Null,
            sandbox: sandbox.unwrap_or_default(),
        };
        let limits = Limits {
            max_line_bytes: MAX_LINE_BYTES,
            kill_grace: KILL_GRACE,
            output: MAX_OUTPUT,
        };
        let deadline = Deadline::after(ANSWER_TIMEOUT);
        let mut child = runner::spawn(spec, limits, Some(deadline), self.tracker)?;
        if let Some(bridge) = child.bridge.take() {
            bridge.open().await?;
        }
        let mut lines = Vec::new();
        while let Some(line) = child.stdout.next().await {
            if let Line::Text(bytes) = line
                && let Ok(text) = String::from_utf8(bytes)
                && !text.trim().is_empty()
            {
                lines.push(text);
            }
            if lines.len() >= MAX_ANSWER_LINES {
                child.handle.shutdown(runner::Interrupt::None).await;
            }
        }
        child.handle.exited().await;
        Ok(lines)
    }
}

impl ContractOptions {
    fn named_in<'text>(lines: impl Iterator<Item = &'text str>) -> Self {
        let mut options = Self::default();
        for line in lines {
            options.stream |= has_word(line, "--stream");
            options.json |= has_word(line, "--json");
        }
        options
    }
}

fn has_word(line: &str, wanted: &str) -> bool {
    let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.any(|word| word == wanted)
}

/// `codex-cli 0.169.0` → `0.169.0`.
fn codex_version(line: &str) -> Option<String> {
    let version = line.trim().strip_prefix("codex-cli ")?;
    let is_plausible =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    (!version.is_empty() && version.bytes().all(is_plausible)).then(|| version.to_owned())
}

/// The line without characters that may not be in a log or a header.
fn own_version(line: &str) -> String {
    let printable = line
        .trim()
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ');
    printable.take(MAX_VERSION_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_clis_own_line_only() {
        assert_eq!(
            codex_version("codex-cli 0.169.0\n").as_deref(),
            Some("0.169.0")
        );
        assert_eq!(
            codex_version("codex-cli 0.170.0-alpha.1").as_deref(),
            Some("0.170.0-alpha.1")
        );
        assert_eq!(codex_version("bash 5.2"), None);
        assert_eq!(codex_version("codex-cli <script>"), None);
    }

    #[test]
    fn the_options_of_another_command_are_not_those_of_chat() {
        let help = [
            "usage: acme chat [--stream]",
            "       acme tool <skill> [--json] -- args",
        ];
        let of_chat = help.into_iter().filter(|line| has_word(line, "chat"));
        let options = ContractOptions::named_in(of_chat);
        assert!(options.stream && !options.json, "{options:?}");
    }

    #[test]
    fn a_companys_version_is_cut_to_what_can_be_shown() {
        assert_eq!(
            own_version(" acme-codex\u{1b}[1m 2.0 é\n"),
            "acme-codex[1m 2.0 "
        );
        assert_eq!(own_version(&"x".repeat(1000)).len(), MAX_VERSION_CHARS);
    }
}

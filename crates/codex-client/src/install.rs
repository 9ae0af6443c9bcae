//! Which Codex CLI is used: the native program, found and asked for its version once.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::{CommandSpec, Deadline, Limits, Line, PrivateDirectory, Stdin};
use thiserror::Error;
use tokio_util::task::TaskTracker;

use crate::confinement::SandboxSettings;

/// The version in `codex/package.json`, which everything here was checked against.
pub const PINNED_VERSION: &str = "0.169.0";

/// A CLI that does not print its version within this time is not one.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);
const KILL_GRACE: Duration = Duration::from_secs(1);
const MAX_VERSION_LINE_BYTES: usize = 4096;

/// A Codex CLI that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Absolute path of the native program.
    pub program: PathBuf,
    pub version: String,
}

impl Installation {
    pub fn is_pinned(&self) -> bool {
        self.version == PINNED_VERSION
    }

    /// Asks `program` for its version, in a sandbox if one is given: then the answer is also the proof
    /// that the sandbox can be made here, and that the program runs in it. `meeting_dir` is a directory
    /// that no other user can enter.
    pub async fn probe(
        program: PathBuf,
        sandbox: Option<(&SandboxSettings, &Path)>,
        tracker: &TaskTracker,
    ) -> Result<Self, InstallError> {
        let sandbox = sandbox.map(|(settings, meeting_dir)| {
            let private = PrivateDirectory {
                path: PathBuf::from("/home"),
                directories: Vec::new(),
                files: Vec::new(),
                size_bytes: settings.scratch_bytes,
            };
            settings.sandbox(private, meeting_dir.to_owned(), None)
        });
        let spec = CommandSpec {
            program: program.clone(),
            args: vec!["--version".into()],
            env: BTreeMap::from([("HOME".into(), "/nonexistent".into())]),
            current_dir: "/".into(),
            stdin: Stdin::Null,
            sandbox: sandbox.unwrap_or_default(),
        };
        let limits = Limits {
            max_line_bytes: MAX_VERSION_LINE_BYTES,
            kill_grace: KILL_GRACE,
        };
        let deadline = Deadline::after(VERSION_TIMEOUT);
        let mut child = runner::spawn(spec, limits, Some(deadline), tracker)?;
        if let Some(bridge) = child.bridge.take() {
            bridge.open().await?;
        }
        let mut version = None;
        while let Some(line) = child.stdout.next().await {
            if let (None, Line::Text(bytes)) = (&version, line) {
                version = parse_version(&bytes);
            }
        }
        child.handle.exited().await;
        let version = version.ok_or(InstallError::NotCodex {
            program: program.clone(),
        })?;
        Ok(Self { program, version })
    }
}

#[derive(Debug, Error)]
pub enum InstallError {
    #[error(
        "no Codex CLI was found: run `make codex` (it installs the pinned one), or name a program in CODEX_BIN"
    )]
    NotFound,
    #[error(
        "{} did not answer `--version` as the Codex CLI does (`codex-cli 0.0.0`): set CODEX_BIN to the Codex program",
        program.display()
    )]
    NotCodex { program: PathBuf },
    #[error(transparent)]
    Sandbox(#[from] runner::SandboxError),
    #[error(transparent)]
    Spawn(#[from] runner::SpawnError),
}

/// Finds the program: `configured` if there is one, else the package in one of `roots` (directories
/// that may hold `codex/node_modules`), else `codex` in a directory of `search_path`.
///
/// The native program is preferred to the package's Node launcher, which costs 70 ms a start and
/// leaves Codex behind when it is killed.
pub fn locate(
    configured: Option<&Path>,
    roots: &[PathBuf],
    search_path: &OsStr,
) -> Result<PathBuf, InstallError> {
    if let Some(program) = configured {
        return Ok(native(program));
    }
    let installed = roots
        .iter()
        .map(|root| root.join("codex/node_modules/@openai/codex/bin/codex.js"))
        .find(|launcher| launcher.is_file());
    let on_path = || {
        std::env::split_paths(search_path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("codex"))
            .find(|program| program.is_file())
    };
    installed
        .or_else(on_path)
        .map(|program| native(&program))
        .ok_or(InstallError::NotFound)
}

/// The bubblewrap to use: `configured` if there is one, else the one in the package of `program`, else
/// `bwrap` in a directory of `search_path`.
pub fn locate_bubblewrap(
    configured: Option<&Path>,
    program: &Path,
    search_path: &OsStr,
) -> Option<PathBuf> {
    if let Some(bubblewrap) = configured {
        return Some(bubblewrap.to_owned());
    }
    let package = program.ancestors().nth(2);
    let packaged = package.map(|package| package.join("codex-resources/bwrap"));
    let directories = std::env::split_paths(search_path).filter(|path| path.is_absolute());
    let mut candidates = packaged
        .into_iter()
        .chain(directories.map(|directory| directory.join("bwrap")));
    candidates.find(|candidate| candidate.is_file())
}

/// The native program behind the package's launcher; any other program as it is.
fn native(program: &Path) -> PathBuf {
    let resolved = program
        .canonicalize()
        .unwrap_or_else(|_| program.to_owned());
    if resolved.file_name() != Some(OsStr::new("codex.js")) {
        return resolved;
    }
    native_of_launcher(&resolved).unwrap_or(resolved)
}

/// `…/@openai/codex/bin/codex.js` → `…/@openai/codex-linux-ARCH/vendor/TARGET/bin/codex`.
fn native_of_launcher(launcher: &Path) -> Option<PathBuf> {
    let (architecture, target) = match std::env::consts::ARCH {
        "x86_64" => ("x64", "x86_64-unknown-linux-musl"),
        "aarch64" => ("arm64", "aarch64-unknown-linux-musl"),
        _ => return None,
    };
    let scope = launcher.ancestors().nth(3)?;
    let native = scope.join(format!(
        "codex-linux-{architecture}/vendor/{target}/bin/codex"
    ));
    native.is_file().then_some(native)
}

/// `codex-cli 0.169.0` → `0.169.0`.
fn parse_version(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let version = line.trim().strip_prefix("codex-cli ")?;
    let plausible = version
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
    (plausible && !version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_clis_own_line_only() {
        assert_eq!(
            parse_version(b"codex-cli 0.169.0\n").as_deref(),
            Some("0.169.0")
        );
        assert_eq!(
            parse_version(b"codex-cli 0.170.0-alpha.1").as_deref(),
            Some("0.170.0-alpha.1")
        );
        assert_eq!(parse_version(b"bash 5.2"), None);
        assert_eq!(parse_version(b"codex-cli <script>"), None);
        assert_eq!(parse_version(b"codex-cli \xff"), None);
    }

    #[test]
    fn the_native_program_is_found_behind_the_launcher() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let scope = root.join("codex/node_modules/@openai");
        let launcher = scope.join("codex/bin/codex.js");
        let (arch, target) = match std::env::consts::ARCH {
            "aarch64" => ("arm64", "aarch64-unknown-linux-musl"),
            _ => ("x64", "x86_64-unknown-linux-musl"),
        };
        let program = scope.join(format!("codex-linux-{arch}/vendor/{target}/bin/codex"));
        for file in [&launcher, &program] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let roots = [root.join("absent"), root.clone()];
        assert_eq!(locate(None, &roots, OsStr::new("")).unwrap(), program);

        let directory = root.join("bin");
        std::fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink(&launcher, directory.join("codex")).unwrap();
        assert_eq!(locate(None, &[], directory.as_os_str()).unwrap(), program);
    }

    #[test]
    fn a_relative_directory_of_the_path_is_not_searched() {
        assert!(matches!(
            locate(None, &[], OsStr::new(".:codex")),
            Err(InstallError::NotFound)
        ));
    }
}

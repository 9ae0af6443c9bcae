//! Which Codex CLI a test runs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The pinned CLI. A test without it proves nothing, so it fails.
pub(crate) fn real() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    codex_client::locate(None, &[workspace], OsStr::new(""))
        .expect("the pinned Codex CLI is not installed: run `make codex`")
}

/// The example of a company's own CLI. It needs Node, as the pinned CLI's package does.
pub(crate) fn company() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/company-cli/bin/codex.js")
}

/// A directory on the file system of what cargo has built, so that [`fake`] can link it.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The bubblewrap in the pinned CLI's package.
pub(crate) fn bubblewrap() -> PathBuf {
    let packaged = codex_client::packaged_bubblewrap(&real(), &[]);
    runner::find_bubblewrap(None, packaged, OsStr::new(""))
        .expect("the pinned Codex CLI has no bubblewrap: run `make codex`")
}

/// The fake CLI in `directory`, set up by `startup` (the keys of `fake-codex.toml`). A hard link where
/// the file system allows it: the gateway resolves symbolic ones, and the fake looks for its set-up
/// beside itself, in a package, so that a sandbox shows both; a copy cannot be run while a child that was forked meanwhile has it open for writing.
pub(crate) fn fake(directory: &Path, startup: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("fake-codex");
    assert!(
        built.is_file(),
        "{} is not built: run `cargo build -p fake-codex`, or `make test`",
        built.display()
    );
    let program = directory.join("codex");
    if fs::hard_link(&built, &program).is_err() {
        fs::copy(&built, &program).unwrap();
    }
    fs::write(directory.join("fake-codex.toml"), startup).unwrap();
    fs::write(directory.join("package.json"), "{}").unwrap();
    program
}

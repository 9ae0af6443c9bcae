//! Which Codex CLI a test runs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The pinned CLI. A test without it proves nothing, so it fails.
pub(crate) fn real() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    codex_client::locate(None, &[workspace], OsStr::new(""))
        .expect("the pinned Codex CLI is not installed: run `make codex`")
}

/// The fake CLI in a directory of its own, set up by `startup` (the keys of `fake-codex.toml`).
pub(crate) fn fake(directory: &Path, startup: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("fake-codex");
    assert!(
        built.is_file(),
        "{} is not built: run `cargo build -p fake-codex`, or `make test`",
        built.display()
    );
    let program = directory.join("codex");
    // A copy: the gateway resolves links, and the fake looks for its set-up beside itself.
    if fs::hard_link(&built, &program).is_err() {
        fs::copy(&built, &program).unwrap();
    }
    fs::write(directory.join("fake-codex.toml"), startup).unwrap();
    program
}

//! The toolchains of this machine that suites of tests are run with.

use std::path::{Path, PathBuf};

use crate::support::skilled::repository;

/// As the setting has them.
pub(crate) fn toolchain_paths() -> String {
    let paths = toolchains();
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(",")
}

/// The same, if pytest is among them.
pub(crate) fn with_pytest() -> Option<String> {
    python().map(|_| toolchain_paths())
}

/// Where cargo runs these tests from, and Python with pytest if `make test` has installed it.
fn toolchains() -> Vec<PathBuf> {
    let cargo = Path::new(env!("CARGO")).canonicalize().unwrap();
    let mut toolchains = vec![cargo.ancestors().nth(2).unwrap().to_owned()];
    if let Some(python) = python() {
        let base = python.join("bin/python3").canonicalize().unwrap();
        toolchains.insert(0, python);
        toolchains.extend(base.ancestors().nth(2).map(Path::to_owned));
    }
    toolchains
}

pub(crate) fn python() -> Option<PathBuf> {
    let python = repository().join("target/tools/pytest");
    python.join("bin/pytest").is_file().then_some(python)
}

/// Says what was left out, and fails where the tests must be complete.
pub(crate) fn skipped(what: &str) {
    eprintln!("skipped: {what}");
    #[expect(
        clippy::disallowed_methods,
        reason = "how a test knows that it is the gate's"
    )]
    let must_be = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!must_be, "{what}");
}

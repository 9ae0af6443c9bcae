use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runner::{DirectoryKind, OwnedDirectory};

/// The variable that names a run's directory to its processes; without a sandbox they are found by it.
pub(super) const VARIABLE: &str = "TMPDIR";

const TEMPORARY: &str = "tmp";

/// Every directory of a run.
pub(super) const RUN_DIRECTORIES: DirectoryKind = DirectoryKind {
    prefix: "run-",
    variable: VARIABLE,
    variable_names: Some(TEMPORARY),
};

/// A directory of one run of a skill on the host: where it keeps its files without a sandbox, and where
/// a copy of its workspace lies. Removed with the run.
#[derive(Debug)]
pub(super) struct RunDirectory(OwnedDirectory);

impl RunDirectory {
    /// Blocks.
    pub(super) fn create(parent: &Path) -> io::Result<Self> {
        let directory = Self(RUN_DIRECTORIES.create(parent)?);
        fs::create_dir(directory.home())?;
        fs::create_dir(directory.temporary())?;
        Ok(directory)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.0.path().join(TEMPORARY)
    }

    /// Where a copy of the workspace is made.
    pub(super) fn copy(&self) -> PathBuf {
        self.0.path().join("workspace")
    }
}

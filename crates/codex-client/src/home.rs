use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use runner::{DirectoryKind, OwnedDirectory};

/// Every home of a Codex process.
pub(crate) const HOMES: DirectoryKind = DirectoryKind {
    prefix: "portcullis-codex-",
    variable: "CODEX_HOME",
    variable_names: None,
};

/// A process's private `CODEX_HOME`: made for it, removed with it.
#[derive(Debug)]
pub(crate) struct Home {
    directory: OwnedDirectory,
    files: Vec<PathBuf>,
}

impl Home {
    pub(crate) fn create(state_dir: &Path) -> io::Result<Self> {
        let home = Self {
            directory: HOMES.create(state_dir)?,
            files: Vec::new(),
        };
        fs::create_dir(home.working_dir())?;
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file that the process will find in its home, and gives its path.
    pub(crate) fn add_file(&mut self, name: &str, content: &str) -> io::Result<PathBuf> {
        let file = self.path().join(name);
        let mut created = File::create_new(&file)?;
        created.write_all(content.as_bytes())?;
        // Whatever the umask is: in a sandbox it may be another user's to read. Nobody else can enter.
        created.set_permissions(Permissions::from_mode(0o644))?;
        self.files.push(file.clone());
        Ok(file)
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// An empty directory: where the process and its threads stand.
    pub(crate) fn working_dir(&self) -> PathBuf {
        self.path().join("work")
    }
}

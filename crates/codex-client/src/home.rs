use std::fs::{self, DirEntry, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// The names of all homes begin with this, so that the next start recognises those of an earlier run.
const PREFIX: &str = "portcullis-codex-";

/// Precedes [`PREFIX`] in the name until the home is locked.
const UNNAMED: &str = ".new-";

/// A home that still has its first name after this time belongs to no running gateway: it is renamed
/// within milliseconds.
const UNNAMED_AGE: Duration = Duration::from_mins(1);

/// The private `CODEX_HOME` of one process. Dropping it removes the directory.
///
/// This process holds a file lock on it. So the next start can tell a home that an earlier run has left
/// behind from one that another running gateway uses.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    files: Vec<PathBuf>,
    _lock: File,
}

impl Home {
    pub(crate) fn create(state_dir: &Path) -> io::Result<Self> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{PREFIX}{:016x}", u64::from_le_bytes(random));
        let path = state_dir.join(&name);
        // It is renamed only when it is locked: another gateway that starts at this moment must not
        // remove it as left behind.
        let unnamed = state_dir.join(format!("{UNNAMED}{name}"));
        fs::create_dir_all(state_dir)?;
        fs::create_dir(&unnamed)?;
        fs::set_permissions(&unnamed, Permissions::from_mode(0o700))?;
        let lock = lock(&unnamed)?;
        fs::rename(&unnamed, &path)?;
        let home = Self {
            path,
            files: Vec::new(),
            _lock: lock,
        };
        fs::create_dir(home.working_dir())?;
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into the home, and returns its path.
    pub(crate) fn add_file(&mut self, name: &str, content: &str) -> io::Result<PathBuf> {
        let file = self.path.join(name);
        let mut created = File::create_new(&file)?;
        created.write_all(content.as_bytes())?;
        // Whatever the umask is: in a sandbox, another user reads it. Nobody else can enter the home.
        created.set_permissions(Permissions::from_mode(0o644))?;
        self.files.push(file.clone());
        Ok(file)
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The working directory of the process and its threads. It is empty.
    pub(crate) fn working_dir(&self) -> PathBuf {
        self.path.join("work")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "a CODEX_HOME could not be removed; the next start will try again");
        }
    }
}

fn lock(home: &Path) -> io::Result<File> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(home.join(".lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(lock)
}

/// Ends the processes and removes the homes of an earlier run that was killed. Returns the number of homes.
pub(crate) fn remove_left_behind(state_dir: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(state_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if !is_home(&entry) {
            continue;
        }
        // The lock fails if another gateway on this machine uses the home, or if it is another user's.
        if lock(&entry.path()).is_err() {
            continue;
        }
        let alive = runner::end_left_behind("CODEX_HOME", &entry.path())?;
        if alive > 0 {
            tracing::error!(alive, "processes of an earlier run cannot be ended");
        }
        if fs::remove_dir_all(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether the entry is a home, and not one that another gateway is creating at this moment.
fn is_home(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let Some(name) = name.to_str() else {
        return false;
    };
    let Ok(metadata) = entry.metadata() else {
        return false;
    };
    let is_old = || {
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age > UNNAMED_AGE)
    };
    let is_named = name.starts_with(PREFIX);
    let was_never_named = || {
        name.strip_prefix(UNNAMED)
            .is_some_and(|rest| rest.starts_with(PREFIX))
    };
    metadata.is_dir() && (is_named || was_never_named() && is_old())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_home_in_use_is_kept_and_one_left_behind_is_removed() {
        let state_dir = tempfile::tempdir().unwrap();
        let mut used = Home::create(state_dir.path()).unwrap();
        used.add_file("config.toml", "").unwrap();
        let left = Home::create(state_dir.path()).unwrap();
        let left_path = left.path().to_owned();
        let Home { _lock: lock, .. } = &left;
        flock(lock, FlockOperation::Unlock).unwrap();
        std::mem::forget(left);
        fs::create_dir(state_dir.path().join("somebody-else")).unwrap();

        assert_eq!(remove_left_behind(state_dir.path()).unwrap(), 1);

        assert!(!left_path.exists());
        assert!(used.path().join("config.toml").exists());
        assert!(state_dir.path().join("somebody-else").exists());
        let mode = fs::metadata(used.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    /// Killed between the making of the directory and its naming.
    #[test]
    fn a_home_that_never_got_its_name_is_removed_once_it_is_old() {
        let state_dir = tempfile::tempdir().unwrap();
        let old = state_dir.path().join(".new-portcullis-codex-1");
        let new = state_dir.path().join(".new-portcullis-codex-2");
        for unnamed in [&old, &new] {
            fs::create_dir(unnamed).unwrap();
        }
        let hour_ago = SystemTime::now() - Duration::from_hours(1);
        File::open(&old).unwrap().set_modified(hour_ago).unwrap();

        assert_eq!(remove_left_behind(state_dir.path()).unwrap(), 1);

        assert!(!old.exists());
        assert!(new.exists(), "a neighbour may be making it just now");
    }

    #[test]
    fn a_home_goes_with_its_owner() {
        let state_dir = tempfile::tempdir().unwrap();
        let home = Home::create(state_dir.path()).unwrap();
        let path = home.path().to_owned();
        drop(home);
        assert!(!path.exists());
    }
}

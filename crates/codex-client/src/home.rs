use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Beginning of the name of every home, by which an earlier run's are recognised.
const PREFIX: &str = "portcullis-codex-";

/// A worker's private `CODEX_HOME`: made for one process, removed with it.
///
/// It is held by a file lock for as long as this process lives, so that the next start can tell a
/// home that an earlier run left behind from one that a neighbour uses.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

impl Home {
    pub(crate) fn create(state_dir: &Path, config_toml: &str) -> io::Result<Self> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{PREFIX}{:016x}", u64::from_le_bytes(random));
        let path = state_dir.join(&name);
        // It gets its name only when it is locked: a neighbour that starts just now must not take
        // it for one that was left behind.
        let unnamed = state_dir.join(format!(".new-{name}"));
        fs::create_dir_all(state_dir)?;
        fs::create_dir(&unnamed)?;
        fs::set_permissions(&unnamed, Permissions::from_mode(0o700))?;
        let lock = lock(&unnamed)?;
        fs::rename(&unnamed, &path)?;
        let home = Self { path, _lock: lock };
        fs::create_dir(home.working_dir())?;
        File::create_new(home.path.join("config.toml"))?.write_all(config_toml.as_bytes())?;
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty directory: where the process and its threads stand.
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

/// Removes the homes that an earlier run left when it was killed. Returns how many.
pub(crate) fn remove_left_behind(state_dir: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(state_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let is_home = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if !is_home || !entry.file_type()?.is_dir() {
            continue;
        }
        // Locked: another gateway on this machine is using it. Not ours to open: another user's.
        if lock(&entry.path()).is_ok() && fs::remove_dir_all(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_in_use_is_kept_and_one_left_behind_is_removed() {
        let state_dir = tempfile::tempdir().unwrap();
        let used = Home::create(state_dir.path(), "model = \"x\"\n").unwrap();
        let left = Home::create(state_dir.path(), "").unwrap();
        let left_path = left.path().to_owned();
        let Home {
            path: _,
            _lock: lock,
        } = &left;
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

    #[test]
    fn a_home_goes_with_its_owner() {
        let state_dir = tempfile::tempdir().unwrap();
        let home = Home::create(state_dir.path(), "").unwrap();
        let path = home.path().to_owned();
        drop(home);
        assert!(!path.exists());
    }
}

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Beginning of the name of every directory of a run, by which an earlier gateway's are recognised.
const PREFIX: &str = "run-";

/// The variable that names a run's directory to its processes; without a sandbox they are found by it.
pub(super) const VARIABLE: &str = "TMPDIR";

/// A directory of one run of a skill on the host: where it keeps its files without a sandbox, and where
/// a copy of its workspace lies. Removed with the run.
///
/// A lock beside it, held for as long as this process lives, tells a neighbour's from one that was left
/// behind.
#[derive(Debug)]
pub(super) struct RunDirectory {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl RunDirectory {
    /// Blocks.
    pub(super) fn create(base: &Path) -> io::Result<Self> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{PREFIX}{:016x}", u64::from_le_bytes(random));
        fs::create_dir_all(base)?;
        fs::set_permissions(base, Permissions::from_mode(0o700))?;
        // The lock first: a directory without a lock that is held belongs to nobody.
        let lock_path = base.join(format!("{name}.lock"));
        let lock = lock(&lock_path)?;
        let directory = Self {
            path: base.join(name),
            lock_path,
            _lock: lock,
        };
        for path in [
            directory.path.clone(),
            directory.home(),
            directory.temporary(),
        ] {
            fs::create_dir(path)?;
        }
        Ok(directory)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Where a copy of the workspace is made.
    pub(super) fn copy(&self) -> PathBuf {
        self.path.join("workspace")
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "a skill's directory could not be removed; the next start will try again");
            return;
        }
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Ends the processes and removes the directories that an earlier gateway left when it was killed.
/// Returns how many directories. Blocks; for the start.
pub(super) fn remove_left_behind(base: &Path) -> io::Result<usize> {
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let lock_path = entry?.path();
        let name = lock_path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.and_then(|name| name.strip_suffix(".lock")) else {
            continue;
        };
        let directory = base.join(name);
        // Locked: another gateway on this machine is using it.
        let Ok(_held) = lock(&lock_path) else {
            continue;
        };
        let alive = runner::end_left_behind(VARIABLE, &directory.join("tmp"))?;
        if alive > 0 {
            tracing::error!(alive, "processes of an earlier run cannot be ended");
        }
        if remove(&directory).is_ok() && fs::remove_file(&lock_path).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

fn lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let lock = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(lock)
}

/// A program may have taken the right to write from its own directories (Go's module cache does).
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn make_writable(directory: &Path) {
    let _ = fs::set_permissions(directory, Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_goes_with_its_run_and_one_left_behind_at_the_next_start() {
        let base = tempfile::tempdir().unwrap();
        let used = RunDirectory::create(base.path()).unwrap();
        let left = RunDirectory::create(base.path()).unwrap();
        fs::create_dir(left.copy()).unwrap();
        fs::set_permissions(left.copy(), Permissions::from_mode(0o500)).unwrap();
        let left_path = left.path.clone();
        let RunDirectory { _lock: lock, .. } = &left;
        flock(lock, FlockOperation::Unlock).unwrap();
        std::mem::forget(left);

        assert_eq!(remove_left_behind(base.path()).unwrap(), 1);
        assert!(!left_path.exists());
        assert!(used.home().is_dir());
        drop(used);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }
}

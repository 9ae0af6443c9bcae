//! Private directories of processes: made for one, removed with it, and recognised by the next start if this
//! process is killed.

use std::fs::{self, DirEntry, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::reap::descendants::end_left_behind;

/// Stands before a directory's name until it is locked.
const UNNAMED: &str = ".new-";

/// A directory without its name that is older than this belongs to nobody: it gets its name within
/// milliseconds.
const UNNAMED_AGE: Duration = Duration::from_mins(1);

/// What the directories of one use have in common.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryKind {
    /// The beginning of their names, by which an earlier run's are recognised.
    pub prefix: &'static str,
    /// The environment variable by which processes that use one are found.
    pub variable: &'static str,
    /// What of the directory the variable names; `None` for the directory itself.
    pub variable_names: Option<&'static str>,
}

/// A directory that nobody else may enter, removed when this is dropped.
///
/// A file lock is held for as long as this process lives. It tells a neighbour's directory from one that was
/// left behind.
#[derive(Debug)]
pub struct OwnedDirectory {
    path: PathBuf,
    _lock: File,
}

impl DirectoryKind {
    /// Makes a directory in `parent`, which is made too if it is not there. Blocks.
    pub fn create(&self, parent: &Path) -> io::Result<OwnedDirectory> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{}{:016x}", self.prefix, u64::from_le_bytes(random));
        let path = parent.join(&name);
        // It gets its name only when it is locked: a neighbour that starts just now must not take it for
        // one that was left behind.
        let unnamed = parent.join(format!("{UNNAMED}{name}"));
        fs::create_dir_all(parent)?;
        fs::create_dir(&unnamed)?;
        fs::set_permissions(&unnamed, Permissions::from_mode(0o700))?;
        let lock = lock(&unnamed)?;
        fs::rename(&unnamed, &path)?;
        Ok(OwnedDirectory { path, _lock: lock })
    }

    /// Ends the processes and removes the directories that an earlier run left when it was killed. Returns
    /// how many directories. Blocks; for the start.
    pub fn remove_left_behind(&self, parent: &Path) -> io::Result<usize> {
        let entries = match fs::read_dir(parent) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            if !self.is_of_this_kind(&entry) {
                continue;
            }
            let directory = entry.path();
            // Locked: another gateway on this machine is using it. Not ours to open: another user's.
            let Ok(_lock) = lock(&directory) else {
                continue;
            };
            let named = self.variable_names.map(|name| directory.join(name));
            let named = named.as_ref().unwrap_or(&directory);
            let alive = end_left_behind(self.variable, named)?;
            if alive > 0 {
                tracing::error!(alive, "processes of an earlier run cannot be ended");
            }
            removed += usize::from(remove(&directory).is_ok());
        }
        Ok(removed)
    }

    /// Whether it is such a directory, and not one that a neighbour is just making. One that vanishes
    /// meanwhile is none any more.
    fn is_of_this_kind(&self, entry: &DirEntry) -> bool {
        let name = entry.file_name();
        let (Some(name), Ok(metadata)) = (name.to_str(), entry.metadata()) else {
            return false;
        };
        let is_old = || {
            let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
            age.is_some_and(|age| age > UNNAMED_AGE)
        };
        let was_never_named = || {
            let rest = name.strip_prefix(UNNAMED);
            rest.is_some_and(|rest| rest.starts_with(self.prefix))
        };
        metadata.is_dir() && (name.starts_with(self.prefix) || was_never_named() && is_old())
    }
}

impl OwnedDirectory {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OwnedDirectory {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "a process's directory could not be removed; the next start will try again");
        }
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let mut options = File::options();
    let options = options.create(true).truncate(false).write(true);
    let lock = options.open(directory.join(".lock"))?;
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
    use std::time::SystemTime;

    use super::*;

    const KIND: DirectoryKind = DirectoryKind {
        prefix: "run-",
        variable: "PORTCULLIS_TEST_DIRECTORY",
        variable_names: None,
    };

    #[test]
    fn one_in_use_is_kept_and_one_left_behind_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let used = KIND.create(parent.path()).unwrap();
        let left = KIND.create(parent.path()).unwrap();
        let left_path = left.path().to_owned();
        fs::create_dir(left_path.join("read-only")).unwrap();
        fs::set_permissions(left_path.join("read-only"), Permissions::from_mode(0o500)).unwrap();
        let OwnedDirectory { _lock: lock, .. } = &left;
        flock(lock, FlockOperation::Unlock).unwrap();
        std::mem::forget(left);
        fs::create_dir(parent.path().join("somebody-else")).unwrap();

        assert_eq!(KIND.remove_left_behind(parent.path()).unwrap(), 1);

        assert!(!left_path.exists());
        assert!(parent.path().join("somebody-else").exists());
        let mode = fs::metadata(used.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let used_path = used.path().to_owned();
        drop(used);
        assert!(!used_path.exists());
    }

    /// Killed between the making of the directory and its naming.
    #[test]
    fn one_that_never_got_its_name_is_removed_once_it_is_old() {
        let parent = tempfile::tempdir().unwrap();
        let old = parent.path().join(".new-run-1");
        let new = parent.path().join(".new-run-2");
        for unnamed in [&old, &new] {
            fs::create_dir(unnamed).unwrap();
        }
        let hour_ago = SystemTime::now() - Duration::from_hours(1);
        File::open(&old).unwrap().set_modified(hour_ago).unwrap();

        assert_eq!(KIND.remove_left_behind(parent.path()).unwrap(), 1);

        assert!(!old.exists());
        assert!(new.exists(), "a neighbour may be making it just now");
    }
}

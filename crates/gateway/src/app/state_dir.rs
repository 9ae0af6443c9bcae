use std::path::{Path, PathBuf};

/// Memory-backed on every Linux that has it: a process that writes 60 small files at its start does
/// so 250 ms faster there.
const MEMORY_BACKED: &str = "/dev/shm";

/// Where the private directories of Codex processes are made: as configured, else in memory, else in
/// the data directory. The name holds the user's id, so that two users' gateways do not meet.
pub(crate) fn choose(configured: Option<&Path>, data_dir: &Path) -> PathBuf {
    if let Some(path) = configured {
        return path.to_owned();
    }
    let in_memory = in_memory();
    match private_dir(&in_memory) {
        Ok(()) => in_memory,
        Err(_) => data_dir.join("codex-state"),
    }
}

/// Where they are if nothing else is configured and it can be.
pub(crate) fn in_memory() -> PathBuf {
    Path::new(MEMORY_BACKED).join(format!("portcullis-{}", rustix::process::getuid().as_raw()))
}

/// Makes `path` a directory that only this user can enter, or fails if it is anything else already.
fn private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    const OWNER_ONLY: u32 = 0o700;
    match std::fs::DirBuilder::new().mode(OWNER_ONLY).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(path)?;
    let private = found.is_dir()
        && found.uid() == rustix::process::getuid().as_raw()
        && found.mode() & 0o777 == OWNER_ONLY;
    if private {
        Ok(())
    } else {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
}

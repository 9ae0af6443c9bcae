//! A private copy of a workspace, for where an overlay cannot be made.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::ioctl_ficlone;
use thiserror::Error;

/// What a copy may cost. A workspace that is larger needs an overlay.
const MAX_FILES: u64 = 200_000;
const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// A tree that is deeper than this was made to be.
const MAX_DEPTH: usize = 128;

#[derive(Debug, Error)]
pub(super) enum CopyError {
    #[error(
        "the workspace has more than {MAX_FILES} files or {MAX_BYTES} bytes, which is too much to copy"
    )]
    TooLarge,
    #[error("the workspace has more than {MAX_DEPTH} directories in one another")]
    TooDeep,
    #[error("the workspace holds a socket, a pipe or a device, which cannot be copied")]
    Special,
    #[error("the workspace changed or cannot be read while it was copied: {0}")]
    Io(#[from] io::Error),
}

/// Copies `source` to `target`, which must not exist yet: files by reflink where the file system can,
/// links as links and never followed, nothing left out but the `hidden` directories of the gateway.
///
/// Blocks.
pub(super) fn copy(source: &Path, target: &Path, hidden: &[PathBuf]) -> Result<(), CopyError> {
    let mut copy = Copy {
        hidden,
        files: 0,
        bytes: 0,
    };
    copy.directory(source, target, 0)
}

struct Copy<'copy> {
    hidden: &'copy [PathBuf],
    files: u64,
    bytes: u64,
}

impl Copy<'_> {
    fn directory(&mut self, source: &Path, target: &Path, depth: usize) -> Result<(), CopyError> {
        if depth > MAX_DEPTH {
            return Err(CopyError::TooDeep);
        }
        fs::create_dir(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            let (from, to) = (entry.path(), target.join(entry.file_name()));
            if self.hidden.contains(&from) {
                continue;
            }
            self.count(0)?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.directory(&from, &to, depth + 1)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(&from)?, &to)?;
            } else if kind.is_file() {
                self.file(&from, &to)?;
            } else {
                return Err(CopyError::Special);
            }
        }
        let mode = fs::symlink_metadata(source)?.permissions().mode();
        // The owner, who runs the skill, writes to a copy.
        fs::set_permissions(target, Permissions::from_mode(mode & 0o777 | 0o700))?;
        Ok(())
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<(), CopyError> {
        use std::os::unix::fs::OpenOptionsExt as _;

        // Between the look and this it may have become a link or a pipe.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let mut source = File::options().read(true).custom_flags(flags).open(from)?;
        let metadata = source.metadata()?;
        if !metadata.is_file() {
            return Err(CopyError::Special);
        }
        self.count(metadata.len())?;
        let mut target = File::create_new(to)?;
        if ioctl_ficlone(&target, &source).is_err() {
            let limit = MAX_BYTES - (self.bytes - metadata.len());
            let copied = io::copy(&mut io::Read::take(&mut source, limit), &mut target)?;
            self.count(copied.saturating_sub(metadata.len()))?;
        }
        let mode = metadata.permissions().mode() & 0o777 | 0o600;
        target.set_permissions(Permissions::from_mode(mode))?;
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<(), CopyError> {
        self.files += u64::from(bytes == 0);
        self.bytes += bytes;
        if self.files > MAX_FILES || self.bytes > MAX_BYTES {
            return Err(CopyError::TooLarge);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_copied_as_links_and_modes_survive() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let source = tempfile::tempdir().unwrap();
        let target = tempfile::tempdir().unwrap();
        let (source, target) = (source.path(), target.path().join("copy"));
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::create_dir(source.join("data")).unwrap();
        fs::write(source.join("a/b/script"), "#!/bin/sh\n").unwrap();
        let executable = Permissions::from_mode(0o555);
        fs::set_permissions(source.join("a/b/script"), executable).unwrap();
        symlink(outside.path(), source.join("out")).unwrap();
        symlink("nowhere", source.join("dangling")).unwrap();

        copy(source, &target, &[source.join("data")]).unwrap();

        let script = target.join("a/b/script");
        assert_eq!(fs::read_to_string(&script).unwrap(), "#!/bin/sh\n");
        let mode = fs::metadata(&script).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_link(target.join("out")).unwrap(), outside.path());
        assert_eq!(
            fs::read_link(target.join("dangling")).unwrap(),
            Path::new("nowhere")
        );
        assert!(!target.join("data").exists());
    }

    #[test]
    fn what_cannot_be_copied_is_not_left_out() {
        let source = tempfile::tempdir().unwrap();
        let target = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(source.path().join("s")).unwrap();
        let error = copy(source.path(), &target.path().join("copy"), &[]).unwrap_err();
        assert!(matches!(error, CopyError::Special));
    }
}

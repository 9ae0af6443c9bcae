//! A private copy of a workspace, for where an overlay cannot be made.
//!
//! Somebody may change the workspace while it is copied. So the walk goes from descriptor to descriptor,
//! one name at a time, and follows no link: what was a directory when it was listed and has become a
//! link since leads nowhere.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use runner::ProgramUser;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fchown, ioctl_ficlone, mkdirat,
    openat, openat2, readlinkat, statat, symlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// What a copy may cost. A workspace that is larger needs an overlay.
const MAX_FILES: u64 = 200_000;
const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// A tree that is deeper than this was made to be. Each level holds two descriptors.
const MAX_DEPTH: usize = 64;

/// How often a file, and the workspace, is copied until it does not change meanwhile.
const ATTEMPTS: u32 = 4;

/// The pause behind the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// Times of files are told in steps of a few milliseconds. One that was changed so short a while before it
/// was read may have been changed again, without a trace.
const STEP: Duration = Duration::from_millis(20);

/// What is copied between two looks at whether the copy is still wanted.
const CHUNK_BYTES: u64 = 8 * 1024 * 1024;

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
    #[error("nobody waits for the copy any more")]
    Abandoned,
    #[error("the workspace changed while it was copied, {ATTEMPTS} times")]
    Changed,
    #[error("the workspace cannot be copied: {0}")]
    Io(io::Error),
}

impl From<Errno> for CopyError {
    /// What was there when it was listed, and is not any more, or is something else.
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::EXIST => {
                Self::Changed
            }
            _ => Self::Io(error.into()),
        }
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or(Self::Io(error), Self::from)
    }
}

/// Copies `source` to `target`, which must not exist yet: files by reflink where the file system can,
/// links as links and never followed, nothing left out but the `hidden` directories of the gateway. The
/// copy is the `owner`'s. `abandoned` ends it early; what is there by then is the caller's to remove.
///
/// Each file is copied as it was at one moment, and every name as it stood in its directory when the copy
/// was complete. Where that cannot be had within a few attempts, there is no copy.
///
/// Blocks.
pub(super) fn copy(
    source: &Path,
    target: &Path,
    hidden: &[PathBuf],
    owner: ProgramUser,
    abandoned: &CancellationToken,
) -> Result<(), CopyError> {
    let owner = match owner {
        ProgramUser::Own => None,
        ProgramUser::Other(number) => Some((Uid::from_raw(number), Gid::from_raw(number))),
    };
    repeat(abandoned, || {
        let mut copy = Copy {
            owner,
            hidden: Hidden::below(source, hidden),
            abandoned,
            files: 0,
            bytes: 0,
            directories: Vec::new(),
        };
        let root = open_root(source)?;
        match fs::remove_dir_all(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir(target)?,
        }
        let target = openat(CWD, target, DIRECTORY, Mode::empty())?;
        copy.directory(root.try_clone()?, &target, Path::new(""), 0)?;
        copy.has_stood_still(&root)
    })
}

/// Makes further attempts as long as something changes.
fn repeat(
    abandoned: &CancellationToken,
    mut attempt: impl FnMut() -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(CopyError::Changed) => {}
            outcome => return outcome,
        }
        if abandoned.is_cancelled() {
            return Err(CopyError::Abandoned);
        }
        wait(pause);
        pause *= 2;
    }
    attempt()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a copy is made on a thread that may block"
)]
fn wait(duration: Duration) {
    thread::sleep(duration);
}

/// What shows that a file or a directory has changed.
#[derive(PartialEq, Eq)]
struct State {
    number: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            number: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Whether it was changed so lately that another change may leave no trace.
fn is_fresh(metadata: &fs::Metadata) -> bool {
    let age = metadata
        .modified()
        .map(|modified| SystemTime::now().duration_since(modified));
    // A time to come is no sign of anything.
    matches!(age, Ok(Ok(age)) if age < STEP)
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The root's path was without links when the gateway started, and must still be.
fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(CWD, path, DIRECTORY, Mode::empty(), resolve) {
        // Linux before 5.6, or a filter that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => openat(CWD, path, DIRECTORY, Mode::empty()),
        outcome => outcome,
    }
}

/// What is left out, by its place and by what it is: a directory that is moved while the copy is made
/// keeps its number.
struct Hidden {
    places: Vec<PathBuf>,
    numbers: Vec<(u64, u64)>,
}

impl Hidden {
    fn below(root: &Path, hidden: &[PathBuf]) -> Self {
        let place = |path: &PathBuf| path.strip_prefix(root).ok().map(Path::to_owned);
        let number = |path: &PathBuf| {
            let metadata = fs::symlink_metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        Self {
            places: hidden.iter().filter_map(place).collect(),
            numbers: hidden.iter().filter_map(number).collect(),
        }
    }

    fn has(&self, opened: &File, place: &Path) -> io::Result<bool> {
        let metadata = opened.metadata()?;
        let number = (metadata.dev(), metadata.ino());
        Ok(self.numbers.contains(&number) || self.places.iter().any(|hidden| hidden == place))
    }
}

struct Copy<'copy> {
    /// If it is not this process's user.
    owner: Option<(Uid, Gid)>,
    hidden: Hidden,
    abandoned: &'copy CancellationToken,
    files: u64,
    bytes: u64,
    /// Each with its place, as it was when it was listed.
    directories: Vec<(PathBuf, State)>,
}

impl Copy<'_> {
    /// Whether nothing was added, removed or renamed since the directories were listed.
    fn has_stood_still(&self, root: &OwnedFd) -> Result<(), CopyError> {
        for (place, state) in &self.directories {
            self.go_on()?;
            let place = if place.as_os_str().is_empty() {
                Path::new(".")
            } else {
                place
            };
            let now = File::from(openat(root, place, DIRECTORY, Mode::empty())?);
            if State::of(&now.metadata()?) != *state {
                return Err(CopyError::Changed);
            }
        }
        Ok(())
    }

    /// `place` is the directory's, from the root.
    fn directory(
        &mut self,
        source: OwnedFd,
        target: &OwnedFd,
        place: &Path,
        depth: usize,
    ) -> Result<(), CopyError> {
        if depth > MAX_DEPTH {
            return Err(CopyError::TooDeep);
        }
        let source = File::from(source);
        let metadata = source.metadata()?;
        if is_fresh(&metadata) {
            wait(STEP);
        }
        self.directories
            .push((place.to_owned(), State::of(&source.metadata()?)));
        for name in self.names(&source)? {
            self.go_on()?;
            let place = place.join(OsStr::from_bytes(name.to_bytes()));
            self.entry(source.as_fd(), target, &name, &place, depth)?;
        }
        let mode = metadata.permissions().mode();
        // The owner, who runs the skill, writes to a copy.
        rustix::fs::fchmod(target, Mode::from_raw_mode(mode & 0o777 | 0o700))?;
        self.give(target)
    }

    fn names(&mut self, directory: &File) -> Result<Vec<CString>, CopyError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.files += 1;
            if self.files > MAX_FILES {
                return Err(CopyError::TooLarge);
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }

    fn entry(
        &mut self,
        source: BorrowedFd<'_>,
        target: &OwnedFd,
        name: &CStr,
        place: &Path,
        depth: usize,
    ) -> Result<(), CopyError> {
        // Only how to open it: what it is, is what was opened.
        let look = statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(look.st_mode) {
            FileType::Symlink => {
                let destination = readlinkat(source, name, Vec::new())?;
                Ok(symlinkat(destination.as_c_str(), target, name)?)
            }
            FileType::Directory => {
                let opened = File::from(openat(source, name, DIRECTORY, Mode::empty())?);
                if self.hidden.has(&opened, place)? {
                    return Ok(());
                }
                mkdirat(target, name, Mode::RWXU)?;
                let made = openat(target, name, DIRECTORY, Mode::empty())?;
                self.directory(opened.into(), &made, place, depth + 1)
            }
            FileType::RegularFile => {
                // It may have become a link or a pipe.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let opened = File::from(openat(source, name, flags, Mode::empty())?);
                if self.hidden.has(&opened, place)? {
                    return Ok(());
                }
                self.file(&opened, target, name)
            }
            _ => Err(CopyError::Special),
        }
    }

    fn file(&mut self, source: &File, target: &OwnedFd, name: &CStr) -> Result<(), CopyError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let target = File::from(openat(target, name, flags, Mode::RUSR | Mode::WUSR)?);
        let bytes_before = self.bytes;
        let abandoned = self.abandoned;
        repeat(abandoned, || {
            self.bytes = bytes_before;
            self.content(source, &target)
        })?;
        let mode = source.metadata()?.permissions().mode() & 0o777 | 0o600;
        target.set_permissions(Permissions::from_mode(mode))?;
        self.give(&target)
    }

    /// Copies a file as it is at one moment.
    fn content(&mut self, mut source: &File, mut target: &File) -> Result<(), CopyError> {
        let metadata = source.metadata()?;
        if !metadata.is_file() {
            return Err(CopyError::Changed);
        }
        if metadata.len() > MAX_BYTES - self.bytes {
            return Err(CopyError::TooLarge);
        }
        if ioctl_ficlone(target, source).is_ok() {
            return self.count(target.metadata()?.len());
        }
        source.rewind()?;
        target.rewind()?;
        target.set_len(0)?;
        loop {
            self.go_on()?;
            let copied = io::copy(&mut source.take(CHUNK_BYTES), &mut target)?;
            if copied == 0 {
                break;
            }
            self.count(copied)?;
        }
        let now = source.metadata()?;
        if State::of(&metadata) != State::of(&now) || is_fresh(&now) {
            return Err(CopyError::Changed);
        }
        Ok(())
    }

    fn give(&self, made: impl AsFd) -> Result<(), CopyError> {
        if let Some((user, group)) = self.owner {
            fchown(made, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<(), CopyError> {
        if bytes > MAX_BYTES - self.bytes {
            return Err(CopyError::TooLarge);
        }
        self.bytes += bytes;
        Ok(())
    }

    fn go_on(&self) -> Result<(), CopyError> {
        if self.abandoned.is_cancelled() {
            return Err(CopyError::Abandoned);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

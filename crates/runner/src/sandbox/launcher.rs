use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{ProgramUser, user_namespace::UserNamespace};

/// The program that runs first inside a sandbox. It calls [`launch`](super::launch), which completes the
/// sandbox and becomes the child's program.
///
/// It is the gateway's own program, so nothing else has to be shipped, and the versions are always the same.
/// Inside, only the program, its libraries and its loader are visible, and no directory of the host.
#[derive(Clone)]
pub struct Launcher {
    files: Arc<Files>,
}

struct Files {
    program: PathBuf,
    /// `None` for a static program.
    loader: Option<PathBuf>,
    /// Each with the names under which the loader may look for it.
    libraries: Vec<(PathBuf, OsString)>,
    /// Made for the first sandbox, if it is needed.
    user_namespace: OnceLock<UserNamespace>,
}

/// Why the program cannot be the launcher.
#[derive(Debug, thiserror::Error)]
#[error("the launcher {} cannot be used: {source}", program.display())]
pub struct LauncherError {
    program: PathBuf,
    source: io::Error,
}

impl Launcher {
    /// `program` must have the same libraries as this process: they are taken from this process's memory map.
    pub fn new(program: &Path) -> Result<Self, LauncherError> {
        let failed = |source| LauncherError {
            program: program.to_owned(),
            source,
        };
        let program = program.canonicalize().map_err(failed)?;
        let mapped = mapped_libraries().map_err(failed)?;
        let (loaders, libraries): (Vec<_>, Vec<_>) =
            mapped.into_iter().partition(|library| is_loader(library));
        let libraries = libraries
            .into_iter()
            .flat_map(|library| {
                let names = names_of(&library);
                names.into_iter().map(move |name| (library.clone(), name))
            })
            .collect();
        let loader = loaders.into_iter().next();
        Ok(Self {
            files: Arc::new(Files {
                program,
                loader,
                libraries,
                user_namespace: OnceLock::new(),
            }),
        })
    }

    /// Makes what all sandboxes share. Fails if no sandbox can be made.
    pub fn prepare(&self) -> Result<(), LauncherError> {
        let prepared = self.user_namespace().map(drop);
        prepared.map_err(|source| LauncherError {
            program: self.files.program.clone(),
            source,
        })
    }

    /// The user namespace for a new sandbox. `None` if bubblewrap can make it itself.
    pub(crate) fn user_namespace(&self) -> io::Result<Option<OwnedFd>> {
        let Some(map) = ProgramUser::here().map() else {
            return Ok(None);
        };
        let held = &self.files.user_namespace;
        if held.get().is_none() {
            let made = UserNamespace::make(&self.files.program, &map)?;
            // Two first sandboxes at the same time make two, of which one is dropped.
            let _ = held.set(made);
        }
        held.get().map(UserNamespace::handle).transpose()
    }

    /// The files that must be visible in the sandbox: each with its path in `directory`, the launcher's.
    pub(super) fn files_inside(&self, directory: &Path) -> Vec<(PathBuf, PathBuf)> {
        let Files {
            program,
            loader,
            libraries,
            ..
        } = &*self.files;
        let mut files = vec![(program.clone(), directory.join("launcher"))];
        if let Some(loader) = loader {
            files.push((loader.clone(), directory.join("loader")));
            let libraries = libraries.iter();
            files.extend(libraries.map(|(source, name)| (source.clone(), directory.join(name))));
        }
        files
    }

    pub(super) fn command_inside(&self, directory: &Path) -> Vec<OsString> {
        let launcher = directory.join("launcher").into();
        if self.files.loader.is_none() {
            return vec![launcher];
        }
        let loader = directory.join("loader").into();
        vec![loader, "--library-path".into(), directory.into(), launcher]
    }
}

pub(super) fn socket_inside(directory: &Path) -> PathBuf {
    directory.join("socket")
}

/// The shared libraries of this process, with the loader, from its memory map.
fn mapped_libraries() -> io::Result<Vec<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut libraries: Vec<PathBuf> = Vec::new();
    for line in maps.lines() {
        // Address, rights, offset, device, inode, path. The path is the rest of the line.
        let Some(start) = line.find('/') else {
            continue;
        };
        let path = PathBuf::from(line.split_at(start).1);
        let is_library = path
            .file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.contains(".so"));
        if is_library && !libraries.contains(&path) {
            libraries.push(path);
        }
    }
    Ok(libraries)
}

/// `ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`, `ld-musl-x86_64.so.1`, and `ld-2.31.so` of old.
fn is_loader(library: &Path) -> bool {
    let name = library.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.starts_with("ld-"))
}

/// The name of the file and those of the symbolic links to it in the same directory: the loader looks for
/// `libc.so.6`, and the file may be `libc-2.31.so`.
fn names_of(library: &Path) -> Vec<OsString> {
    let (Some(directory), Some(name)) = (library.parent(), library.file_name()) else {
        return Vec::new();
    };
    let links = fs::read_dir(directory).into_iter().flatten().flatten();
    let links = links
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()))
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(name)))
        .map(|entry| entry.file_name());
    std::iter::once(name.to_owned()).chain(links).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_knows_its_own_libraries() {
        let launcher = Launcher::new(&std::env::current_exe().unwrap()).unwrap();
        let names: Vec<_> = launcher
            .files_inside(Path::new("/x"))
            .into_iter()
            .map(|(_, target)| target)
            .collect();
        assert!(names.contains(&PathBuf::from("/x/launcher")));
        assert_eq!(
            launcher.files.loader.is_some(),
            names.contains(&PathBuf::from("/x/libc.so.6")),
            "{names:?}"
        );
    }
}

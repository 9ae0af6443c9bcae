use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::{process::spec::CommandSpec, sandbox::Sandbox};

/// Why no child was started. The messages contain paths of settings, but no arguments and no environment.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("the program {} is not an absolute path: name it from the root", program.display())]
    NotAbsolute { program: PathBuf },
    #[error("there is no program {}: check the setting that names it, or install it", program.display())]
    NotFound { program: PathBuf },
    #[error(
        "{} exists, but the interpreter or loader that it names does not: install that, or use a native binary",
        program.display()
    )]
    InterpreterMissing { program: PathBuf },
    #[error("{} may not be executed: make it an executable program (chmod +x) that this user may run", program.display())]
    NotExecutable { program: PathBuf },
    #[error("{} is not a directory that this user may enter: create it, or correct the setting", path.display())]
    CurrentDirectory { path: PathBuf },
    #[error("{what} holds a NUL byte, which no process can be given: remove it")]
    NulByte { what: &'static str },
    #[error("the name of an environment variable is empty or holds '=': correct it")]
    EnvironmentName,
    #[error(
        "arguments and environment together are larger than the system allows: send large input on standard input"
    )]
    TooLarge,
    #[error(
        "the system gives no process or no memory: raise the limit on processes or memory, or run fewer turns at once"
    )]
    OutOfProcesses { source: io::Error },
    #[error("the limit on open files is reached: raise it (ulimit -n), or run fewer turns at once")]
    OutOfDescriptors { source: io::Error },
    #[error("the system gives no randomness")]
    Tag { source: io::Error },
    #[error("a child can only be started from within a tokio runtime")]
    NoRuntime,
    #[error(
        "the child cannot be watched, so it was not kept: Linux 5.4 or later with pidfd_open allowed is needed"
    )]
    Unwatchable { source: io::Error },
    #[error("{} cannot hold the socket for the sandbox's launcher: {source}", path.display())]
    HandshakeSocket { path: PathBuf, source: io::Error },
    #[error("no control group for the sandbox can be made: {source}")]
    ControlGroup { source: io::Error },
    #[error("there is no user namespace for the sandbox: {source}")]
    UserNamespace { source: io::Error },
    #[error("{} could not be started", program.display())]
    Other { program: PathBuf, source: io::Error },
}

impl SpawnError {
    /// Finds out the reason behind the system's error number: `ENOENT` and `EACCES` may be about the program,
    /// its interpreter or the directory.
    pub(crate) fn classify(spec: &CommandSpec, program: &Path, source: io::Error) -> Self {
        let program = program.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {
                Self::about_paths(spec, program, source.kind())
            }
            Some(Errno::NOEXEC) => Self::NotExecutable { program },
            Some(Errno::TOOBIG) => Self::TooLarge,
            Some(Errno::AGAIN | Errno::NOMEM) => Self::OutOfProcesses { source },
            Some(Errno::MFILE | Errno::NFILE) => Self::OutOfDescriptors { source },
            _ => Self::Other { program, source },
        }
    }

    fn about_paths(spec: &CommandSpec, program: PathBuf, kind: io::ErrorKind) -> Self {
        let is_inside = matches!(spec.sandbox, Sandbox::Bubblewrap(_));
        if !is_inside && !spec.current_dir.is_dir() {
            return Self::CurrentDirectory {
                path: spec.current_dir.clone(),
            };
        }
        if !program.exists() {
            return Self::NotFound { program };
        }
        if kind == io::ErrorKind::NotFound {
            return Self::InterpreterMissing { program };
        }
        if is_executable_file(&program) {
            // Then this user may see the directory but not enter it.
            return Self::CurrentDirectory {
                path: spec.current_dir.clone(),
            };
        }
        Self::NotExecutable { program }
    }
}

fn is_executable_file(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

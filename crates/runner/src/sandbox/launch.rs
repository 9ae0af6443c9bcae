mod identity;
mod mounts;
mod system_calls;
mod system_files;

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    io::{self, IoSlice, Read as _, Write as _},
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::AsFd as _,
        unix::{
            ffi::{OsStrExt as _, OsStringExt as _},
            net::UnixStream,
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    cmsg_space,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    process::{Resource, Rlimit, setrlimit},
};

use self::{identity::Identity, mounts::Scratch};
use crate::{process::descriptors::close_inherited_descriptors, reap::descendants::TAG_VARIABLE};

/// The first argument of a program that has to call [`launch`].
pub const LAUNCH_ARGUMENT: &str = "sandbox-launch";

/// Prefix of the names of the program's variables in the environment of bubblewrap and of the launcher. So a
/// variable for the program (`LD_PRELOAD`) has no effect on these two, which have more rights.
pub(crate) const PROGRAM_VARIABLE: &str = "PROGRAM_";

/// The launcher's report that limits and listener are set up. A message after it is the reason why the program
/// could not be started.
pub(super) const READY: &[u8] = b"ready";

/// The runner's answer, when it can end the program.
pub(super) const GO: &[u8] = b"g";

/// Runs the launcher inside the sandbox: closes what bubblewrap has left open, sets the limits, listens on the
/// bridge, reports, and becomes the program. Returns only if that fails, with the reason.
///
/// `arguments` are those after [`LAUNCH_ARGUMENT`]: the socket to report to, the port of the bridge or 0, the
/// limits, the program's user, its directories, the program and its arguments.
pub fn launch(arguments: impl Iterator<Item = OsString>) -> io::Error {
    // Bubblewrap leaves one end of a pipe open.
    if let Err(error) = close_inherited_descriptors() {
        return error;
    }
    let task = match Task::parse(arguments) {
        Ok(task) => task,
        Err(problem) => return io::Error::other(problem),
    };
    let mut report = match UnixStream::connect(&task.socket) {
        Ok(report) => report,
        Err(error) => return error,
    };
    let prepared = task.close_sandbox().and_then(|()| task.prepare(&report));
    let problem = match prepared {
        Ok(()) => task.become_program(),
        Err(problem) => problem,
    };
    // This fails only if the runner has ended, and then this process is killed.
    let _ = report.write_all(problem.to_string().as_bytes());
    problem
}

struct Task {
    socket: PathBuf,
    bridge_port: u16,
    limits: [(Resource, u64); 7],
    user: u32,
    scratch: Scratch,
    /// Directories that the program's user gets, beside the private one.
    directories: Vec<PathBuf>,
    current_dir: PathBuf,
    /// The environment of the program.
    environment: BTreeMap<OsString, OsString>,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Task {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, &'static str> {
        let mut next = || arguments.next().ok_or("the launcher needs more arguments");
        let socket = next()?.into();
        let number = |text: OsString| {
            let number = text.to_str().and_then(|text| text.parse::<u64>().ok());
            number.ok_or("an argument of the launcher is not a number")
        };
        let bridge_port = u16::try_from(number(next()?)?).map_err(|_| "no such port")?;
        let limits = [
            (Resource::Data, number(next()?)?),
            (Resource::As, number(next()?)?),
            (Resource::Nproc, number(next()?)?),
            (Resource::Nofile, number(next()?)?),
            (Resource::Fsize, number(next()?)?),
            (Resource::Cpu, number(next()?)?),
            (Resource::Core, 0),
        ];
        let user = u32::try_from(number(next()?)?).map_err(|_| "no such user")?;
        let bytes = number(next()?)?;
        let private = next()?.into();
        let overlays = number(next()?)?;
        let mut directories = Vec::new();
        for _ in 0..overlays {
            directories.push(next()?.into());
        }
        for _ in 0..number(next()?)? {
            directories.push(next()?.into());
        }
        let current_dir = next()?.into();
        let program = next()?;
        Ok(Self {
            socket,
            bridge_port,
            limits,
            user,
            scratch: Scratch {
                private,
                bytes,
                has_overlay: overlays > 0,
            },
            directories,
            environment: environment(),
            current_dir,
            program,
            arguments: arguments.collect(),
        })
    }

    /// Closes what bubblewrap has left open, and becomes the program's user.
    fn close_sandbox(&self) -> io::Result<()> {
        let identity = Identity::prepare(self.user)?;
        self.scratch.limit()?;
        let home = self.environment.get(OsStr::new("HOME"));
        system_files::write(home.map_or(Path::new("/"), Path::new))?;
        for directory in &self.directories {
            identity.owns(directory)?;
        }
        // After the directories in it, because the launcher cannot enter it any more after this.
        identity.owns(&self.scratch.private)?;
        mounts::close_proc()?;
        mounts::close_root()?;
        identity.assume()?;
        // Only now, because only the program's user may be able to enter it.
        env::set_current_dir(&self.current_dir).map_err(|error| {
            let current_dir = self.current_dir.display();
            io::Error::other(format!("{current_dir} cannot be entered: {error}"))
        })
    }

    fn prepare(&self, mut report: &UnixStream) -> io::Result<()> {
        for (resource, limit) in self.limits {
            set_limit(resource, limit).map_err(|error| {
                io::Error::other(format!(
                    "the limit {resource:?} of {limit} was refused: {error}"
                ))
            })?;
        }
        let listener = match self.bridge_port {
            0 => None,
            port => Some(
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                    io::Error::other(format!("127.0.0.1:{port} cannot be listened on: {error}"))
                })?,
            ),
        };
        system_calls::restrict()?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut passed = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = listener.iter().map(|listener| listener.as_fd()).collect();
        if !descriptors.is_empty() && !passed.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("the listener cannot be passed"));
        }
        sendmsg(
            report,
            &[IoSlice::new(READY)],
            &mut passed,
            SendFlags::NOSIGNAL,
        )?;
        // Fails at the end of the stream: the runner has ended, or has dropped this child.
        report.read_exact(&mut [0; GO.len()])
    }

    /// Becoming the program closes all descriptors of the launcher. By the end of the stream, the runner
    /// learns that the program has started.
    fn become_program(&self) -> io::Error {
        #[expect(
            clippy::disallowed_methods,
            reason = "this process becomes the child: part of the runner (invariant 1)"
        )]
        let mut command = Command::new(&self.program);
        let command = command.args(&self.arguments);
        let error = command.env_clear().envs(&self.environment).exec();
        let program = self.program.display();
        io::Error::other(format!("{program} could not be started inside: {error}"))
    }
}

/// The environment of the program: the variables of its spec, and its tag.
fn environment() -> BTreeMap<OsString, OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "what the runner has put there for the program, and no setting"
    )]
    let variables = env::vars_os();
    let named = variables.filter_map(|(name, value)| {
        if name == TAG_VARIABLE {
            return Some((name, value));
        }
        let own = name.as_bytes().strip_prefix(PROGRAM_VARIABLE.as_bytes())?;
        Some((OsString::from_vec(own.to_vec()), value))
    });
    named.collect()
}

/// Never raises a limit of this process.
fn set_limit(resource: Resource, limit: u64) -> io::Result<()> {
    let inherited = rustix::process::getrlimit(resource);
    let limit = inherited.maximum.map_or(limit, |most| most.min(limit));
    let both = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    Ok(setrlimit(resource, both)?)
}

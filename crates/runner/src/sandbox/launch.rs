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

/// The first argument by which a program knows that it is wanted as the launcher.
pub const LAUNCH_ARGUMENT: &str = "sandbox-launch";

/// Stands before the name of each variable of the program in the environment of bubblewrap and of the
/// launcher: what is meant for the one (`LD_PRELOAD`) says nothing to the others, which may do more.
pub(crate) const PROGRAM_VARIABLE: &str = "PROGRAM_";

/// What the launcher says when the limits hold and the bridge is open. What it says after that, if it
/// says anything, is why the program could not be started.
pub(super) const READY: &[u8] = b"ready";

/// What the runner says when it holds the launcher, so that nothing runs that it could not end.
pub(super) const GO: &[u8] = b"g";

/// The whole life of the launcher, inside the sandbox: what bubblewrap leaves open closed, limits, bridge,
/// report, and then it is the program. Comes back only if that failed, with what was said to the runner.
///
/// `arguments` are those after [`LAUNCH_ARGUMENT`]: the socket to report to, the port of the bridge or
/// 0, the limits, the program's user, its scratch, the program and its arguments.
pub fn launch(arguments: impl Iterator<Item = OsString>) -> io::Error {
    // Bubblewrap leaves it the end of a pipe.
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
    // Not said if the runner is gone; then this process ends with it.
    let _ = report.write_all(problem.to_string().as_bytes());
    problem
}

struct Task {
    socket: PathBuf,
    bridge_port: u16,
    limits: [(Resource, u64); 7],
    user: u32,
    scratch: Scratch,
    /// Directories that are to be the program's, beside its private one.
    directories: Vec<PathBuf>,
    current_dir: PathBuf,
    /// The program's.
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

    /// From what bubblewrap has made to what the program may see, and to its user.
    fn close_sandbox(&self) -> io::Result<()> {
        let identity = Identity::prepare(self.user)?;
        self.scratch.limit()?;
        let home = self.environment.get(OsStr::new("HOME"));
        system_files::write(home.map_or(Path::new("/"), Path::new))?;
        for directory in &self.directories {
            identity.owns(directory)?;
        }
        // After what lies in it: once it is the program's, the maker cannot enter it.
        identity.owns(&self.scratch.private)?;
        mounts::close_proc()?;
        mounts::close_root()?;
        identity.assume()?;
        // Only now: it may be closed to everybody else.
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
        // The end of the stream instead: the runner is gone, or does not want this child.
        report.read_exact(&mut [0; GO.len()])
    }

    /// Every descriptor of the launcher is closed by this; the runner sees the end of the report, and
    /// knows by it that the program has begun.
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

/// What the child gets is named by its spec alone, and then there is its tag.
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

/// Never raises a limit that the gateway itself is under.
fn set_limit(resource: Resource, limit: u64) -> io::Result<()> {
    let inherited = rustix::process::getrlimit(resource);
    let limit = inherited.maximum.map_or(limit, |most| most.min(limit));
    let both = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    Ok(setrlimit(resource, both)?)
}

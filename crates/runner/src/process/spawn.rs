use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use rustix::{
    fs::fchown,
    process::{Gid, Pid, Uid},
};
use tokio::{
    process::{ChildStdout, Command},
    runtime::Handle,
    sync::{oneshot, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    deadline::Deadline,
    process::{
        error::SpawnError,
        handle::{ChildHandle, Phase},
        lines::Lines,
        output_meter::OutputMeter,
        pipe::Pipe,
        spawner,
        spec::{CommandSpec, Limits, Stdin},
        stderr::StderrRecord,
        stdin::ChildStdin,
    },
    reap::{
        child_registry,
        descendants::{self, Descendants, TAG_VARIABLE},
        group::Group,
        supervisor::{LeaderExit, Supervisor},
    },
    sandbox::{
        self, Bridge, LaunchHandshake, PROGRAM_VARIABLE, ProgramUser, Sandbox, Startup,
        control_group::ControlGroup,
    },
};

/// A running child with its pipes and its handle. Dropping it kills the child.
///
/// Standard error is read in the background. Only its size is reported ([`Exit`](crate::Exit)).
pub struct Child {
    /// `Some` for [`Stdin::Open`].
    pub stdin: Option<ChildStdin>,
    pub stdout: Lines,
    pub handle: ChildHandle,
    /// `Some` in a sandbox. It reports whether the sandbox has been set up. If that fails, the child is
    /// killed.
    pub bridge: Option<Bridge>,
}

/// Starts a child in a process group of its own. A task on `tracker` supervises it until no process of the
/// group is alive. At the `deadline`, if there is one, the child is interrupted, and killed after the grace.
///
/// In a sandbox, the program runs after [`Child::bridge`] has reported success. Must be called within a
/// tokio runtime with I/O and time.
pub fn spawn(
    spec: CommandSpec,
    limits: Limits,
    deadline: Option<Deadline>,
    tracker: &TaskTracker,
) -> Result<Child, SpawnError> {
    start(spec, limits, deadline, tracker, Outputs::Apart)
}

/// The same, but standard error becomes part of standard output, in the order in which the child writes. The
/// messages of bubblewrap go there too, so the error of a sandbox that cannot be set up has no reason.
pub fn spawn_joined(
    spec: CommandSpec,
    limits: Limits,
    deadline: Option<Deadline>,
    tracker: &TaskTracker,
) -> Result<Child, SpawnError> {
    start(spec, limits, deadline, tracker, Outputs::Joined)
}

/// Whether the child has one pipe for both outputs, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outputs {
    Apart,
    Joined,
}

fn start(
    spec: CommandSpec,
    limits: Limits,
    deadline: Option<Deadline>,
    tracker: &TaskTracker,
    outputs: Outputs,
) -> Result<Child, SpawnError> {
    let runtime = Handle::try_current().map_err(|_| SpawnError::NoRuntime)?;
    check(&spec)?;
    let handshake = open_handshake(&spec)?;
    let user_namespace = user_namespace(&spec)?;
    let control_group = control_group(&spec)?;
    let tag = descendants::new_tag().map_err(|source| SpawnError::Tag { source })?;
    let mut command = command(
        &spec,
        handshake.as_ref(),
        user_namespace.as_ref().map(AsFd::as_fd),
    );
    command.env(TAG_VARIABLE, &tag);
    let program = PathBuf::from(command.as_std().get_program());
    let incomplete = |source| SpawnError::Other {
        program: spec.program.clone(),
        source,
    };
    let joined = match outputs {
        Outputs::Apart => None,
        Outputs::Joined => Some(join_outputs(&mut command).map_err(incomplete)?),
    };
    let is_other_user = user_namespace.is_some();
    let mut leader = spawner::start(command, user_namespace, runtime.clone())
        .map_err(|source| SpawnError::classify(&spec, &program, source))?;
    // From here on, an early return kills the leader (`kill_on_drop`).
    let pid = leader
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        .ok_or_else(|| incomplete(io::Error::other("no process id")))?;
    let leader_exit = LeaderExit::of(pid).map_err(|source| {
        child_registry::remove(pid.as_raw_nonzero().get());
        SpawnError::Unwatchable { source }
    })?;
    let (Some(stdout), stderr) = (joined.or(leader.stdout.take()), leader.stderr.take()) else {
        return Err(incomplete(io::Error::other("no output pipe")));
    };

    if is_other_user {
        give_pipes(leader.stdin.as_ref(), &stdout, stderr.as_ref()).map_err(incomplete)?;
    }
    let group = Arc::new(Group::new(pid));
    let descendants = Arc::new(Descendants::of(pid, tag));
    let group_dead = CancellationToken::new();
    let stderr_record = Arc::new(StderrRecord::default());
    let meter = Arc::new(OutputMeter::new(limits.output));
    let (phase_sender, phase) = watch::channel(Phase::Running);
    let (exit_sender, exit) = watch::channel(None);

    let stdin = leader.stdin.take();
    let stdin = stdin.map(|pipe| ChildStdin::new(pipe, group_dead.clone()));
    let stdin = feed(stdin, spec.stdin, tracker);
    let stderr_pipe =
        stderr.map(|stderr| Pipe::new(stderr, group_dead.clone(), Arc::clone(&meter)));
    let stderr_task = tracker.spawn({
        let record = Arc::clone(&stderr_record);
        async move {
            if let Some(pipe) = stderr_pipe {
                record.drain(pipe).await;
            }
        }
    });
    let stdout = Lines::new(
        Pipe::new(stdout, group_dead.clone(), Arc::clone(&meter)),
        limits.max_line_bytes,
        tracker.clone(),
        runtime,
    );
    let supervisor = Supervisor {
        leader,
        leader_exit,
        group: Arc::clone(&group),
        descendants,
        group_dead,
        deadline,
        kill_grace: limits.kill_grace,
        phase,
        meter: Arc::clone(&meter),
        stderr: Arc::clone(&stderr_record),
        stderr_task,
        exit: exit_sender,
    };
    let bridge = handshake.map(|handshake| {
        let startup = Startup {
            handshake,
            control_group,
            group: Arc::clone(&group),
            exit: exit.clone(),
            stderr: Arc::clone(&stderr_record),
        };
        let (sender, outcome) = oneshot::channel();
        tracker.spawn(async move { drop(sender.send(startup.outcome().await)) });
        Bridge { outcome }
    });
    tracker.spawn(supervisor.run());
    tracing::debug!(%pid, program = %spec.program.display(), "child started");
    Ok(Child {
        stdin,
        stdout,
        handle: ChildHandle::new(group, phase_sender, exit, stderr_record, meter),
        bridge,
    })
}

/// Writes the input, or returns the pipe if the caller writes to it.
fn feed(end: Option<ChildStdin>, stdin: Stdin, tracker: &TaskTracker) -> Option<ChildStdin> {
    match (stdin, end) {
        (Stdin::Bytes(bytes), Some(end)) => {
            // A child may end without having read its input. Its exit code tells whether that is a failure.
            tracker.spawn(async move { drop(end.write_and_close(bytes).await) });
            None
        }
        (_, end) => end,
    }
}

/// Makes one pipe for both outputs, and returns its reading end.
fn join_outputs(command: &mut Command) -> io::Result<ChildStdout> {
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    ChildStdout::from_std(OwnedFd::from(reader).into())
}

/// Checks what the system would report with an unclear error, or not at all.
fn check(spec: &CommandSpec) -> Result<(), SpawnError> {
    if !spec.program.is_absolute() {
        return Err(SpawnError::NotAbsolute {
            program: spec.program.clone(),
        });
    }
    let has_nul = |text: &std::ffi::OsStr| text.as_bytes().contains(&0);
    let what = if has_nul(spec.program.as_os_str()) || has_nul(spec.current_dir.as_os_str()) {
        "a path"
    } else if spec.args.iter().any(|argument| has_nul(argument)) {
        "an argument"
    } else if spec
        .env
        .iter()
        .any(|(name, value)| has_nul(name) || has_nul(value))
    {
        "an environment variable"
    } else {
        let is_bad_name = |name: &[u8]| name.is_empty() || name.contains(&b'=');
        let bad_name = spec.env.keys().any(|name| is_bad_name(name.as_bytes()));
        return if bad_name {
            Err(SpawnError::EnvironmentName)
        } else {
            Ok(())
        };
    };
    Err(SpawnError::NulByte { what })
}

fn open_handshake(spec: &CommandSpec) -> Result<Option<LaunchHandshake>, SpawnError> {
    let Sandbox::Bubblewrap(sandbox) = &spec.sandbox else {
        return Ok(None);
    };
    let needs_listener = sandbox.bridge_port.is_some();
    let handshake = LaunchHandshake::open(&sandbox.handshake_dir, needs_listener);
    let path = || sandbox.handshake_dir.clone();
    let handshake = handshake.map_err(|source| SpawnError::HandshakeSocket {
        path: path(),
        source,
    })?;
    Ok(Some(handshake))
}

fn user_namespace(spec: &CommandSpec) -> Result<Option<OwnedFd>, SpawnError> {
    let Sandbox::Bubblewrap(sandbox) = &spec.sandbox else {
        return Ok(None);
    };
    let namespace = sandbox.tools.launcher.user_namespace();
    namespace.map_err(|source| SpawnError::UserNamespace { source })
}

fn control_group(spec: &CommandSpec) -> Result<Option<ControlGroup>, SpawnError> {
    let Sandbox::Bubblewrap(sandbox) = &spec.sandbox else {
        return Ok(None);
    };
    let group = sandbox.control_group();
    group.map_err(|source| SpawnError::ControlGroup { source })
}

/// Gives the pipes to the program's user. Otherwise the program could not open `/dev/stdin`, `/dev/stdout` and
/// `/dev/stderr`.
fn give_pipes(
    stdin: Option<&impl AsFd>,
    stdout: &impl AsFd,
    stderr: Option<&impl AsFd>,
) -> io::Result<()> {
    let user = ProgramUser::here().number();
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
    let pipes = [
        stdin.map(AsFd::as_fd),
        Some(stdout.as_fd()),
        stderr.map(AsFd::as_fd),
    ];
    for pipe in pipes.into_iter().flatten() {
        fchown(pipe, Some(user), Some(group))?;
    }
    Ok(())
}

/// The child gets only the descriptors 0, 1 and 2. The standard library, tokio and rustix open all
/// descriptors with close-on-exec. Descriptors that this process has inherited are closed at its start
/// ([`close_inherited_descriptors`](crate::close_inherited_descriptors)).
fn command(
    spec: &CommandSpec,
    handshake: Option<&LaunchHandshake>,
    user_namespace: Option<BorrowedFd<'_>>,
) -> Command {
    let (program, arguments, current_dir) = match (&spec.sandbox, handshake) {
        (Sandbox::Bubblewrap(sandbox), Some(handshake)) => (
            &sandbox.tools.bubblewrap,
            sandbox::command_line(spec, sandbox, handshake.path(), user_namespace),
            Path::new("/"),
        ),
        _ => (&spec.program, spec.args.clone(), &*spec.current_dir),
    };
    let named = |name: &OsString| match &spec.sandbox {
        Sandbox::Bubblewrap(_) => [OsStr::new(PROGRAM_VARIABLE), name].into_iter().collect(),
        Sandbox::Off => name.clone(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that starts processes (invariant 1)"
    )]
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (named(name), value)))
        .current_dir(current_dir)
        .stdin(match spec.stdin {
            Stdin::Null => Stdio::null(),
            Stdin::Bytes(_) | Stdin::Open => Stdio::piped(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Set before exec, so the group exists when `spawn` returns.
        .process_group(0)
        // Only a precaution: the supervisor kills the whole group before it drops the leader.
        .kill_on_drop(true);
    command
}

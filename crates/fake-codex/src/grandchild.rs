//! Processes that the fake CLI leaves running.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{self, Child, ExitCode, Stdio},
    thread,
};

use crate::startup::{Startup, program};

/// What a grandchild does before it lives on and on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing: it ignores signals only where its parent does.
    Plain,
    /// Ignores signals, in the group of its parent.
    Group,
    /// The same in a session of its own.
    Session,
    /// Starts another one in a session of its own, and ends.
    Middle,
}

pub(crate) const GRANDCHILD: &str = "fake-grandchild";

/// In this process's own group, with its pipes: who waits for their end waits for both. Nobody
/// waits for it here, as for a real orphan. Comes back when it is ready to be signalled.
pub(crate) fn leave_in_group() -> io::Result<Child> {
    let (mut readiness, its_end) = io::pipe()?;
    let grandchild = grandchild("plain", its_end.into()).spawn()?;
    readiness.read_exact(&mut [0])?;
    Ok(grandchild)
}

/// The whole life of the grandchild. Its descriptor 0 is where it says that it is ready: output and
/// errors are its parent's, for it to hold open.
pub(crate) fn linger(mut startup: Startup, role: Role) -> io::Result<ExitCode> {
    if role == Role::Middle {
        grandchild("setsid", Stdio::inherit()).spawn()?;
        return Ok(ExitCode::SUCCESS);
    }
    if role == Role::Session {
        rustix::process::setsid()?;
    }
    startup.ignore_signals |= role != Role::Plain;
    let _runtime = startup.runtime()?;
    let number = format!("{}\n", process::id());
    File::from(io::stdin().as_fd().try_clone_to_owned()?).write_all(number.as_bytes())?;
    loop {
        thread::park();
    }
}

/// Starts a process that goes on, in one of the ways that are explained in `main.rs`; its id.
pub(crate) fn leave(how: &str) -> io::Result<u32> {
    let (mut readiness, its_end) = io::pipe()?;
    let role = match how {
        "double-fork" | "double-fork-bare" => "middle",
        how => how,
    };
    let mut command = grandchild(role, Stdio::from(its_end));
    if how == "double-fork-bare" {
        command.env_clear();
    }
    let mut child = command.spawn()?;
    drop(command);
    if role == "middle" {
        child.wait()?;
    }
    let mut number = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(&mut readiness), &mut number)?;
    number.trim().parse().map_err(io::Error::other)
}

fn grandchild(role: &str, its_end: Stdio) -> process::Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that the runner does not know is the point"
    )]
    let mut command = process::Command::new(program());
    command.args([GRANDCHILD, role]).stdin(its_end);
    command
}

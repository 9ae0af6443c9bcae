//! The first user namespace of sandboxes, if the gateway is root.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::fcntl_dupfd_cloexec,
};

use super::user::{IdentityMap, new_user_namespace};
use crate::reap::child_registry;

/// The first argument of a program that has to call [`hold_user_namespace`].
pub const NAMESPACE_ARGUMENT: &str = "sandbox-users";

/// The message that the namespace has been made.
const READY: &[u8] = b"r";

/// How long the process may take to make the namespace.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// A user namespace with two users of the host: root, which sets sandboxes up, and the user of their programs.
/// Only root can make it, and only for another process. So a second process makes it, and ends when this
/// process has opened it.
pub(super) struct UserNamespace(OwnedFd);

impl UserNamespace {
    /// `program` must call [`hold_user_namespace`] if it is started with [`NAMESPACE_ARGUMENT`].
    pub(super) fn make(program: &Path, map: &IdentityMap) -> io::Result<Self> {
        let mut holder = Holder::start(program)?;
        holder.wait_until_ready()?;
        let directory = format!("/proc/{}", holder.0.id());
        let set = |file: &str, map: &str| {
            fs::write(format!("{directory}/{file}"), map).map_err(|error| {
                io::Error::other(format!(
                    "the gateway is root, and cannot give a sandbox another user: {error}"
                ))
            })
        };
        set("uid_map", &map.users)?;
        set("gid_map", &map.groups)?;
        Ok(Self(File::open(format!("{directory}/ns/user"))?.into()))
    }

    /// A descriptor for one process to inherit.
    pub(super) fn handle(&self) -> io::Result<OwnedFd> {
        Ok(fcntl_dupfd_cloexec(&self.0, 0)?)
    }
}

/// The second process. Dropping it ends the process.
struct Holder(Child);

impl Holder {
    fn start(program: &Path) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "starts this program itself for a moment: part of the runner (invariant 1)"
        )]
        let mut command = Command::new(program);
        command
            .arg(NAMESPACE_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut registry = child_registry::lock();
        let child = command.spawn()?;
        registry.add(child.id());
        Ok(Self(child))
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let failed = || io::Error::other("no user namespace was made");
        let stdout = self.0.stdout.as_mut().ok_or_else(failed)?;
        let mut wait = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)];
        if poll(&mut wait, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut word = [0; READY.len()];
        stdout.read_exact(&mut word).map_err(|_| failed())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        if let Ok(pid) = i32::try_from(self.0.id()) {
            child_registry::remove(pid);
        }
    }
}

/// Runs the second process: makes a user namespace, reports it, and waits until standard input is closed.
pub fn hold_user_namespace() -> io::Result<()> {
    new_user_namespace()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the process that has started this one reads it"
    )]
    let mut stdout = io::stdout();
    stdout.write_all(READY)?;
    stdout.flush()?;
    // Standard input also ends with the process that has started this one.
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

use std::{fs, io, os::fd::OwnedFd};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::{reap::process_table::ProcessStat, sandbox::control_group::ControlGroup};

/// The two processes of a sandbox that the runner controls: the program, and the init. When the init ends, the
/// kernel ends all others.
pub(crate) struct Inside {
    program: OwnedFd,
    program_pid: Pid,
    init: OwnedFd,
    init_pid: Pid,
    /// The program's. The last field, because dropping it kills its processes.
    _control_group: Option<ControlGroup>,
}

impl Inside {
    /// Finds the init of `program` and opens both. `program` is a process id outside of the sandbox, `leader`
    /// that of bubblewrap. Fails if bubblewrap has not started the program. Adds the program, and thereby all
    /// that it starts later, to the control group.
    pub(crate) fn find(
        program: Pid,
        leader: Pid,
        control_group: Option<ControlGroup>,
    ) -> io::Result<Self> {
        let stranger = || io::Error::other("a process that is not of this sandbox");
        let program_fd = pidfd_open(program, PidfdFlags::NONBLOCK)?;
        let init = parent_of(program).ok_or_else(stranger)?;
        let init_fd = pidfd_open(init, PidfdFlags::NONBLOCK)?;
        // Checked now that both are open, so that neither number can get to another process.
        let is_of_leader = parent_of(program) == Some(init) && parent_of(init) == Some(leader);
        if !is_of_leader || !is_init(init) {
            return Err(stranger());
        }
        if let Some(group) = &control_group {
            group.add(program)?;
        }
        Ok(Self {
            program: program_fd,
            program_pid: program,
            init: init_fd,
            init_pid: init,
            _control_group: control_group,
        })
    }

    pub(crate) fn program_pid(&self) -> Pid {
        self.program_pid
    }

    pub(crate) fn init_pid(&self) -> Pid {
        self.init_pid
    }

    /// Signals only the program. Bubblewrap would die of the signal, and the program with it.
    pub(crate) fn interrupt(&self) {
        let _ = pidfd_send_signal(&self.program, Signal::INT);
    }

    /// Kills the init, with which everything inside ends.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Becomes readable when the init has exited. It exits only after all other processes of its namespace.
    pub(crate) fn init_descriptor(&self) -> io::Result<OwnedFd> {
        self.init.try_clone()
    }

    /// Reaps the init if it has been reparented to this process, such as if this is process 1 of a container.
    pub(crate) fn reap_init(&self) {
        use std::os::fd::AsFd as _;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = waitid(WaitId::PidFd(self.init.as_fd()), options);
    }
}

fn parent_of(pid: Pid) -> Option<Pid> {
    Pid::from_raw(ProcessStat::read(pid.as_raw_nonzero().get())?.parent)
}

/// Whether the process has number 1 in the innermost of its process namespaces.
fn is_init(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    status.is_ok_and(|status| {
        let mut lines = status.lines();
        let numbers = lines.find_map(|line| line.strip_prefix("NSpid:"));
        numbers.is_some_and(|numbers| {
            let numbers: Vec<_> = numbers.split_ascii_whitespace().collect();
            numbers.len() > 1 && numbers.last() == Some(&"1")
        })
    })
}

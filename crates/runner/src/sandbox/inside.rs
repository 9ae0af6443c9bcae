use std::{fs, io, os::fd::OwnedFd};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::{reap::process_table::ProcessStat, sandbox::control_group::ControlGroup};

/// The two processes of a sandbox that matter outside: its init, with which the kernel ends every other
/// one, and the program.
pub(crate) struct Inside {
    program: OwnedFd,
    program_pid: Pid,
    init: OwnedFd,
    init_pid: Pid,
    /// That the program is in. Last, as it ends what is in it.
    _control_group: Option<ControlGroup>,
}

impl Inside {
    /// `program` is the process id, seen from outside, of a process inside that bubblewrap, of process
    /// id `leader`, has started. Fails for any other.
    /// Puts it into the control group, if there is one: what it starts later is in there too.
    pub(crate) fn find(
        program: Pid,
        leader: Pid,
        control_group: Option<ControlGroup>,
    ) -> io::Result<Self> {
        let stranger = || io::Error::other("a process that is not of this sandbox");
        let program_fd = pidfd_open(program, PidfdFlags::NONBLOCK)?;
        let init = parent_of(program).ok_or_else(stranger)?;
        let init_fd = pidfd_open(init, PidfdFlags::NONBLOCK)?;
        // Looked at again now that neither number can be given to another process.
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

    /// To the program alone: bubblewrap itself would die of it and take the program's grace away.
    pub(crate) fn interrupt(&self) {
        let _ = pidfd_send_signal(&self.program, Signal::INT);
    }

    /// To the init, with which everything inside ends.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Becomes readable when the init has exited, which the kernel lets it do only after every other
    /// process of its namespace has been waited for.
    pub(crate) fn init_descriptor(&self) -> io::Result<OwnedFd> {
        self.init.try_clone()
    }

    /// Where this process is the one that orphans go to (process 1 of a container), the init is its to
    /// reap; elsewhere this does nothing.
    pub(crate) fn reap_init(&self) {
        use std::os::fd::AsFd as _;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = waitid(WaitId::PidFd(self.init.as_fd()), options);
    }
}

fn parent_of(pid: Pid) -> Option<Pid> {
    Pid::from_raw(ProcessStat::read(pid.as_raw_nonzero().get())?.parent)
}

/// Whether the process is number 1 in the innermost of the namespaces that it is in.
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

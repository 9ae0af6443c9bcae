use std::os::unix::process::ExitStatusExt;
use std::{future, io, os::fd::OwnedFd, process::ExitStatus, sync::Arc, time::Duration};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process,
    sync::watch,
    task::{self, JoinHandle},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::{
    deadline::Deadline,
    process::{handle::Phase, output_meter::OutputMeter, stderr::StderrRecord},
    reap::{
        child_registry,
        descendants::Descendants,
        exit::{Exit, Signal},
        group::Group,
    },
};

/// How long killed processes may take to end. Only a process that hangs in the kernel needs this long.
const VERIFY_LIMIT: Duration = Duration::from_secs(1);
const FIRST_LOOK_AFTER: Duration = Duration::from_millis(1);
const LAST_LOOK_AFTER: Duration = Duration::from_millis(50);

/// Bubblewrap and shells add this to the number of a signal to make an exit code.
const SIGNAL_BASE: i32 = 128;

/// A larger exit code is the program's own, such as 255.
const LAST_SIGNAL: i32 = 64;

/// Watches one child until no process of its group is alive, then reports how it has ended. One task a child.
pub(crate) struct Supervisor {
    pub(crate) leader: process::Child,
    pub(crate) leader_exit: LeaderExit,
    pub(crate) group: Arc<Group>,
    pub(crate) descendants: Arc<Descendants>,
    pub(crate) group_dead: CancellationToken,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) kill_grace: Duration,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) meter: Arc<OutputMeter>,
    pub(crate) stderr: Arc<StderrRecord>,
    pub(crate) stderr_task: JoinHandle<()>,
    pub(crate) exit: watch::Sender<Option<Exit>>,
}

/// Why the supervisor stopped watching and acts.
enum Cause {
    LeaderExited,
    Asked,
    DeadlinePassed,
    OutputExceeded,
}

impl Supervisor {
    pub(crate) async fn run(mut self) {
        let cause = self.watch().await;
        let has_exited = match cause {
            Cause::LeaderExited => true,
            // No grace: it would go on writing.
            Cause::OutputExceeded => false,
            Cause::Asked => self.grace().await,
            Cause::DeadlinePassed => {
                self.group.signal(Signal::Interrupt);
                self.grace().await
            }
        };
        let (left_behind, survivors) = self.kill_rest(has_exited).await;
        let status = self.reap().await;
        let (code, signal) = self.code_and_signal(status);
        // The group is dead, so this ends at once.
        let _ = (&mut self.stderr_task).await;
        let exit = Exit {
            code,
            signal,
            signals_sent: self.group.signals_sent(),
            deadline_exceeded: matches!(cause, Cause::DeadlinePassed),
            left_behind,
            survivors,
            output_exceeded: self.meter.is_exceeded(),
            stderr_bytes: self.stderr.bytes(),
            stderr_lines: self.stderr.lines(),
        };
        let pid = self.group.leader().as_raw_nonzero();
        tracing::debug!(%pid, ?exit, "child ended");
        if survivors > 0 {
            tracing::warn!(%pid, survivors, "processes of a child survived SIGKILL");
        }
        self.exit.send_replace(Some(exit));
    }

    async fn watch(&mut self) -> Cause {
        tokio::select! {
            biased;
            () = self.leader_exit.wait() => Cause::LeaderExited,
            () = self.meter.exceeded() => Cause::OutputExceeded,
            () = until(self.deadline) => Cause::DeadlinePassed,
            () = reached(&mut self.phase, Phase::Ending) => Cause::Asked,
        }
    }

    /// Returns true if the leader exits before the end of the grace, and before the caller asks for the kill.
    async fn grace(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.leader_exit.wait() => true,
            () = reached(&mut self.phase, Phase::Killing) => false,
            () = time::sleep(self.kill_grace) => false,
        }
    }

    /// Kills all processes of the child while the leader, alive or dead, still has its number (see [`Group`]).
    /// Returns how many have outlived the leader, and how many the kill.
    async fn kill_rest(&mut self, has_exited: bool) -> (u32, u32) {
        if !has_exited {
            // Before the kill too: children of a dead process cannot be found by their parent.
            self.kill_descendants().await;
            self.group.signal(Signal::Kill);
            let survivors = self.verify().await;
            return (0, survivors.max(self.end_namespace().await));
        }
        // In a sandbox, the kernel ends all other processes with the init.
        let in_namespace = self.end_namespace().await;
        let left_behind = self.kill_descendants().await;
        if left_behind == 0 {
            self.group.sweep();
            return (0, in_namespace);
        }
        self.group.signal(Signal::Kill);
        (left_behind, self.verify().await.max(in_namespace))
    }

    async fn verify(&mut self) -> u32 {
        let give_up_at = Instant::now() + VERIFY_LIMIT;
        let _ = time::timeout_at(give_up_at, self.leader_exit.wait()).await;
        let mut pause = FIRST_LOOK_AFTER;
        loop {
            // Again, for processes that were started before their parent was killed.
            let alive = self.kill_descendants().await;
            if alive == 0 || Instant::now() >= give_up_at {
                return alive;
            }
            time::sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK_AFTER);
        }
    }

    /// Kills the processes of the child's process namespace, if there is one. Returns 1 if they have not ended
    /// in time. The init of a namespace ends only after all its other processes.
    async fn end_namespace(&self) -> u32 {
        let Some(inside) = self.group.inside() else {
            return 0;
        };
        inside.kill();
        let Ok(init_exit) = inside.init_descriptor().and_then(LeaderExit::on) else {
            return 0;
        };
        let is_gone = time::timeout(VERIFY_LIMIT, init_exit.wait()).await.is_ok();
        inside.reap_init();
        u32::from(!is_gone)
    }

    /// In a sandbox, bubblewrap's exit code contains the signal that has ended the program, as a shell's does.
    fn code_and_signal(&self, status: Option<ExitStatus>) -> (Option<i32>, Option<i32>) {
        let code = status.and_then(|status| status.code());
        let signal = status.and_then(|status| status.signal());
        match (code, self.group.inside()) {
            (Some(code), Some(_)) if (1..=LAST_SIGNAL).contains(&(code - SIGNAL_BASE)) => {
                (None, Some(code - SIGNAL_BASE))
            }
            _ => (code, signal),
        }
    }

    /// Returns how many were alive.
    async fn kill_descendants(&self) -> u32 {
        let descendants = Arc::clone(&self.descendants);
        let killing = task::spawn_blocking(move || descendants.kill());
        killing.await.unwrap_or(0)
    }

    /// Waits for the leader, which should be dead. If it is not, tokio reaps it later.
    async fn reap(&mut self) -> Option<ExitStatus> {
        self.group.release();
        self.group_dead.cancel();
        let wait = time::timeout(LAST_LOOK_AFTER, self.leader.wait());
        wait.await.ok()?.ok()
    }
}

impl Drop for Supervisor {
    /// Kills the group if the runtime is shut down. Has no effect after a regular end.
    fn drop(&mut self) {
        self.group.signal(Signal::Kill);
        self.group.release();
        self.group_dead.cancel();
        child_registry::remove(self.group.leader().as_raw_nonzero().get());
    }
}

/// Notices the exit of a process without waiting for it, which would free its number.
pub(crate) struct LeaderExit(AsyncFd<OwnedFd>);

impl LeaderExit {
    pub(crate) fn of(leader: Pid) -> io::Result<Self> {
        Self::on(pidfd_open(leader, PidfdFlags::NONBLOCK)?)
    }

    fn on(pidfd: OwnedFd) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "the successor is unsafe for types that may change their descriptor; an OwnedFd cannot"
        )]
        let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE)?;
        Ok(Self(pidfd))
    }

    /// A process descriptor becomes readable when the process exits. An error means that the runtime is
    /// shutting down, which drops this task.
    async fn wait(&self) {
        if self.0.readable().await.is_err() {
            future::pending::<()>().await;
        }
    }
}

async fn until(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline.instant()).await,
        None => future::pending().await,
    }
}

/// Also returns when the last handle has been dropped, which kills the child.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

use std::{io, net::TcpListener, sync::Arc};

use tokio::{
    sync::{oneshot, watch},
    time,
};

use super::{
    error::{LAUNCH_TIMEOUT, SandboxError},
    handshake::LaunchHandshake,
    inside::Inside,
};
use crate::{
    process::stderr::StderrRecord,
    reap::{
        exit::{Exit, Signal},
        group::Group,
    },
    sandbox::control_group::ControlGroup,
};

/// Reports whether a child's sandbox has been set up. Carries the listener inside, if there is one.
pub struct Bridge {
    pub(crate) outcome: oneshot::Receiver<Result<Option<TcpListener>, SandboxError>>,
}

impl Bridge {
    /// Waits until the program has started inside. Returns the listener, if there is one. It is the child's
    /// whole network: its connections come from inside. Drop it when the child has ended.
    pub async fn open(self) -> Result<Option<TcpListener>, SandboxError> {
        self.outcome.await.unwrap_or(Err(SandboxError::Ended))
    }
}

/// Follows the start of one child in a sandbox, from bubblewrap's start to the program's.
pub(crate) struct Startup {
    pub(crate) handshake: LaunchHandshake,
    pub(crate) control_group: Option<ControlGroup>,
    pub(crate) group: Arc<Group>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
    pub(crate) stderr: Arc<StderrRecord>,
}

impl Startup {
    /// Waits for the sandbox. Kills the child if it cannot be set up.
    pub(crate) async fn outcome(mut self) -> Result<Option<TcpListener>, SandboxError> {
        let mut exit = self.exit.clone();
        let entered = tokio::select! {
            biased;
            entered = time::timeout(LAUNCH_TIMEOUT, self.enter()) => {
                entered.unwrap_or(Err(SandboxError::Timeout))
            }
            _ = exit.wait_for(Option::is_some) => Err(self.exit_error()),
        };
        if entered.is_err() {
            self.group.signal(Signal::Kill);
        }
        entered
    }

    async fn enter(&mut self) -> Result<Option<TcpListener>, SandboxError> {
        let refused = |error: io::Error| SandboxError::Refused(error.to_string());
        let report = self.handshake.hold().await.map_err(refused)??;
        let inside = Inside::find(
            report.launcher,
            self.group.leader(),
            self.control_group.take(),
        )
        .map_err(refused)?;
        self.group.enter(inside);
        report.let_go().await.map_err(refused)?
    }

    /// The last line of standard error. The program has not run, so it comes from bubblewrap or the launcher.
    fn exit_error(&self) -> SandboxError {
        let tail = self.stderr.tail();
        let tail = String::from_utf8_lossy(&tail);
        match tail.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => SandboxError::Refused(line.trim().to_owned()),
            None => match self.exit.borrow().as_ref().and_then(|exit| exit.code) {
                Some(code) => SandboxError::Refused(format!("bubblewrap exited with {code}")),
                None => SandboxError::Ended,
            },
        }
    }
}

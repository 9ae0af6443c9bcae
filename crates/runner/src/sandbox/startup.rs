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

/// News of a child's sandbox: whether it stands, and the listener inside, if one was wanted.
pub struct Bridge {
    pub(crate) outcome: oneshot::Receiver<Result<Option<TcpListener>, SandboxError>>,
}

impl Bridge {
    /// Waits until the program has begun inside. The listener is the child's whole network: what is
    /// accepted on it comes from inside. It must be dropped with the child.
    pub async fn open(self) -> Result<Option<TcpListener>, SandboxError> {
        self.outcome.await.unwrap_or(Err(SandboxError::Ended))
    }
}

/// The start of one child in its sandbox, from bubblewrap's to the program's.
pub(crate) struct Startup {
    pub(crate) handshake: LaunchHandshake,
    pub(crate) control_group: Option<ControlGroup>,
    pub(crate) group: Arc<Group>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
    pub(crate) stderr: Arc<StderrRecord>,
}

impl Startup {
    /// Kills the child unless its sandbox stands: nothing runs in half of one.
    pub(crate) async fn outcome(mut self) -> Result<Option<TcpListener>, SandboxError> {
        let mut exit = self.exit.clone();
        let entered = tokio::select! {
            biased;
            entered = time::timeout(LAUNCH_TIMEOUT, self.enter()) => {
                entered.unwrap_or(Err(SandboxError::Timeout))
            }
            _ = exit.wait_for(Option::is_some) => Err(self.last_words()),
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

    /// The program has not run, so what stands on standard error is bubblewrap's or the launcher's.
    fn last_words(&self) -> SandboxError {
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

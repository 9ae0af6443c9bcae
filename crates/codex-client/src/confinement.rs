//! The world that Codex processes are started in, and how the broker is reached from it.

use std::net::TcpListener;
use std::path::PathBuf;

use runner::{BubblewrapSpec, PrivateDirectory, ResourceLimits, Sandbox, SandboxTools};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::home::Home;

/// On the sandbox's own loopback, where nothing else listens: any port would do.
const BRIDGE_PORT: u16 = 8080;

/// What stands around every process of a [`CodexClient`](crate::CodexClient), and where in it the
/// broker is.
#[derive(Clone)]
pub enum Confinement {
    /// Nothing does: the broker listens on the loopback of this machine, at this URL with `/v1`.
    Off {
        broker_base_url: String,
    },
    Sandbox(Box<SandboxSettings>),
}

#[derive(Clone)]
pub struct SandboxSettings {
    pub tools: SandboxTools,
    /// What the program needs beside itself, read-only.
    pub read_paths: Vec<PathBuf>,
    /// Directories that look empty inside even where a read path leads to them.
    pub hidden_paths: Vec<PathBuf>,
    /// Of the private directory, and of `/tmp`.
    pub scratch_bytes: u64,
    pub limits: ResourceLimits,
    /// Where the bridge of each new process goes.
    pub bridges: mpsc::Sender<BrokerBridge>,
}

/// The listener inside one process's sandbox: its only way to the broker.
#[derive(Debug)]
pub struct BrokerBridge {
    pub listener: TcpListener,
    /// Cancelled when the process is gone; the listener and its connections are to be dropped then.
    pub closed: CancellationToken,
}

/// Nobody serves bridges any more: the gateway is ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing;

impl Confinement {
    pub(crate) fn broker_base_url(&self) -> String {
        match self {
            Self::Off { broker_base_url } => broker_base_url.clone(),
            Self::Sandbox(_) => format!("http://127.0.0.1:{BRIDGE_PORT}/v1"),
        }
    }

    /// Gives the broker the listener in one process's sandbox, if it has one, until the process is `gone`.
    pub(crate) async fn hand_over(
        &self,
        listener: Option<TcpListener>,
        gone: CancellationToken,
    ) -> Result<(), Closing> {
        let (Some(listener), Self::Sandbox(sandbox)) = (listener, self) else {
            return Ok(());
        };
        let bridge = BrokerBridge {
            listener,
            closed: gone,
        };
        sandbox.bridges.send(bridge).await.map_err(|_| Closing)
    }

    /// The sandbox of one process: its home is in memory, made anew inside.
    pub(crate) fn around(&self, home: &Home) -> Sandbox {
        match self {
            Self::Off { .. } => Sandbox::Off,
            Self::Sandbox(settings) => {
                let private = PrivateDirectory {
                    path: home.path().to_owned(),
                    directories: vec![home.working_dir()],
                    files: home
                        .files()
                        .iter()
                        .map(|file| (file.clone(), file.clone()))
                        .collect(),
                    size_bytes: settings.scratch_bytes,
                };
                settings.sandbox(private, home.path().to_owned(), Some(BRIDGE_PORT))
            }
        }
    }
}

impl SandboxSettings {
    pub(crate) fn sandbox(
        &self,
        private: PrivateDirectory,
        handshake_dir: PathBuf,
        bridge_port: Option<u16>,
    ) -> Sandbox {
        Sandbox::Bubblewrap(Box::new(BubblewrapSpec {
            tools: self.tools.clone(),
            read_paths: self.read_paths.clone(),
            hidden_paths: self.hidden_paths.clone(),
            private,
            binds: Vec::new(),
            handshake_dir,
            bridge_port,
            limits: self.limits,
        }))
    }
}

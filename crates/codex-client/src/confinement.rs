//! The sandbox that Codex processes are started in, and their way to the broker.

use std::net::TcpListener;
use std::path::PathBuf;

use runner::{BubblewrapSpec, PrivateDirectory, ResourceLimits, Sandbox, SandboxTools};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::home::Home;

/// Any port would do: nothing else listens on the sandbox's own loopback.
const BRIDGE_PORT: u16 = 8080;

/// How the processes of a [`CodexClient`](crate::CodexClient) are confined, and where they reach the broker.
#[derive(Clone)]
pub enum Confinement {
    /// No sandbox. The broker listens on this machine's loopback. The URL ends in `/v1`.
    Off {
        broker_base_url: String,
    },
    Sandbox(Box<SandboxSettings>),
}

#[derive(Clone)]
pub struct SandboxSettings {
    pub tools: SandboxTools,
    /// What the program may read beside itself.
    pub read_paths: Vec<PathBuf>,
    /// Directories that look empty inside the sandbox, even if they are below a read path.
    pub hidden_paths: Vec<PathBuf>,
    /// The size of the private directory, and of `/tmp`.
    pub scratch_bytes: u64,
    pub limits: ResourceLimits,
    /// Receives the bridge of each new process.
    pub bridges: mpsc::Sender<BrokerBridge>,
}

/// The listener inside one process's sandbox. It is the process's only way to the broker.
#[derive(Debug)]
pub struct BrokerBridge {
    pub listener: TcpListener,
    /// Cancelled when the process has ended. The receiver then drops the listener and its connections.
    pub closed: CancellationToken,
}

/// No bridge is served any more, because the program is shutting down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing;

impl Confinement {
    pub(crate) fn broker_base_url(&self) -> String {
        match self {
            Self::Off { broker_base_url } => broker_base_url.clone(),
            Self::Sandbox(_) => format!("http://127.0.0.1:{BRIDGE_PORT}/v1"),
        }
    }

    /// Passes the listener in a process's sandbox, if there is one, to the broker. Cancel `gone` when the
    /// process has ended.
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

    /// The sandbox of one process. Inside, the process's home is a directory in memory.
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

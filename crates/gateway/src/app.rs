//! The gateway as a whole: settings → parts → serving → drain.

mod access;
pub(crate) mod skills;
pub(crate) mod state_dir;

pub(crate) use access::open_store;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::skills::{Catalogue, CatalogueError, SandboxParts, WorkspaceError};
use broker::{Broker, BrokerStartError, ProviderSettings};
use codex_client::{
    BrokerBridge, ClientSettings, CodexClient, Confinement, Installation, NotFound, PINNED_VERSION,
    PoolLimits, SandboxSettings,
};
use store::StoreError;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::limits::CallLimits;
use crate::admission::Admission;
use crate::calls::chat::Chat;
use crate::calls::lifecycle::{CallParts, Calls};
use crate::calls::prompt::PromptCaps;
use crate::calls::skills::Skills;
use crate::calls::tool::Tool;
use crate::calls::turn::Turns;
use crate::config::{CodexSettings, PoolSettings, Settings};
use crate::descriptors;
use crate::health::Health;
use crate::http::server::{ConnectionLimits, Transport};
use crate::http::{self, AppState, Bodies, BodyLimits, Parsing};
use crate::sandbox::{self, EstablishError, Established, SandboxContext};
use crate::tls::{Certificates, TlsError};

/// Bytes of an answer for each character it may have, and some more: what may wait unread.
const BYTES_PER_CHAR: usize = 4;

/// Turns that were told to stop get this long, beyond the grace of the kill, to say so.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A gateway whose parts are running and whose port is open.
pub struct App {
    address: SocketAddr,
    listener: TcpListener,
    state: Arc<AppState>,
    client: CodexClient,
    /// With the demo model: the CLI that asks it, for people.
    demo_cli: Option<String>,
    connections: ConnectionLimits,
    transport: Transport,
    kill_grace: Duration,
    shutdown: Shutdown,
}

/// The stages of an end, in their order.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    /// No new work.
    draining: CancellationToken,
    /// Running turns end now.
    stopping: CancellationToken,
    /// Connections and the broker close.
    pub(crate) closing: CancellationToken,
    /// The tasks of calls.
    calls: TaskTracker,
    /// Every other task.
    pub(crate) tasks: TaskTracker,
}

#[derive(Debug, Error)]
pub enum StartError {
    #[error(
        "{address} cannot be listened on: {source}. Is another gateway running? PORTCULLIS_BIND names another address"
    )]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the broker cannot listen on loopback: {0}")]
    BrokerBind(std::io::Error),
    #[error(transparent)]
    Broker(#[from] BrokerStartError),
    #[error("{0}. {advice}", advice = sandbox::remedy::CODEX_PROGRAM)]
    Install(#[from] NotFound),
    #[error(transparent)]
    Sandbox(#[from] EstablishError),
    #[error(
        "the Codex CLI is version {found}, not the pinned {PINNED_VERSION}, and CODEX_VERSION_STRICT is set: run `make codex`, or name another program in CODEX_BIN"
    )]
    Version { found: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Skills(#[from] CatalogueError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error("{} cannot be used for the state of Codex processes: {source}. CODEX_STATE_DIR names another directory", path.display())]
    StateDir {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl App {
    /// Opens the port and starts the parts. `search_path` is where `codex` is looked for when it is
    /// neither configured nor installed. `launcher` is the file of the program `portcullis`, which is
    /// also the first one in every sandbox.
    pub async fn start(
        settings: Settings,
        search_path: &OsStr,
        launcher: &Path,
    ) -> Result<Self, StartError> {
        let shutdown = Shutdown::default();
        let connections = descriptors::connection_limits(&settings);
        let transport = transport(&settings)?;
        let address = settings.server.bind;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Bind { address, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Bind { address, source })?;
        let state_dir = settings.codex.state_dir.as_deref();
        let state_dir = state_dir::choose(state_dir, &settings.server.data_dir);
        let roots = install_roots();
        let program = codex_client::locate(settings.codex.bin.as_deref(), &roots, search_path)?;
        let catalogue = Catalogue::read(&settings.skills.dir)?;
        let store = access::open_store(&settings).await?;
        let authenticator = access::authenticator(&settings, &store, &shutdown).await?;
        let authenticator = Arc::new(authenticator);
        let limits = access::limits(&settings, &store, &shutdown);
        let Established {
            installation,
            status,
            sandbox,
        } = sandbox::establish(SandboxContext {
            settings: &settings.codex,
            program,
            launcher,
            roots: &roots,
            search_path,
            state_dir: &state_dir,
            data_dir: &settings.server.data_dir,
            redactor: &settings.redactor,
            tasks: &shutdown.tasks,
        })
        .await?;
        check_version(&settings.codex, &installation)?;
        let closing = shutdown.closing.clone();
        let redactor = settings.redactor.clone();
        let broker = Broker::start(&settings.provider, redactor, &shutdown.tasks, closing)?;
        let sandbox_parts = sandbox.as_ref().map(|(sandbox, _)| SandboxParts {
            tools: sandbox.tools.clone(),
            handshake_dir: state_dir.clone(),
        });
        let hidden = [state_dir.as_path(), &settings.server.data_dir];
        let skills = skills::environment(&settings, &installation, sandbox_parts, &hidden, &roots);
        let confinement = confine(sandbox, &broker, &settings.codex.pool, &shutdown).await?;
        let client = start_client(&settings, &installation, state_dir, confinement, &shutdown)?;
        let admission = Admission::new(settings.limits.clone(), shutdown.draining.clone());
        let turns = Turns {
            broker,
            client: client.clone(),
            driver: installation.driver.clone(),
            timeout: settings.chat.timeout,
            names_callers: settings.access.safety_identifier,
        };
        let driver = installation.driver.clone();
        let skills = skills::start(&settings, catalogue, skills, driver, &shutdown).await?;
        let calls = start_calls(
            &settings,
            turns,
            skills.clone(),
            admission.clone(),
            limits.clone(),
            &shutdown,
        );
        let health = Health {
            installation,
            client: client.clone(),
            admission,
            authenticator: Arc::clone(&authenticator),
            sandbox: status,
        };
        let state = Arc::new(AppState {
            authenticator,
            limits,
            calls,
            skills,
            health,
            bodies: Bodies::new(BodyLimits {
                max_bytes: settings.server.max_body_bytes,
                min_bytes_per_sec: settings.server.min_body_rate,
            }),
            parsing: Parsing::new(settings.chat.timeout, shutdown.tasks.clone()),
            redactor: settings.redactor,
            chat_settings: settings.chat,
            settings: settings.server,
        });
        Ok(Self {
            address,
            listener,
            state,
            client,
            demo_cli: demo_cli(&settings.provider, settings.codex.bin.as_deref()),
            connections,
            transport,
            kill_grace: settings.codex.kill_grace,
            shutdown,
        })
    }

    /// Where calls are taken; with port 0 in the settings, the port that the system gave.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn skills(&self) -> &Skills {
        &self.state.skills
    }

    /// With TLS, what is shown to callers.
    pub fn certificates(&self) -> Option<&Certificates> {
        match &self.transport {
            Transport::Tls(certificates) => Some(certificates),
            Transport::Plain | Transport::PlainWithHttp2 => None,
        }
    }

    pub fn client(&self) -> &CodexClient {
        &self.client
    }

    /// What to try first.
    pub fn greeting(&self) -> String {
        let scheme = self.certificates().map_or("http", |_| "https");
        let url = format!("{scheme}://{}", self.address);
        let model = self.demo_cli.as_ref().map_or_else(String::new, |cli| {
            format!(
                "The demo model answers: {cli} runs, nothing leaves this machine.\n\
                 Set OPENAI_API_KEY and start again to ask a real one.\n"
            )
        });
        let skill = match self.state.skills.example() {
            Some(body) => format!(
                "  curl {url}/chat -H 'Content-Type: application/json' \\\n       -d '{body}'\n\n"
            ),
            None => String::new(),
        };
        format!(
            "Portcullis listens on {url}\n{model}\n  \
             curl -N {url}/chat -H 'Content-Type: application/json' \\\n       \
             -d '{{\"message\": \"What does a portcullis do?\"}}'\n\n{skill}"
        )
    }

    /// Serves until `stop` is ready, then drains: no new work, running turns get their time, what is
    /// left is ended with a clean error, and no process stays behind.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            state,
            client,
            shutdown,
            kill_grace,
            connections,
            transport,
            ..
        } = self;
        let drain = state.settings.drain;
        if let Transport::Tls(certificates) = &transport {
            let closing = shutdown.closing.clone();
            shutdown
                .tasks
                .spawn(certificates.clone().follow_files(closing));
        }
        let serving = shutdown.tasks.spawn({
            let tasks = shutdown.tasks.clone();
            let closing = shutdown.closing.clone();
            let service = http::server::Service {
                transport,
                redactor: state.redactor.clone(),
                router: http::router(state),
            };
            async move {
                http::server::serve(listener, service, connections, &tasks, closing).await;
            }
        });
        stop.await;

        tracing::info!(
            drain_sec = drain.as_secs(),
            calls = shutdown.calls.len(),
            "draining"
        );
        shutdown.draining.cancel();
        shutdown.calls.close();
        if timeout(drain, shutdown.calls.wait()).await.is_err() {
            tracing::warn!(
                calls = shutdown.calls.len(),
                "the drain time is over: ending what runs"
            );
        }
        shutdown.stopping.cancel();
        let _ = timeout(FLUSH_TIMEOUT, shutdown.calls.wait()).await;
        shutdown.closing.cancel();
        let _ = serving.await;
        client.shutdown().await;
        shutdown.tasks.close();
        if timeout(kill_grace + FLUSH_TIMEOUT, shutdown.tasks.wait())
            .await
            .is_err()
        {
            tracing::error!(tasks = shutdown.tasks.len(), "some tasks did not end");
        }
        tracing::info!("stopped");
    }
}

fn transport(settings: &Settings) -> Result<Transport, TlsError> {
    Ok(match &settings.tls {
        Some(files) => Transport::Tls(Certificates::load(files.clone())?),
        None if settings.server.h2c => Transport::PlainWithHttp2,
        None => Transport::Plain,
    })
}

fn start_calls(
    settings: &Settings,
    turns: Turns,
    skills: Skills,
    admission: Admission,
    limits: CallLimits,
    shutdown: &Shutdown,
) -> Calls {
    let model = settings.provider.model().to_owned();
    let chat = Chat {
        settings: settings.chat.clone(),
        model: model.clone(),
        redactor: settings.redactor.clone(),
        turns: turns.clone(),
        skills: skills.clone(),
        tasks: shutdown.tasks.clone(),
    };
    let tool = Tool {
        skills,
        turns,
        model,
        caps: PromptCaps {
            max_message_chars: settings.chat.max_input_chars,
            max_context_chars: settings.chat.max_context_chars,
        },
        tasks: shutdown.tasks.clone(),
    };
    Calls::new(CallParts {
        chat,
        tool,
        admission,
        limits,
        timeout: settings.chat.timeout,
        tasks: shutdown.calls.clone(),
        stopping: shutdown.stopping.clone(),
    })
}

/// What the greeting calls the CLI: one that `CODEX_BIN` names may be any program.
fn demo_cli(provider: &ProviderSettings, named: Option<&Path>) -> Option<String> {
    let cli = named.map(|program| program.display().to_string());
    matches!(provider, ProviderSettings::Demo)
        .then(|| cli.unwrap_or_else(|| "the real Codex CLI".to_owned()))
}

fn check_version(settings: &CodexSettings, installation: &Installation) -> Result<(), StartError> {
    let (program, version) = (installation.program.display(), &installation.version);
    let driver = installation.driver.name();
    if installation.is_expected() {
        tracing::info!(%program, %version, driver, "codex found");
    } else if settings.version_strict {
        return Err(StartError::Version {
            found: version.clone(),
        });
    } else {
        tracing::warn!(%program, %version, driver, pinned = PINNED_VERSION, "codex is not the pinned version");
    }
    Ok(())
}

/// Where `codex/node_modules` may lie: here, or above the program itself (`target/release/…`).
pub(crate) fn install_roots() -> Vec<PathBuf> {
    let here = std::env::current_dir().into_iter();
    let program = std::env::current_exe().unwrap_or_default();
    here.chain(program.ancestors().skip(1).take(3).map(PathBuf::from))
        .collect()
}

/// Makes the broker reachable: through a bridge out of each sandbox, or on loopback for who has none.
pub(crate) async fn confine(
    sandbox: Option<(SandboxSettings, mpsc::Receiver<BrokerBridge>)>,
    broker: &Broker,
    pool: &PoolSettings,
    shutdown: &Shutdown,
) -> Result<Confinement, StartError> {
    let turns = pool.turns_per_process;
    let Some((settings, bridges)) = sandbox else {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(StartError::BrokerBind)?;
        let address = listener.local_addr().map_err(StartError::BrokerBind)?;
        let turns = turns.saturating_mul(pool.max_processes);
        broker.serve(listener, turns, shutdown.closing.clone());
        let broker_base_url = format!("http://{address}/v1");
        return Ok(Confinement::Off { broker_base_url });
    };
    let closing = shutdown.closing.clone();
    let serving = serve_bridges(broker.clone(), turns, bridges);
    shutdown.tasks.spawn(async move {
        tokio::select! {
            () = closing.cancelled() => {}
            () = serving => {}
        }
    });
    Ok(Confinement::Sandbox(Box::new(settings)))
}

async fn serve_bridges(broker: Broker, turns: usize, mut bridges: mpsc::Receiver<BrokerBridge>) {
    while let Some(bridge) = bridges.recv().await {
        match TcpListener::from_std(bridge.listener) {
            Ok(listener) => broker.serve(listener, turns, bridge.closed),
            Err(error) => tracing::error!(%error, "a sandbox's bridge cannot be served"),
        }
    }
}

pub(crate) fn start_client(
    settings: &Settings,
    installation: &Installation,
    state_dir: PathBuf,
    confinement: Confinement,
    shutdown: &Shutdown,
) -> Result<CodexClient, StartError> {
    let codex = &settings.codex;
    let client = ClientSettings {
        program: installation.program.clone(),
        search_path: installation.search_path.clone(),
        driver: installation.driver.clone(),
        state_dir: state_dir.clone(),
        model: settings.provider.model().to_owned(),
        confinement,
        kill_grace: codex.kill_grace,
        max_unread_bytes: settings
            .chat
            .max_output_chars
            .saturating_mul(BYTES_PER_CHAR)
            + 64 * 1024,
        pool: PoolLimits {
            max_processes: codex.pool.max_processes,
            turns_per_process: codex.pool.turns_per_process,
            max_turns: codex.pool.max_turns,
            max_age: codex.pool.max_age,
            max_rss_bytes: codex.pool.max_rss_bytes,
        },
        max_turn_processes: settings.limits.max_concurrent_turns,
    };
    CodexClient::start(client, &shutdown.tasks).map_err(|source| StartError::StateDir {
        path: state_dir,
        source,
    })
}

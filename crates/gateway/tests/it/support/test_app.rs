//! A gateway in this process, as `portcullis serve` makes it, with directories of its own.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use codex_client::{ClientStatus, CodexClient, PoolStatus};
use gateway::app::App;
use gateway::calls::skills::Skills;
use gateway::config::{self, Environment, Overrides};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::subscriber::DefaultGuard;

use crate::support::caller::{Answer, Exchange, Frame, head};
use crate::support::captured_log::CapturedLog;
use crate::support::codex;
use crate::support::provider::MockProvider;
use crate::support::world::{in_time, processes_of, sandbox_is_usable, until};

pub(crate) const KEY: &str = "sk-the-real-key";
pub(crate) const MODEL: &str = "gpt-4o-mini";

pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) client: CodexClient,
    pub(crate) skills: Skills,
    pub(crate) log: CapturedLog,
    pub(crate) directory: TempDir,
    state_dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _capturing: DefaultGuard,
}

impl TestApp {
    /// With the real CLI; its model calls go to `provider`.
    pub(crate) async fn with_real_codex(
        provider: &MockProvider,
        settings: &[(&str, &str)],
    ) -> Self {
        let base = [("OPENAI_BASE_URL", provider.base_url.as_str())];
        let directory = tempfile::tempdir().unwrap();
        Self::start(directory, &codex::real(), &[&base, settings].concat()).await
    }

    /// With the fake CLI, set up by `startup`. It makes no model calls.
    pub(crate) async fn with_fake_codex(startup: &str, settings: &[(&str, &str)]) -> Self {
        let directory = codex::directory();
        let program = codex::fake(directory.path(), startup);
        Self::start(directory, &program, settings).await
    }

    /// With the example of a company's own CLI; its model calls go to `provider`.
    pub(crate) async fn with_company_cli(
        provider: &MockProvider,
        settings: &[(&str, &str)],
    ) -> Self {
        let base = [("OPENAI_BASE_URL", provider.base_url.as_str())];
        let directory = tempfile::tempdir().unwrap();
        Self::start(directory, &codex::company(), &[&base, settings].concat()).await
    }

    /// One process at most, so that a test knows which; a grace that nobody has to wait for long.
    async fn start(directory: TempDir, program: &Path, settings: &[(&str, &str)]) -> Self {
        let log = CapturedLog::default();
        let capturing = log.start();
        let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let data_dir = directory.path().join("data");
        let bubblewrap = codex::bubblewrap();
        let sandbox = if sandbox_is_usable() {
            "required"
        } else {
            "off"
        };
        let base = [
            ("PORTCULLIS_SANDBOX", sandbox),
            ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
            ("PORTCULLIS_BIND", "127.0.0.1:0"),
            ("PORTCULLIS_DATA_DIR", data_dir.to_str().unwrap()),
            ("CODEX_STATE_DIR", state_dir.path().to_str().unwrap()),
            ("CODEX_BIN", program.to_str().unwrap()),
            ("CODEX_KILL_GRACE_SEC", "1"),
            ("CODEX_POOL_MAX_PROCESSES", "1"),
            ("OPENAI_API_KEY", KEY),
            ("OPENAI_MODEL", MODEL),
        ];
        let environment: Environment = base.iter().chain(settings).copied().collect();
        let loaded = config::load(&environment, &Overrides::default()).unwrap();
        let launcher = Path::new(env!("CARGO_BIN_EXE_portcullis"));
        let starting = Box::pin(App::start(loaded.settings, OsStr::new(""), launcher));
        let app = in_time("the start", starting).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let address = app.address();
        let client = app.client().clone();
        let skills = app.skills().clone();
        let running =
            TaskTracker::new().spawn(app.run(async { stopped.await.unwrap_or_default() }));
        Self {
            address,
            client,
            skills,
            log,
            directory,
            state_dir,
            stop: Some(stop),
            running,
            _capturing: capturing,
        }
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state_dir.path().to_owned()
    }

    /// Sends `POST /chat` and does not wait for anything.
    pub(crate) async fn send(&self, body: &Value) -> Exchange {
        self.send_with(&[], body.to_string()).await
    }

    pub(crate) async fn send_with(
        &self,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Exchange {
        let length = body.as_ref().len().to_string();
        let own = [
            ("Content-Type", "application/json"),
            ("Content-Length", length.as_str()),
        ];
        let overridden = |(name, _): &(&str, &str)| {
            !headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        let own: Vec<_> = own.into_iter().filter(overridden).collect();
        let head = head("POST /chat", self.address, &[headers, &own].concat());
        let mut exchange = Exchange::open(self.address).await;
        exchange.send(head).await;
        exchange.send_as_far_as_it_goes(body).await;
        exchange
    }

    /// One whole JSON answer.
    pub(crate) async fn ask(&self, message: &str) -> Answer {
        self.send(&json!({ "message": message, "stream": false }))
            .await
            .answer()
            .await
    }

    /// One whole streamed answer.
    pub(crate) async fn stream(&self, message: &str) -> Vec<Frame> {
        self.send(&json!({ "message": message }))
            .await
            .frames()
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let mut exchange = Exchange::open(self.address).await;
        exchange
            .send(head(&format!("GET {path}"), self.address, &[]))
            .await;
        exchange.answer().await
    }

    /// The process ids of the pool, once there is one.
    pub(crate) async fn pids(&self) -> Vec<u32> {
        until("a process", || self.client.status().is_ready()).await;
        self.client.process_ids()
    }

    /// Of the driver `app-server`.
    pub(crate) fn pool(&self) -> PoolStatus {
        match self.client.status() {
            ClientStatus::Pool(pool) => pool,
            ClientStatus::PerTurn { .. } => panic!("there is no pool"),
        }
    }

    pub(crate) async fn is_idle(&self) {
        until("the end of every turn", || {
            self.client.status().active_turns() == 0
        })
        .await;
    }

    /// Says that it is time to end, as SIGTERM does.
    pub(crate) fn begin_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Stops, if that has not begun, and looks whether anything is left.
    pub(crate) async fn stop(mut self) {
        if self.stop.is_some() {
            self.begin_to_stop();
        }
        in_time("the end of the gateway", &mut self.running)
            .await
            .unwrap();
        assert_eq!(
            processes_of(self.state_dir.path()),
            [0_u32; 0],
            "processes are left"
        );
        let left: Vec<_> = fs::read_dir(self.state_dir.path())
            .unwrap()
            .flatten()
            .collect();
        assert!(left.is_empty(), "files are left: {left:?}");
        let log = self.log.text();
        assert!(
            !log.contains(KEY),
            "the provider's key is in the log: {log}"
        );
    }
}

//! Where a secret could come out.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::caller::Exchange;
use crate::support::codex;
use crate::support::provider::MockProvider;
use crate::support::running::Running;
use crate::support::world::{PATIENCE, in_time};

/// What all of them have in common; 34 of the 36 characters behind the prefix of such a token.
const CORE: &str = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z";

/// The secret that is planted in this place.
pub(super) fn secret(place: u8) -> String {
    assert!(place < 100);
    format!("gh{}_{place:02}{CORE}", 'p')
}

/// Of another kind, whose characters can stand in a version.
pub(super) fn secret_without_underscore() -> String {
    format!("gl{}-{}", "pat", &CORE[..20])
}

/// A secret in `bytes`, whole or in half, and what stands around it.
pub(super) fn leak(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_lowercase();
    let core = CORE.to_lowercase();
    let found = [&core[..10], &core[12..22], &core[24..]]
        .iter()
        .find_map(|part| lower.find(part))?;
    let mut starts = lower[..found].char_indices().map(|(at, _)| at);
    let start = starts.nth_back(80).unwrap_or(0);
    Some(lower[start..].chars().take(240).collect())
}

/// A gateway whose every word is kept.
pub(super) struct Canary {
    served: Running,
    kept: Vec<(String, Vec<u8>)>,
    directory: TempDir,
    state_dir: TempDir,
    log: PathBuf,
}

impl Canary {
    pub(super) fn start(
        provider: &MockProvider,
        program: &Path,
        settings: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let data_dir = directory.path().join("data");
        let log = directory.path().join("log");
        let bubblewrap = codex::bubblewrap();
        let base = [
            ("PORTCULLIS_BIND", "127.0.0.1:0"),
            ("PORTCULLIS_DATA_DIR", data_dir.to_str().unwrap()),
            (
                "PORTCULLIS_LOG",
                "info,gateway=trace,broker=trace,codex_client=trace,runner=trace",
            ),
            ("CODEX_STATE_DIR", state_dir.path().to_str().unwrap()),
            ("CODEX_BIN", program.to_str().unwrap()),
            ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
            ("CODEX_TIMEOUT_SEC", "5"),
            ("OPENAI_API_KEY", "sk-the-real-key"),
            ("OPENAI_MODEL", "gpt-4o-mini"),
            ("OPENAI_BASE_URL", provider.base_url.as_str()),
        ];
        let file = File::create(&log).unwrap();
        let served = Running::serve_for_real(file, &[&base, settings].concat());
        Self {
            served,
            kept: Vec::new(),
            directory,
            state_dir,
            log,
        }
    }

    pub(super) fn keep(&mut self, name: &str, bytes: Vec<u8>) {
        self.kept.push((name.to_owned(), bytes));
    }

    /// Sends bytes as they are, and keeps what comes back until the connection closes.
    pub(super) async fn raw(&mut self, name: &str, request: &[u8]) {
        let mut exchange = Exchange::open(self.served.address()).await;
        exchange.send_as_far_as_it_goes(request).await;
        let answer = timeout(PATIENCE, exchange.closed()).await;
        self.keep(name, answer.unwrap_or_default());
    }

    pub(super) async fn get(&mut self, path: &str) {
        let answer = self.served.get(path).await;
        self.keep(path, answer.to_string().into_bytes());
    }

    pub(super) async fn send(&self, body: &Value) -> Exchange {
        self.served.post(body).await
    }

    pub(super) async fn post(&mut self, name: &str, body: &Value) {
        let asking = self.send(body).await;
        self.keep_answer(name, asking).await;
    }

    /// Heads and all.
    pub(super) async fn keep_answer(&mut self, name: &str, asking: Exchange) {
        let answer = in_time("the answer", asking.answer()).await;
        let headers = format!("{} {:?}\n", answer.status, answer.headers);
        self.keep(name, [headers.into_bytes(), answer.body].concat());
    }

    /// Has every model call of one chat answered in the same way, until the chat is answered.
    pub(super) async fn answered_with(
        &mut self,
        provider: &mut MockProvider,
        answer: &[u8],
        name: &str,
        asking: Exchange,
    ) {
        let keeping = self.keep_answer(name, asking);
        tokio::pin!(keeping);
        loop {
            tokio::select! {
                () = &mut keeping => return,
                call = provider.next_call() => {
                    call.raw_and_close(answer).await;
                }
            }
        }
    }

    /// Ends the gateway, and looks everywhere.
    pub(super) async fn stop(mut self) {
        let health = self.served.readiness().await;
        self.keep("/readyz", health.to_string().into_bytes());
        let mut kept = std::mem::take(&mut self.kept);
        let while_it_runs = files_below(self.state_dir.path());
        kept.extend(while_it_runs);
        self.served.terminate().await;
        kept.extend(files_below(self.directory.path()));
        kept.extend(files_below(self.state_dir.path()));
        let log = fs::read_to_string(&self.log).unwrap();
        assert!(log.contains("\"stopped\""), "{log}");
        let leaks: Vec<_> = kept
            .iter()
            .filter_map(|(name, bytes)| Some((name, leak(bytes)?)))
            .collect();
        let leaks = leaks
            .iter()
            .map(|(name, around)| json!({ "in": name, "around": around }));
        let leaks: Vec<_> = leaks.collect();
        assert!(leaks.is_empty(), "{:#}", json!(leaks));
    }
}

fn files_below(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            let name = path.display().to_string();
            files.push((
                name.clone(),
                [name.into_bytes(), fs::read(&path).unwrap_or_default()].concat(),
            ));
        }
    }
    files
}

//! What the gateway adds, or saves, until the first token: `make bench`.
//!
//! Three ways to ask the same question of the same Codex CLI and the same model on loopback, in turn
//! within one run, so that a noisy machine is noisy for all:
//!
//! - gateway: `POST /chat` of the built program, streamed, on a kept-alive connection;
//! - bare: a client of `codex app-server` that starts a thread for each turn;
//! - process: `codex exec`, one process a question.
//!
//! Times are from the first byte sent to the first byte of the first delta (for `exec`, which has no
//! deltas, of the finished message). Prints medians, 95th percentiles and ratios, and fails if the
//! ratio to the bare client is over its limit.

mod bare;
mod gateway;
mod model;
mod process;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Questions that are not counted: they fill caches, pools and prepared threads.
const WARM_UP: usize = 8;
const ROUNDS: usize = 80;
/// A process a question is slow, and its times hardly vary.
const PROCESS_ROUNDS: usize = 12;

/// Between two questions, so that neither pays for the other's tidying up.
const PAUSE: Duration = Duration::from_millis(60);

/// The most that the median may be: this many times the bare client's, plus the milliseconds.
const LIMIT_RATIO: f64 = 1.15;
const LIMIT_EXTRA_MS: f64 = 3.0;

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let program =
        codex_client::locate(None, &[workspace_root()], "".as_ref()).map_err(io::Error::other)?;
    let model = model::start().await?;
    let scratch = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(memory_backed_dir())?;
    let mut bare = bare::Client::start(&program, &model, scratch.path()).await?;
    let state_dir = scratch.path().join("gateway");
    let mut gateway = gateway::Client::start(&program, &model, &state_dir, "auto").await?;
    let process = process::Client::new(&program, &model, scratch.path())?;

    let (mut bare_ms, mut gateway_ms, mut process_ms) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let through_gateway = gateway.ask().await?;
        tokio::time::sleep(PAUSE).await;
        let through_bare = bare.ask().await?;
        tokio::time::sleep(PAUSE).await;
        if round >= WARM_UP {
            gateway_ms.push(milliseconds(through_gateway));
            bare_ms.push(milliseconds(through_bare));
        }
    }
    for _ in 0..PROCESS_ROUNDS {
        process_ms.push(milliseconds(process.ask().await?));
    }
    gateway.stop().await?;
    report(gateway_ms, bare_ms, process_ms)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark may wait for who reads its report"
)]
fn report(gateway: Vec<f64>, bare: Vec<f64>, process: Vec<f64>) -> io::Result<ExitCode> {
    let (gateway, bare, process) = (Spread::of(gateway), Spread::of(bare), Spread::of(process));
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "first token, ms             median     p95   of bare (median)"
    )?;
    for (name, spread) in [("gateway", gateway), ("bare", bare), ("process", process)] {
        writeln!(
            out,
            "{name:<24} {:>9.1} {:>7.1} {:>9.2}",
            spread.median,
            spread.p95,
            spread.median / bare.median
        )?;
    }
    writeln!(
        out,
        "gateway against a process a question: {:.1} times as fast",
        process.median / gateway.median
    )?;
    let within = |gateway: f64, bare: f64| gateway <= LIMIT_RATIO * bare + LIMIT_EXTRA_MS;
    let passed = within(gateway.median, bare.median);
    let verdict = if passed { "within" } else { "OVER" };
    writeln!(
        out,
        "limit {LIMIT_RATIO} x bare + {LIMIT_EXTRA_MS} ms: {verdict}"
    )?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    p95: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |per_cent: usize| values[(values.len() - 1) * per_cent / 100];
        Self {
            median: at(50),
            p95: at(95),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn workspace_root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The bare client's state lies where the gateway's does: the comparison is about the rest.
fn memory_backed_dir() -> PathBuf {
    let shared_memory = PathBuf::from("/dev/shm");
    if shared_memory.is_dir() {
        shared_memory
    } else {
        std::env::temp_dir()
    }
}

/// The lean profile, written here once more on purpose: the comparison must not change when the
/// product's does. Shared by the bare client and by `exec`.
fn lean_config(model_address: &str) -> String {
    format!(
        r#"model = "bench-model"
model_provider = "local"
approval_policy = "never"
sandbox_mode = "read-only"
web_search = "disabled"
include_permissions_instructions = false
include_environment_context = false
include_apps_instructions = false
project_doc_max_bytes = 0
check_for_update_on_startup = false
[analytics]
enabled = false
[agents]
enabled = false
[skills.bundled]
enabled = false
[model_providers.local]
name = "local"
base_url = "http://{model_address}/v1"
wire_api = "responses"
supports_websockets = false
request_max_retries = 0
stream_max_retries = 0
[features]
apps = false
browser_use = false
code_mode_host = false
computer_use = false
goals = false
hooks = false
image_generation = false
plugins = false
shell_snapshot = false
shell_tool = false
skill_search = false
sleep_tool = false
tool_suggest = false
unbounded_connection_retries = false
unified_exec = false
view_image = false
"#
    )
}

const QUESTION: &str = "What does a portcullis do?";

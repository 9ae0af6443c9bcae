//! What the sandbox costs: `make bench`.
//!
//! Two pairs, each in turn within one run, so that a noisy machine is noisy for both:
//!
//! - cold: from nothing to a Codex process with a thread that waits for its turn;
//! - warm: `POST /chat` of the built program until the first token, on a kept-alive connection.
//!
//! Prints medians and ratios. Fails if a cold start costs more than its limit over the bare process, or a
//! warm turn more than the noise.

#[path = "../first_token/gateway.rs"]
mod gateway;
#[path = "../first_token/model.rs"]
mod model;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use codex_client::{
    ClientSettings, CodexClient, Confinement, Driver, PoolLimits, SandboxSettings, ThreadProfile,
    packaged_bubblewrap,
};
use runner::{Deadline, Launcher, ResourceLimits, SandboxTools};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

const QUESTION: &str = "What does a portcullis do?";

const COLD_ROUNDS: usize = 20;
const WARM_UP: usize = 8;
const WARM_ROUNDS: usize = 80;
/// Between two questions, so that neither pays for the other's tidying up.
const PAUSE: Duration = Duration::from_millis(40);

/// Issue 4: a cold start at most this much over the bare process.
const COLD_LIMIT_MS: f64 = 60.0;
/// A warm turn crosses the same loopback, only in another namespace.
const WARM_LIMIT_RATIO: f64 = 1.1;

const MEBIBYTE: u64 = 1024 * 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark may wait for who reads its report"
)]
#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let program = codex_client::locate(None, &[root], "".as_ref()).map_err(io::Error::other)?;
    let scratch = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(memory_backed_dir())?;

    // As in the gateway, all sandboxes have one.
    let launcher = Launcher::new(Path::new(env!("CARGO_BIN_EXE_portcullis")));
    let launcher = launcher.map_err(io::Error::other)?;

    let (mut bare, mut inside) = (Vec::new(), Vec::new());
    for round in 0..=COLD_ROUNDS {
        let state_dir = scratch.path().join("cold");
        let off = Confinement::Off {
            broker_base_url: "http://127.0.0.1:9/v1".to_owned(),
        };
        let outside_ms = cold_start(&program, &state_dir, off).await?;
        let (sandbox, _bridges) = sandbox(&program, &launcher)?;
        let inside_ms = cold_start(&program, &state_dir, sandbox).await?;
        // The first one reads the program from the disk.
        if round > 0 {
            bare.push(outside_ms);
            inside.push(inside_ms);
        }
    }
    let cold = report("cold start", bare, inside)?;

    let model = model::start().await?;
    let start = async |mode: &str| {
        let state_dir = scratch.path().join(mode);
        gateway::Client::start(&program, &model, &state_dir, mode).await
    };
    let (mut outside, mut sandboxed) = (start("off").await?, start("required").await?);
    let (mut bare, mut inside) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + WARM_ROUNDS {
        let outside_ms = milliseconds(outside.ask().await?);
        tokio::time::sleep(PAUSE).await;
        let inside_ms = milliseconds(sandboxed.ask().await?);
        tokio::time::sleep(PAUSE).await;
        if round >= WARM_UP {
            bare.push(outside_ms);
            inside.push(inside_ms);
        }
    }
    outside.stop().await?;
    sandboxed.stop().await?;
    let warm = report("warm first token", bare, inside)?;

    let passed =
        cold.inside - cold.bare <= COLD_LIMIT_MS && warm.inside <= WARM_LIMIT_RATIO * warm.bare;
    let verdict = if passed { "within" } else { "OVER" };
    writeln!(
        io::stdout(),
        "limits: cold + {COLD_LIMIT_MS} ms, warm x {WARM_LIMIT_RATIO}: {verdict}"
    )?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Medians {
    bare: f64,
    inside: f64,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark may wait for who reads its report"
)]
fn report(name: &str, bare: Vec<f64>, inside: Vec<f64>) -> io::Result<Medians> {
    let (bare, inside) = (median(bare), median(inside));
    writeln!(
        io::stdout(),
        "{name:<18} bare {bare:>7.1} ms   in the sandbox {inside:>7.1} ms   ratio {:.2}",
        inside / bare
    )?;
    Ok(Medians { bare, inside })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Milliseconds until a turn could begin.
async fn cold_start(program: &Path, state_dir: &Path, confinement: Confinement) -> io::Result<f64> {
    let settings = ClientSettings {
        program: program.to_owned(),
        search_path: runner::search_path(program, &[]),
        driver: Driver::AppServer,
        state_dir: state_dir.to_owned(),
        model: "bench-model".to_owned(),
        confinement,
        kill_grace: Duration::from_secs(1),
        max_unread_bytes: 1024 * 1024,
        pool: PoolLimits {
            max_processes: 1,
            turns_per_process: 1,
            max_turns: 100,
            max_age: Duration::from_mins(10),
            max_rss_bytes: 1024 * MEBIBYTE,
        },
        max_turn_processes: 1,
    };
    let begun = Instant::now();
    let client = CodexClient::start(settings, &TaskTracker::new())?;
    let lease = client
        .lease(
            "bench",
            &ThreadProfile::default(),
            Deadline::after(Duration::from_secs(30)),
        )
        .await
        .map_err(io::Error::other)?;
    let elapsed = milliseconds(begun.elapsed());
    drop(lease);
    client.shutdown().await;
    Ok(elapsed)
}

type Bridges = mpsc::Receiver<codex_client::BrokerBridge>;

/// As the gateway makes it by default. The bridges must be kept.
fn sandbox(program: &Path, launcher: &Launcher) -> io::Result<(Confinement, Bridges)> {
    let missing = || io::Error::other("there is no bubblewrap: run `make codex`");
    let (bridges, waiting) = mpsc::channel(4);
    let packaged = packaged_bubblewrap(program, &[]);
    let bubblewrap = runner::find_bubblewrap(None, packaged, "".as_ref());
    let settings = SandboxSettings {
        tools: SandboxTools {
            bubblewrap: bubblewrap.ok_or_else(missing)?,
            launcher: launcher.clone(),
            control_groups: None,
        },
        read_paths: runner::read_paths(program),
        hidden_paths: Vec::new(),
        scratch_bytes: 64 * MEBIBYTE,
        limits: ResourceLimits {
            memory_bytes: 4096 * MEBIBYTE,
            address_space_bytes: 4096 * MEBIBYTE,
            processes: 512,
            open_files: 512,
            file_size_bytes: 32 * MEBIBYTE,
            cpu_sec: 600,
        },
        bridges,
    };
    Ok((Confinement::Sandbox(Box::new(settings)), waiting))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn memory_backed_dir() -> PathBuf {
    let shared_memory = PathBuf::from("/dev/shm");
    if shared_memory.is_dir() {
        shared_memory
    } else {
        std::env::temp_dir()
    }
}

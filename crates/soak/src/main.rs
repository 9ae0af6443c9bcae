//! `make soak`: load and faults on the built gateway.
//!
//! Many turns run on the real Codex CLI and a model on loopback, eight at once. 10 % of the callers leave at
//! a random time, 5 % meet their deadline, and beside 2 % of the turns a Codex process is killed from
//! outside. For 15 % of the turns the provider fails or stalls, and for the last quarter of the run the log
//! has no reader. Every request must have exactly one outcome, one that its plan allows. No process and no
//! descriptor may be left, and memory must not grow.
//!
//! A seed, printed at the start, decides the plan. The machine's timing is not repeated.

mod answer;
mod caller;
mod gateway;
mod model;
mod plan;
mod processes;
mod random;
mod report;
mod verdict;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use caller::Exchange;
use gateway::Gateway;
use model::Model;
use plan::TurnPlan;
use random::Random;
use report::{Course, print};
use verdict::Evidence;

/// Turns at once.
const IN_FLIGHT: usize = 8;

/// Quiet moments in a run, at which the gateway is looked at. From the fifth part of a run on, which
/// fills pools and caches, it must not grow.
const MOMENTS: usize = 20;
const MOMENTS_UNTIL_WARM: usize = 4;

/// From here on the log has no reader. Nothing else may change.
const MOMENT_WITHOUT_LOG: usize = 15;

/// For the whole run, beyond which it has failed: some, and so much for each turn.
const LONGEST_RUN: Duration = Duration::from_mins(2);
const LONGEST_TURN: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Arguments {
    /// Turns; at least as many as there are quiet moments.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    turns: u32,
    /// Decides the plan; without it, another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// What `CODEX_DRIVER` is set to.
    #[arg(long, default_value = "auto")]
    driver: String,
    /// What `PORTCULLIS_SANDBOX` is set to.
    #[arg(long, default_value = "auto")]
    sandbox: String,
}

#[tokio::main]
async fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let turns = usize::try_from(arguments.turns).map_err(io::Error::other)?;
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => u64::from(getrandom::u32().map_err(io::Error::other)?),
    };
    let program = codex_client::locate(None, &[workspace_root()], "".as_ref());
    let program = program.map_err(io::Error::other)?;
    let plan = plan::plan(turns, &mut Random::new(seed));
    let tasks = TaskTracker::new();
    let model = Model::start(plan.clone(), &tasks).await?;
    let Arguments {
        driver, sandbox, ..
    } = &arguments;
    let gateway = Gateway::start(&program, model.address, driver, sandbox).await?;
    print(&format!(
        "soak: {turns} turns, {IN_FLIGHT} at once, seed {seed}; driver {driver}; sandbox: {}\n",
        gateway.readiness("sandbox").await?
    ))?;

    let limit = LONGEST_RUN + LONGEST_TURN * arguments.turns;
    let mut course = Course::new(turns);
    let mut evidence = Evidence {
        exchanges: Vec::with_capacity(turns),
        calls: Vec::new(),
        crashes: Vec::new(),
        log: Vec::new(),
        log_ended: None,
    };
    let running = run(&plan, &gateway, &model, &mut course, &mut evidence);
    if timeout(limit, running).await.is_err() {
        let late = format!("the run did not end within {limit:?}");
        course.violations.push(late);
    }
    let (violations, log) = gateway.end().await?;
    evidence.log = log;
    evidence.calls = model.calls();
    course.violations.extend(violations);
    course.violations.extend(model.violations());
    let verdict = verdict::verify(&plan, &evidence);
    report::conclude(course, &verdict, evidence.crashes.len())
}

/// Every turn of the plan, with a quiet moment after each part.
async fn run(
    plan: &[TurnPlan],
    gateway: &Gateway,
    model: &Model,
    course: &mut Course,
    evidence: &mut Evidence,
) -> io::Result<()> {
    let mut done = 0;
    for moment in 1..=MOMENTS {
        let until = plan.len() * moment / MOMENTS;
        let crashes = Mutex::new(Vec::new());
        let part = plan[done..until].iter();
        let asked = stream::iter(part.map(|turn| take(turn, gateway, &crashes)));
        let mut exchanges: Vec<(usize, Exchange)> =
            asked.buffer_unordered(IN_FLIGHT).collect().await;
        exchanges.sort_by_key(|(number, _)| *number);
        evidence
            .exchanges
            .extend(exchanges.into_iter().map(|(_, it)| it));
        evidence.crashes.extend(crashes.into_inner());
        done = until;
        close_idle_connections(model).await;
        match gateway.sample_at_rest().await {
            Ok(sample) => {
                print(&course.sampled(done, sample, moment >= MOMENTS_UNTIL_WARM))?;
            }
            Err(problem) => {
                let problem = format!("after {done} turns: {problem}");
                course.violations.push(problem);
            }
        }
        // At rest, so that every line before has been read.
        if moment == MOMENT_WITHOUT_LOG {
            gateway.kill_log_reader();
            evidence.log_ended = Some(Instant::now());
        }
    }
    let log = gateway.readiness("log").await?;
    if !log.contains("lines are lost") {
        let untold = format!("the log has no reader, and readyz says: {log}");
        course.violations.push(untold);
    }
    Ok(())
}

/// One turn, and the crash that is planned beside it.
async fn take(
    turn: &TurnPlan,
    gateway: &Gateway,
    crashes: &Mutex<Vec<Instant>>,
) -> (usize, Exchange) {
    let crashing = async {
        if let Some(crash) = turn.crash {
            sleep(crash.after).await;
            let moment = crash_one(gateway, crash.pick).await;
            crashes.lock().extend(moment);
        }
    };
    let (exchange, ()) = tokio::join!(caller::ask(turn, gateway.address), crashing);
    (turn.number, exchange)
}

/// Kills a Codex process and returns when. If the one that was picked has just ended by itself, tries
/// another one.
async fn crash_one(gateway: &Gateway, pick: u64) -> Option<Instant> {
    const TRIES: usize = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        let processes = processes::codex_processes(gateway.pid).unwrap_or_default();
        let count = u64::try_from(processes.len()).unwrap_or(u64::MAX);
        let at = pick
            .checked_rem(count)
            .and_then(|at| usize::try_from(at).ok());
        let moment = Instant::now();
        if at.is_some_and(|at| processes[at].kill()) {
            return Some(moment);
        }
        sleep(PAUSE).await;
    }
    None
}

/// The model closes them, so that their number does not count as descriptors of the gateway.
async fn close_idle_connections(model: &Model) {
    const TRIES: usize = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        if model.close_idle() == 0 {
            return;
        }
        sleep(PAUSE).await;
    }
}

fn workspace_root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

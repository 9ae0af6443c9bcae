//! The CLI: found, asked, started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use broker::Broker;
use codex_client::{
    Driver, DriverChoice, Installation, LeaseError, PINNED_VERSION, ProbeError, ThreadProfile,
};
use runner::Deadline;

use crate::app::{self, Shutdown};
use crate::config::{CodexSettings, Origins, Settings};
use crate::sandbox::{Established, remedy};

use super::name::{CODEX_PROCESS, CODEX_PROGRAM, CODEX_VERSION, DRIVER};
use super::report::Check;

/// A start takes some 100 ms, three failed ones with their pauses a second.
const START_LIMIT: Duration = Duration::from_secs(20);

pub(super) fn program(
    settings: &CodexSettings,
    origins: &Origins,
    roots: &[PathBuf],
    search_path: &OsStr,
) -> (Check, Option<PathBuf>) {
    let Ok(program) = codex_client::locate(settings.bin.as_deref(), roots, search_path) else {
        let detail = "no Codex CLI in codex/node_modules or on PATH";
        return (
            Check::failed(CODEX_PROGRAM, detail, remedy::CODEX_PROGRAM),
            None,
        );
    };
    let is_packaged = || {
        let packages = roots.iter().map(|root| root.join("codex/node_modules"));
        let mut packages = packages.filter_map(|path| path.canonicalize().ok());
        packages.any(|package| program.starts_with(package))
    };
    let origin = match (&settings.bin, origins.origin("codex.bin")) {
        (Some(_), Some(origin)) => format!("named by {origin}"),
        _ if is_packaged() => "the installed package".to_owned(),
        _ => "found on PATH".to_owned(),
    };
    let detail = format!("{} ({origin})", program.display());
    (Check::ok(CODEX_PROGRAM, detail), Some(program))
}

/// The program was asked, and gave no answer that the gateway understands.
pub(super) fn no_answer(error: &ProbeError) -> Check {
    Check::failed(CODEX_VERSION, error.to_string(), remedy::of_probe(error))
}

pub(super) fn version(installation: &Installation, is_strict: bool) -> Check {
    let version = &installation.version;
    if matches!(installation.driver, Driver::Contract(_)) {
        return Check::ok(CODEX_VERSION, format!("{version} (a CLI of your own)"));
    }
    if installation.is_expected() {
        return Check::ok(CODEX_VERSION, format!("{version}, the pinned one"));
    }
    let detail = format!("{version}, not the pinned {PINNED_VERSION}");
    if is_strict {
        let detail = format!("{detail}, and CODEX_VERSION_STRICT is set");
        Check::failed(CODEX_VERSION, detail, remedy::CODEX_PROGRAM)
    } else {
        Check::warning(CODEX_VERSION, detail, remedy::CODEX_PROGRAM)
    }
}

pub(super) fn driver(installation: &Installation, choice: DriverChoice) -> Check {
    let by = match choice {
        DriverChoice::Auto => "by what the CLI offers",
        DriverChoice::AppServer | DriverChoice::Exec | DriverChoice::Contract => "by CODEX_DRIVER",
    };
    Check::ok(DRIVER, format!("{}, {by}", installation.driver.name()))
}

/// Starts a pool of one process, waits until a turn could begin on it, and ends it.
pub(super) async fn process(
    settings: &Settings,
    established: Established,
    state_dir: &Path,
    shutdown: &Shutdown,
) -> Check {
    let driver = &established.installation.driver;
    if !matches!(driver, Driver::AppServer) {
        let why = format!("{} starts one for each turn, and none ahead", driver.name());
        return Check::skipped(CODEX_PROCESS, why);
    }
    let mut settings = settings.clone();
    settings.codex.pool.max_processes = 1;
    let redactor = settings.redactor.clone();
    let closing = shutdown.closing.clone();
    // The check of the provider says why, where there is none.
    let Ok(broker) = Broker::start(&settings.provider, redactor, &shutdown.tasks, closing) else {
        return Check::skipped(CODEX_PROCESS, "the broker cannot be set up");
    };
    let Established {
        installation,
        sandbox,
        ..
    } = established;
    let begun = Instant::now();
    let started = match app::confine(sandbox, &broker, &settings.codex.pool, shutdown).await {
        Ok(confinement) => app::start_client(
            &settings,
            &installation,
            state_dir.to_owned(),
            confinement,
            shutdown,
        ),
        Err(error) => Err(error),
    };
    let client = match started {
        Ok(client) => client,
        Err(error) => {
            let remedy = "The checks above say what is wrong with the place it starts in.";
            return Check::failed(CODEX_PROCESS, error.to_string(), remedy);
        }
    };
    let deadline = Deadline::after(START_LIMIT);
    let leased = client
        .lease("doctor", &ThreadProfile::default(), deadline)
        .await;
    let elapsed_ms = begun.elapsed().as_millis();
    let check = match leased {
        Ok(_) => {
            let detail = format!("a thread was ready for its first turn after {elapsed_ms} ms");
            Check::ok(CODEX_PROCESS, detail)
        }
        Err(LeaseError::Unavailable { reason }) => {
            Check::failed(CODEX_PROCESS, format!("it does not start: {reason}"), LOOK)
        }
        Err(error) => {
            let detail = format!("not ready within {} s: {error}", START_LIMIT.as_secs());
            Check::failed(CODEX_PROCESS, detail, LOOK)
        }
    };
    client.shutdown().await;
    check
}

const LOOK: &str = "Check version, driver and sandbox above; with PORTCULLIS_LOG=debug, `portcullis \
    serve` says more about each start.";

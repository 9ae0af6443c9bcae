//! What this machine, and whoever starts the gateway, lets it have.

use std::fs;
use std::path::{Path, PathBuf};

use codex_client::DriverChoice;
use runner::ResourceLimits;
use rustix::process::{Resource, getrlimit};

use crate::config::Settings;
use crate::descriptors::Descriptors;

use super::name::{LIMITS, MEMORY, OPEN_FILES};
use super::report::Check;

/// The gateway itself, and a Codex process that has just started.
const GATEWAY_BYTES: u64 = 64 << 20;
const CODEX_BYTES: u64 = 128 << 20;

/// A child cannot be given more than the gateway has: then no sandbox is made.
pub(super) fn limits(wanted: Option<ResourceLimits>) -> Check {
    let Some(wanted) = wanted else {
        return Check::skipped(LIMITS, "there is no sandbox to set them");
    };
    let each = [
        ("memory", Resource::Data, wanted.memory_bytes),
        ("address space", Resource::As, wanted.address_space_bytes),
        ("processes", Resource::Nproc, wanted.processes),
        ("open files", Resource::Nofile, wanted.open_files),
        ("file size", Resource::Fsize, wanted.file_size_bytes),
        ("processor time", Resource::Cpu, wanted.cpu_sec),
    ];
    let lower: Vec<String> = each
        .into_iter()
        .filter_map(|(what, resource, wanted)| {
            let ours = getrlimit(resource).maximum?;
            (ours < wanted).then(|| format!("{what}: {ours} where {wanted} is set"))
        })
        .collect();
    if lower.is_empty() {
        return Check::ok(LIMITS, "the gateway may set all of the sandbox's");
    }
    Check::failed(
        LIMITS,
        format!("the gateway's own are lower, {}", lower.join(", ")),
        "Raise them for the gateway (ulimit, LimitAS= …), or lower CODEX_LIMIT_….",
    )
}

pub(super) fn open_files(settings: &Settings) -> Check {
    let descriptors = Descriptors::of(settings);
    let Some(limit) = descriptors.limit else {
        return Check::ok(OPEN_FILES, "no limit");
    };
    let Descriptors {
        needed,
        connections,
        ..
    } = descriptors;
    let detail = format!("{limit} at most, {needed} for every connection and process");
    if !descriptors.are_short() {
        return Check::ok(OPEN_FILES, detail);
    }
    Check::warning(
        OPEN_FILES,
        format!(
            "{detail}: there is room for {connections} connections, not for {} (PORTCULLIS_MAX_CONNECTIONS)",
            settings.server.max_connections
        ),
        "Raise the hard limit of the gateway (ulimit -Hn, LimitNOFILE=).",
    )
}

pub(super) fn memory(settings: &Settings) -> Check {
    let Some(available) = available_bytes() else {
        return Check::skipped(MEMORY, "/proc/meminfo does not say");
    };
    let processes = processes(settings);
    // A warm process is replaced at its size; one for each turn does not live to grow.
    let (each, by) = if starts_ahead(settings) {
        (
            settings.codex.pool.max_rss_bytes,
            "at CODEX_POOL_MAX_RSS_MB each",
        )
    } else {
        (CODEX_BYTES, "each")
    };
    let needed = GATEWAY_BYTES + count(processes) * each;
    let detail = format!(
        "{} MiB available, {} MiB for {processes} Codex processes of {} MiB {by}",
        available >> 20,
        needed >> 20,
        each >> 20,
    );
    if available >= needed {
        return Check::ok(MEMORY, detail);
    }
    let remedy = if starts_ahead(settings) {
        "Give it more, or lower CODEX_POOL_MAX_PROCESSES or CODEX_POOL_MAX_RSS_MB."
    } else {
        "Give it more, or lower PORTCULLIS_MAX_CONCURRENT_TURNS."
    };
    Check::warning(MEMORY, detail, remedy)
}

fn starts_ahead(settings: &Settings) -> bool {
    // What the CLI offers decides `auto`; the pinned one offers the pool.
    matches!(
        settings.codex.driver,
        DriverChoice::Auto | DriverChoice::AppServer
    )
}

fn processes(settings: &Settings) -> usize {
    if starts_ahead(settings) {
        settings.codex.pool.max_processes
    } else {
        settings.limits.max_concurrent_turns
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The machine's, or less where a control group gives less.
fn available_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    let machine = kibibytes << 10;
    Some(group_bytes().map_or(machine, |group| group.min(machine)))
}

/// Control groups, version 2: the lowest limit on the way to the root.
fn group_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new("/sys/fs/cgroup").join(own);
    let limits = own.ancestors().map(|group| group.join("memory.max"));
    let limits = limits.filter_map(|file: PathBuf| fs::read_to_string(file).ok());
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

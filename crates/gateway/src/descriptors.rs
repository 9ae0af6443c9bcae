//! How the file descriptors that this process may have are shared out: what turns and skills need goes
//! first, connections have the rest.

use codex_client::DriverChoice;
use rustix::process::{Resource, getrlimit};

use crate::config::Settings;
use crate::http::server::{ConnectionLimits, PROBE_RESERVE};

/// The log, the listeners, the runtime's own; a copy of a workspace, which goes down into it.
const OWN: usize = 192;

/// Of a Codex process: its pipes, its sandbox, and what it has open to the broker.
const EACH_PROCESS: usize = 32;

/// Of a turn: the way to the provider, and the pipes of a skill.
const EACH_TURN: usize = 8;

/// Fewer connections than this are no service.
const LEAST_CONNECTIONS: usize = 16;

/// What this process may have, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// `None`: no limit.
    pub limit: Option<usize>,
    /// For every connection and process of the settings.
    pub needed: usize,
    /// Connections that there is room for; no more than the settings allow.
    pub connections: usize,
}

impl Descriptors {
    /// By the hard limit, to which `serve` raises its own.
    pub fn of(settings: &Settings) -> Self {
        let limit = getrlimit(Resource::Nofile).maximum;
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self::share(settings, limit)
    }

    fn share(settings: &Settings, limit: Option<usize>) -> Self {
        let turns = settings.limits.max_concurrent_turns;
        let processes = match settings.codex.driver {
            // What the CLI offers decides `auto`; the pinned one offers the pool.
            DriverChoice::Auto | DriverChoice::AppServer => settings.codex.pool.max_processes,
            DriverChoice::Exec | DriverChoice::Contract => turns,
        };
        let work = OWN + PROBE_RESERVE + processes * EACH_PROCESS + turns * EACH_TURN;
        let wanted = settings.server.max_connections;
        let room = limit.map_or(wanted, |limit| limit.saturating_sub(work));
        Self {
            limit,
            needed: work + wanted,
            connections: room.max(LEAST_CONNECTIONS).min(wanted),
        }
    }

    /// Whether there are fewer connections than the settings allow.
    pub fn are_short(&self) -> bool {
        self.limit.is_some_and(|limit| limit < self.needed)
    }
}

/// As the settings say, or as many as there are descriptors for.
pub(crate) fn connection_limits(settings: &Settings) -> ConnectionLimits {
    let descriptors = Descriptors::of(settings);
    let server = &settings.server;
    if descriptors.are_short() {
        tracing::warn!(
            limit = descriptors.limit,
            needed = descriptors.needed,
            connections = descriptors.connections,
            "fewer connections than PORTCULLIS_MAX_CONNECTIONS: the limit of open files leaves no more (ulimit -Hn, LimitNOFILE=)"
        );
    } else {
        tracing::info!(
            limit = descriptors.limit,
            connections = descriptors.connections,
            "descriptors"
        );
    }
    ConnectionLimits {
        max: descriptors.connections,
        max_per_address: server.max_connections_per_address,
        trusted_addresses: server.trusted_addresses.clone(),
        trusted_proxies: server.trusted_proxies.clone(),
        header_timeout: server.header_timeout,
        keep_alive: server.keep_alive,
    }
}

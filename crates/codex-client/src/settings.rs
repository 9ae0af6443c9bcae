use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::confinement::Confinement;
use crate::driver::Driver;

/// The settings of a [`CodexClient`](crate::CodexClient). The caller has checked every value.
#[derive(Clone)]
pub struct ClientSettings {
    /// The program: the native Codex, or a company's own CLI.
    pub program: PathBuf,
    /// Its `PATH`, see [`runner::search_path`].
    pub search_path: OsString,
    pub driver: Driver,
    /// Directory for private `CODEX_HOME`s, best on a memory-backed file system.
    pub state_dir: PathBuf,
    /// The model of turns that name none.
    pub model: String,
    /// The sandbox of every process.
    pub confinement: Confinement,
    /// The time between an interrupt and the kill.
    pub kill_grace: Duration,
    /// A turn whose unread text is larger than this is ended.
    pub max_unread_bytes: usize,
    /// For the driver `app-server`.
    pub pool: PoolLimits,
    /// The most processes at once, for the drivers that start one for each turn.
    pub max_turn_processes: usize,
}

#[derive(Clone, Debug)]
pub struct PoolLimits {
    pub max_processes: usize,
    /// The most turns at once on one process.
    pub turns_per_process: usize,
    /// A process is replaced after this many turns, …
    pub max_turns: u64,
    /// … at this age, …
    pub max_age: Duration,
    /// … or when its resident memory is over this.
    pub max_rss_bytes: u64,
}

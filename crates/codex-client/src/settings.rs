use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::confinement::Confinement;
use crate::driver::Driver;

/// What the client needs to know; every value has been checked by whoever made it.
#[derive(Clone)]
pub struct ClientSettings {
    /// The program: the native Codex, or a company's own CLI.
    pub program: PathBuf,
    /// Its `PATH`, see [`runner::search_path`].
    pub search_path: OsString,
    pub driver: Driver,
    /// Directory for private `CODEX_HOME`s, best on a memory-backed file system.
    pub state_dir: PathBuf,
    /// The model of a turn that names none.
    pub model: String,
    /// What stands around every process.
    pub confinement: Confinement,
    /// Between an interrupt and the kill.
    pub kill_grace: Duration,
    /// Text of one turn that may wait unread before the turn is ended.
    pub max_unread_bytes: usize,
    /// Of the driver `app-server`.
    pub pool: PoolLimits,
    /// Processes at once, of the drivers that start one for each turn.
    pub max_turn_processes: usize,
}

#[derive(Clone, Debug)]
pub struct PoolLimits {
    pub max_processes: usize,
    /// Turns at once on one process.
    pub turns_per_process: usize,
    /// A process is replaced after this many turns, …
    pub max_turns: u64,
    /// … at this age, …
    pub max_age: Duration,
    /// … or when its resident memory is over this.
    pub max_rss_bytes: u64,
}

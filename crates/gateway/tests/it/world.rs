//! What a test asks of the system, and how long it waits for anything.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

/// More than anything here takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let outcome = timeout(PATIENCE, wait).await;
    outcome.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// Looks again and again, for what announces itself to nobody.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(5);
    in_time(what, async {
        while !is_so() {
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await;
}

/// Ids of the living processes that were started for a gateway with this state directory: whatever
/// their parent and group are now, their environment names it.
pub(crate) fn processes_of(state_dir: &Path) -> Vec<u32> {
    let wanted = state_dir.to_str().unwrap().as_bytes();
    let names_it = |environment: Vec<u8>| {
        environment
            .windows(wanted.len())
            .any(|window| window == wanted)
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(names_it))
        .collect()
}

pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, fields)| !fields.starts_with(" Z"))
        })
        .unwrap_or(false)
}

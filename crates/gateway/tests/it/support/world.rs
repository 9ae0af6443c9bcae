//! What a test asks of the system, and how long it waits for anything.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::timeout;

use crate::support::codex;

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

/// Ids of the living processes whose command line names `path`: it is still there when they have cleared
/// their environment.
pub(crate) fn processes_naming(path: &Path) -> Vec<u32> {
    let wanted = path.to_str().unwrap().as_bytes();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut windows = command_line.windows(wanted.len());
            windows.any(|window| window == wanted) && is_alive(*pid)
        })
        .collect()
}

/// Whether a sandbox can be made here. Where it cannot, the test fails, unless `TEST_WITHOUT_SANDBOX=1` says
/// that this is known.
pub(crate) fn sandbox_is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let arguments = [
            "--unshare-all",
            "--unshare-user",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "true",
        ];
        #[expect(
            clippy::disallowed_methods,
            reason = "asks the kernel, before any gateway does"
        )]
        let made = Command::new(codex::bubblewrap()).args(arguments).output();
        let made = made.unwrap();
        if !made.status.success() {
            let reason = String::from_utf8_lossy(&made.stderr);
            #[expect(
                clippy::disallowed_methods,
                reason = "a setting of the tests, not of the gateway"
            )]
            let is_known = std::env::var("TEST_WITHOUT_SANDBOX").is_ok_and(|value| value == "1");
            assert!(
                is_known,
                "no sandbox can be made here (TEST_WITHOUT_SANDBOX=1 leaves its tests out): {reason}"
            );
            eprintln!("skipped: everything about the sandbox");
        }
        made.status.success()
    })
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

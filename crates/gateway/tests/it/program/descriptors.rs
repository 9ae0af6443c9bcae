//! What whoever starts the gateway left open: no child has it.

use std::fs;
use std::path::PathBuf;

use crate::support::codex;
use crate::support::running::Running;
use crate::support::world::{processes_of, sandbox_is_usable, until};

#[tokio::test]
async fn a_descriptor_that_the_gateway_inherits_reaches_no_child() {
    let directory = tempfile::tempdir().unwrap();
    let left_open = directory.path().join("left-open");
    fs::write(&left_open, "somebody's").unwrap();
    // One low and one far above everything that a gateway opens by itself.
    let wrapper = format!(
        "exec 3<{0} 9<>{0} 200<{0}; exec \"$0\" \"$@\"",
        left_open.display()
    );
    let wrapper = ["/bin/bash", "-c", &wrapper];
    let program = codex::real();
    let bubblewrap = codex::bubblewrap();
    for mode in ["required", "off"] {
        if mode == "required" && !sandbox_is_usable() {
            continue;
        }
        let state = directory.path().join(mode);
        let gateway = Running::serve_under(
            &wrapper,
            &[
                ("PORTCULLIS_SANDBOX", mode),
                ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
                ("PORTCULLIS_BIND", "127.0.0.1:0"),
                ("PORTCULLIS_DATA_DIR", state.to_str().unwrap()),
                ("CODEX_STATE_DIR", state.to_str().unwrap()),
                ("CODEX_BIN", program.to_str().unwrap()),
            ],
        );
        gateway.ask("Hello").await;
        until("a Codex process", || {
            processes_of(&state)
                .into_iter()
                .any(|pid| pid != gateway.pid())
        })
        .await;
        for pid in processes_of(&state) {
            let open = open_files(pid);
            assert!(!open.contains(&left_open), "{mode}, {pid}: {open:?}");
        }
        gateway.terminate().await;
    }
}

fn open_files(pid: u32) -> Vec<PathBuf> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    let descriptors = descriptors.into_iter().flatten().flatten();
    descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .collect()
}

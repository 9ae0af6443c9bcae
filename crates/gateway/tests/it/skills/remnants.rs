//! What a skill started does not outlive a gateway that was killed, or the start of the next one.

use std::fs;

use serde_json::json;

use crate::support::codex;
use crate::support::running::Running;
use crate::support::skilled::probe;
use crate::support::world::{processes_naming, sandbox_is_usable, until};

#[tokio::test]
async fn a_killed_gateways_skills_end_with_it_or_with_the_next_start() {
    for mode in ["auto", "off"] {
        if mode == "auto" && !sandbox_is_usable() {
            continue;
        }
        let places = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = places.path().canonicalize().unwrap().join(name);
            fs::create_dir_all(&path).unwrap();
            path.display().to_string()
        };
        let (data_dir, state_dir, skills) = (path("data"), path("state"), path("skills"));
        let workspaces = format!("main={}", path("main"));
        let marker = format!("/nonexistent/killed-{mode}-{}", std::process::id());
        let script = format!("setsid sh -c 'sleep 1000 # {marker}'; true");
        let file = places.path().join("skills/probe.toml");
        fs::write(file, probe(&script, "workspace = \"private-copy\"\n")).unwrap();
        let (program, bubblewrap) = (codex::real(), codex::bubblewrap());
        let environment = [
            ("PORTCULLIS_BIND", "127.0.0.1:0"),
            ("PORTCULLIS_DATA_DIR", data_dir.as_str()),
            ("CODEX_STATE_DIR", &state_dir),
            ("CODEX_BIN", program.to_str().unwrap()),
            ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
            ("PORTCULLIS_SANDBOX", mode),
            ("PORTCULLIS_SKILLS_DIR", &skills),
            ("PORTCULLIS_WORKSPACES", &workspaces),
        ];
        let mut served = Running::serve(&environment);
        let call = json!({ "mode": "tool", "skill": "probe" });
        let _exchange = served.post(&call).await;
        let runs = || !processes_naming(marker.as_ref()).is_empty();
        until("the program", runs).await;
        served.kill();
        if mode == "auto" {
            until("its end", || !runs()).await;
        }
        // What lies on the disk, a copy of the workspace, is the next start's to remove.
        let next = Running::serve(&environment);
        until("its end", || !runs()).await;
        let left = fs::read_dir(places.path().join("data/skill-runs"));
        assert_eq!(left.map_or(0, Iterator::count), 0, "{mode}");
        drop(next);
    }
}

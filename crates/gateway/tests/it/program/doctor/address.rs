use std::net::TcpListener;
use std::path::Path;

use super::Scene;
use crate::support::codex;
use crate::support::running::Running;

#[tokio::test]
async fn a_port_in_use_is_told_from_a_gateway_that_serves() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.set("PORTCULLIS_BIND", other.local_addr().unwrap().to_string());
    scene
        .json()
        .says("address", "failed", &["another program", "PORTCULLIS_BIND"]);

    let directory = codex::directory();
    let program = codex::fake(directory.path(), "");
    let state_dir = scene.path("served");
    let gateway = Running::serve(&[
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", scene.path("data").to_str().unwrap()),
        ("CODEX_STATE_DIR", state_dir.to_str().unwrap()),
        ("CODEX_BIN", program.to_str().unwrap()),
    ]);
    scene.set("PORTCULLIS_BIND", gateway.address().to_string());
    scene.set("CODEX_BIN", &program);
    // The same directory, too: what the gateway has there stays its own.
    scene.set("CODEX_STATE_DIR", &state_dir);
    let report = scene.json();
    report.says("address", "warning", &["a gateway that answers"]);
    report.says("codex_process", "ok", &[]);
    assert_eq!(report.status("settings"), "ok");
    assert_eq!(gateway.ask("Hello").await, "echo: Hello");
    gateway.terminate().await;
}

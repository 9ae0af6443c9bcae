//! `GET /readyz`: what an operator has allowed is no reason to send work elsewhere, and is not `ok` either.

use serde_json::json;

use crate::support::skilled::OFF;
use crate::support::test_app::TestApp;
use crate::support::world::sandbox_is_usable;

#[tokio::test]
async fn what_is_allowed_and_not_as_it_should_be_is_not_ok() {
    let app = TestApp::with_fake_codex("version = \"0.1.0\"", &[OFF]).await;
    app.pids().await;
    let ready = app.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let ready = ready.json();
    assert_eq!(ready["status"], "ready");
    for check in ["codex_version", "sandbox"] {
        assert_eq!(ready["checks"][check]["ok"], false, "{ready}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_as_it_should_be_is_ok() {
    let app = TestApp::with_fake_codex("", &[]).await;
    app.pids().await;
    let ready = app.get("/readyz").await.json();
    assert_eq!(ready["checks"]["codex_version"]["ok"], true, "{ready}");
    let sandbox = &ready["checks"]["sandbox"]["ok"];
    assert_eq!(sandbox, &json!(sandbox_is_usable()), "{ready}");
    app.stop().await;
}

//! Whose request it is that a proxy passes on.

use serde_json::json;

use crate::support::caller::{Exchange, head};
use crate::support::test_app::TestApp;
use crate::support::world::until;

const PROXY: (&str, &str) = ("PORTCULLIS_TRUST_PROXY", "127.0.0.0/8");

/// The address in the record of a call that was passed on with these headers.
async fn recorded(app: &TestApp, id: &str, headers: &[(&str, &str)]) -> String {
    let body = json!({ "message": "Hello?", "stream": false }).to_string();
    let headers = [&[("X-Request-Id", id)], headers].concat();
    let exchange = app.send_with(&headers, body).await;
    assert_eq!(exchange.answer().await.status, 200);
    let name = format!("\"{id}\"");
    until("the record", || app.log.text().contains(&name)).await;
    app.log.call(id)["client"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_client_that_a_trusted_proxy_reports_is_recorded() {
    let reported = [("X-Forwarded-For", "203.0.113.66, 192.0.2.1")];
    let claimed = [reported[0], ("Forwarded", "for=203.0.113.66")];
    let app = TestApp::with_fake_codex("", &[PROXY]).await;
    assert_eq!(recorded(&app, "passed-on", &reported).await, "192.0.2.1");
    assert_eq!(recorded(&app, "claimed", &claimed).await, "127.0.0.1");
    app.stop().await;
    let app = TestApp::with_fake_codex("", &[]).await;
    assert_eq!(recorded(&app, "untrusted", &reported).await, "127.0.0.1");
    app.stop().await;
}

#[tokio::test]
async fn each_client_behind_a_proxy_has_the_limit_of_an_address() {
    let settings = [PROXY, ("PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS", "2")];
    let app = TestApp::with_fake_codex("", &settings).await;
    let ask = async |client: &str, message: &str| -> Exchange {
        let body = json!({ "message": message, "stream": false }).to_string();
        app.send_with(&[("X-Forwarded-For", client)], body).await
    };
    let mut hanging = Vec::new();
    for _ in 0..2 {
        hanging.push(ask("192.0.2.1", "fake:hang").await);
    }
    until("the turns", || app.client.status().active_turns() == 2).await;
    assert_eq!(
        ask("192.0.2.1", "One more.").await.answer().await.status,
        503
    );
    assert_eq!(
        ask("192.0.2.2", "Another.").await.answer().await.status,
        200
    );
    // Probes have no limit.
    let mut probe = Exchange::open(app.address).await;
    let request = head(
        "GET /livez",
        app.address,
        &[("X-Forwarded-For", "192.0.2.1")],
    );
    probe.send(request).await;
    assert_eq!(probe.answer().await.status, 200);
    drop(hanging);
    app.is_idle().await;
    app.stop().await;
}

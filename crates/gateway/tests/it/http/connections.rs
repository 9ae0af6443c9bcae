//! What callers may take of the gateway before it has done anything for them: connections, bodies,
//! memory; and what is not a request.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::caller::{Answer, Exchange, head};
use crate::support::running::Running;
use crate::support::test_app::TestApp;
use crate::support::world::{in_time, until};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const LARGE_BYTES: usize = 1024 * 1024;

/// A request whose body has begun and does not go on.
async fn stalled(app: &TestApp, declared: &str) -> Exchange {
    let mut exchange = Exchange::open(app.address).await;
    let headers = [JSON, ("Content-Length", declared)];
    exchange
        .send(head("POST /chat", app.address, &headers))
        .await;
    exchange.send("{").await;
    exchange
}

async fn sent(app: &TestApp, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut exchange = Exchange::open(app.address).await;
    exchange
        .send(head(
            "POST /chat",
            app.address,
            &[&[JSON], headers].concat(),
        ))
        .await;
    exchange.send(body).await;
    exchange.answer().await
}

#[tokio::test]
async fn bodies_that_are_declared_and_do_not_come_keep_nobody_out() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(stalled(&app, &LARGE_BYTES.to_string()).await);
    }
    let large = json!({ "message": "x", "context": "y".repeat(LARGE_BYTES / 4), "stream": false });
    assert_eq!(app.send(&large).await.answer().await.status, 200);
    drop(silent);
    app.stop().await;
}

#[tokio::test]
async fn connections_that_do_nothing_keep_nobody_out() {
    let app = TestApp::with_fake_codex("", &[("PORTCULLIS_MAX_CONNECTIONS", "16")]).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(Exchange::open(app.address).await);
    }
    for _ in 0..100 {
        idle.push(stalled(&app, "100").await);
    }
    assert_eq!(app.get("/livez").await.status, 200);
    assert_eq!(app.ask("Hello?").await.status, 200);
    drop(idle);
    app.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_a_trusted_one_any_number() {
    let settings = [("PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS", "3")];
    let app = TestApp::with_fake_codex("", &settings).await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        connections.push(socket.connect(app.address).await.unwrap());
    }
    let mut trusted = Vec::new();
    for _ in 0..10 {
        trusted.push(stalled(&app, "100").await);
    }
    let first = connections.remove(0);
    let closed = async {
        let mut byte = [0];
        first.readable().await.unwrap();
        first.try_read(&mut byte)
    };
    let closed = in_time("the oldest to be closed", closed).await;
    assert_eq!(closed.unwrap_or(0), 0);
    for connection in connections {
        let error = connection.try_read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
    app.stop().await;
}

/// A proxy keeps connections for longer than a head may take.
#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_and_not_for_half_of_one() {
    let settings = [
        ("PORTCULLIS_HEADER_TIMEOUT_SEC", "1"),
        ("PORTCULLIS_KEEP_ALIVE_SEC", "60"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let mut kept = Exchange::open(app.address).await;
    let probe = head("GET /livez", app.address, &[]);
    kept.send(&probe).await;
    let mut kept = kept.next_answer().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    kept.send(&probe).await;
    let mut kept = kept.next_answer().await;
    kept.send("GET /livez HTTP/1.1\r\nHo").await;
    assert!(kept.closed().await.is_empty());
    app.stop().await;

    let settings = [("PORTCULLIS_KEEP_ALIVE_SEC", "1")];
    let app = TestApp::with_fake_codex("", &settings).await;
    let mut kept = Exchange::open(app.address).await;
    kept.send(head("GET /livez", app.address, &[])).await;
    assert!(kept.next_answer().await.closed().await.is_empty());
    app.stop().await;
}

/// Clients that send the whole of a body before they look for an answer would otherwise see a reset.
#[tokio::test]
async fn an_early_refusal_reaches_who_is_still_sending() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let body = "x".repeat(12 * LARGE_BYTES);
    let length = body.len().to_string();
    for (line, content_type, status) in [
        ("POST /chat", "application/json", 413),
        ("POST /chat", "text/plain", 415),
        ("POST /nothing", "application/json", 404),
    ] {
        let mut exchange = Exchange::open(app.address).await;
        let headers = [("Content-Type", content_type), ("Content-Length", &length)];
        exchange.send(head(line, app.address, &headers)).await;
        exchange.send(&body).await;
        assert_eq!(exchange.answer().await.status, status);
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_well_formed_is_the_callers_fault() {
    const CHUNKED: &[(&str, &str)] = &[("Transfer-Encoding", "chunked")];
    const BODY: &str = "2\r\n{}\r\n0\r\n\r\n";
    let app = TestApp::with_fake_codex("", &[]).await;
    for body in [
        "zz\r\n",
        "3\r\nabcdef\r\n",
        "ffffffffffffffffff\r\n",
        "1;a\nb\r\n",
    ] {
        let answer = sent(&app, CHUNKED, body).await;
        answer.problem(400, "malformed_request");
    }
    for codings in [
        &[("Transfer-Encoding", "gzip, chunked")][..],
        &[("Transfer-Encoding", "chunked, chunked")],
        &[
            ("Transfer-Encoding", "gzip"),
            ("Transfer-Encoding", "chunked"),
        ],
    ] {
        let answer = sent(&app, codings, BODY).await;
        answer.problem(400, "malformed_request");
        assert_eq!(answer.headers["connection"], "close");
    }
    let chunked = sent(&app, CHUNKED, BODY).await;
    chunked.problem(400, "missing_message");
    // Whatever follows is not taken for a request.
    assert_eq!(chunked.headers["connection"], "close");

    let compressed = sent(
        &app,
        &[("Content-Encoding", "gzip"), ("Content-Length", "2")],
        "{}",
    )
    .await;
    let problem = compressed.problem(415, "unsupported_media_type");
    assert!(problem["detail"].as_str().unwrap().contains("compressed"));
    let other = [
        ("Content-Type", "application/json; charset=utf-16"),
        ("Content-Length", "2"),
    ];
    let mut exchange = Exchange::open(app.address).await;
    exchange.send(head("POST /chat", app.address, &other)).await;
    exchange.send("{}").await;
    exchange
        .answer()
        .await
        .problem(415, "unsupported_media_type");
    app.stop().await;
}

/// The tree of such a body would be a hundred times its size.
#[tokio::test]
async fn a_body_costs_what_it_is_long_and_memory_goes_back() {
    const ATTACKERS: usize = 8;
    const ALLOWED_BYTES: usize = 20 * 1024 * 1024;
    let (data, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gateway = Running::demo(&crate::support::codex::real(), data.path(), state.path());
    gateway.ask("Hello?").await;
    let before = gateway.rss_bytes();
    let descriptors = || {
        let place = format!("/proc/{}/fd", gateway.pid());
        fs::read_dir(place).unwrap().count()
    };
    let wide = vec!["{\"\":0}"; LARGE_BYTES / 8].join(",");
    for extra in [
        format!("\"message\":\"hi\",\"extra\":{{\"a\":[{wide}]}}"),
        format!("\"message\":\"hi\",\"extra\":{{\"output_schema\":{{\"a\":[{wide}]}}}}"),
        format!("\"mode\":\"tool\",\"skill\":\"read-file\",\"extra\":{{\"path\":[{wide}]}}"),
    ] {
        let body = format!("{{\"stream\":false,{extra}}}");
        let attacks = (0..ATTACKERS).map(|_| gateway.post_text(&body));
        let attacks = futures_util::future::join_all(attacks).await;
        for attack in attacks {
            attack.answer().await;
        }
    }
    // The threads that did it end soon after, and what they kept goes with them.
    until("the memory to go back", || {
        gateway.rss_bytes() < before + ALLOWED_BYTES
    })
    .await;

    let base = descriptors();
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut connection = Exchange::open(gateway.address()).await;
        let probe = head("GET /livez", gateway.address(), &[]);
        connection.send(probe).await;
        idle.push(connection.next_answer().await);
    }
    // Some more may have been opened by others.
    let more = descriptors() - base;
    assert!(
        more < 2 * idle.len(),
        "{more} for {} connections",
        idle.len()
    );
    drop(idle);
    gateway.terminate().await;
}

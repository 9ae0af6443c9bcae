//! HTTP/2: many requests on one connection, each with the limits and the end of its own.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::Request;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::support::authority::{Authority, Term};
use crate::support::caller::Exchange;
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;
use crate::support::world::{in_time, until};

const H2C: (&str, &str) = ("PORTCULLIS_H2C", "true");

/// A client's connection.
struct Client {
    requests: SendRequest<Bytes>,
    connection: TaskTracker,
}

/// A request under way.
struct Stream {
    response: ResponseFuture,
    sending: SendStream<Bytes>,
}

impl Client {
    async fn open(app: &TestApp) -> Self {
        let stream = TcpStream::connect(app.address).await.unwrap();
        Self::on(stream).await
    }

    async fn on(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let tracker = TaskTracker::new();
        tracker.spawn(async move {
            let _ = connection.await;
        });
        tracker.close();
        Self {
            requests,
            connection: tracker,
        }
    }

    async fn begin(&mut self, request: http::request::Builder, ends: bool) -> Stream {
        let request = request.body(()).unwrap();
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (response, sending) = requests.send_request(request, ends).unwrap();
        Stream { response, sending }
    }

    async fn ask(&mut self, body: &Value) -> Stream {
        let request =
            Request::post("http://localhost/chat").header("content-type", "application/json");
        let mut stream = self.begin(request, false).await;
        let body = Bytes::from(body.to_string());
        stream.sending.send_data(body, true).unwrap();
        stream
    }

    async fn get(&mut self, url: &str) -> u16 {
        let stream = self.begin(Request::get(url), true).await;
        stream.answer().await.0
    }
}

impl Stream {
    async fn answer(self) -> (u16, Vec<u8>) {
        let response = in_time("an answer", self.response).await.unwrap();
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(piece) = in_time("a piece", body.data()).await {
            let piece = piece.unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            bytes.extend(piece);
        }
        (status, bytes)
    }
}

#[tokio::test]
async fn a_reset_ends_one_turn_and_leaves_the_others() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[H2C]).await;
    let mut client = Client::open(&app).await;
    let mut left = client
        .ask(&json!({ "message": "Left?", "stream": false }))
        .await;
    let first = provider.call().await;
    let kept = client
        .ask(&json!({ "message": "Kept?", "stream": false }))
        .await;
    let second = provider.call().await;
    left.sending.send_reset(Reason::CANCEL);
    first.closed().await;
    until("the record", || app.log.text().contains("client_gone")).await;
    second.answer("Yes.").await;
    let (status, body) = kept.answer().await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["answer"]), (200, &json!("Yes.")));
    app.is_idle().await;
    app.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_ends_every_turn_on_it() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[H2C]).await;
    let authority = TcpStream::connect(app.address).await.unwrap();
    let mut client = Client::on(authority).await;
    let mut turns = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..2 {
        turns.push(client.ask(&json!({ "message": "Hello?" })).await);
        calls.push(provider.call().await);
    }
    drop((turns, client));
    for call in calls {
        call.closed().await;
    }
    app.is_idle().await;
    app.stop().await;
}

#[tokio::test]
async fn a_drain_lets_turns_end_and_takes_no_more() {
    let mut provider = MockProvider::start().await;
    let mut app = TestApp::with_real_codex(&provider, &[H2C]).await;
    let mut client = Client::open(&app).await;
    let turn = client
        .ask(&json!({ "message": "Hello?", "stream": false }))
        .await;
    let call = provider.call().await;
    app.begin_to_stop();
    until("the drain", || app.log.text().contains("draining")).await;
    let refused = client
        .ask(&json!({ "message": "Too late?", "stream": false }))
        .await;
    assert_eq!(refused.answer().await.0, 503);
    call.answer("In time.").await;
    assert_eq!(turn.answer().await.0, 200);
    in_time("the end of the connection", client.connection.wait()).await;
    app.stop().await;
}

#[tokio::test]
async fn the_authority_is_the_host_and_one_that_is_contradicted_is_none() {
    let app = TestApp::with_fake_codex("", &[H2C]).await;
    let mut client = Client::open(&app).await;
    assert_eq!(client.get("http://localhost/livez").await, 200);
    assert_eq!(client.get("http://evil.example/livez").await, 421);
    assert_eq!(client.get("http://evil.example@localhost/livez").await, 421);
    for (host, status) in [("localhost", 200), ("evil.example", 421)] {
        let request = Request::get("http://localhost/livez").header("host", host);
        let stream = client.begin(request, true).await;
        assert_eq!(stream.answer().await.0, status, "{host}");
    }
    app.stop().await;
}

/// Each is opened and given up at once, so that no limit of streams is reached (CVE-2023-44487).
#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_and_disturbs_no_other() {
    let app = TestApp::with_fake_codex("", &[H2C]).await;
    let flooder = Client::open(&app).await;
    let mut other = Client::open(&app).await;
    for _ in 0..10_000 {
        let Ok(mut requests) = flooder.requests.clone().ready().await else {
            break;
        };
        let request = Request::get("http://localhost/livez").body(()).unwrap();
        let Ok((_, mut sending)) = requests.send_request(request, false) else {
            break;
        };
        sending.send_reset(Reason::CANCEL);
        tokio::task::yield_now().await;
    }
    in_time("the end of the flood", flooder.connection.wait()).await;
    assert_eq!(other.get("http://localhost/livez").await, 200);
    app.stop().await;
}

/// A head that goes on and on, in frames that each are small (CVE-2024-27316).
#[tokio::test]
async fn a_head_without_an_end_ends_its_connection() {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    // A head of one field (`:method: GET`), which ends neither the stream nor itself.
    const HEADERS: &[u8] = b"\0\0\x01\x01\0\0\0\0\x01\x82";
    const CONTINUATION: &[u8] = b"\0\0\0\x09\0\0\0\0\x01";
    let app = TestApp::with_fake_codex("", &[H2C]).await;
    let mut flooder = Exchange::open(app.address).await;
    let begun = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS, HEADERS].concat();
    flooder.send(begun).await;
    for _ in 0..10_000 {
        flooder.send_as_far_as_it_goes(CONTINUATION).await;
    }
    flooder.closed().await;
    let mut other = Client::open(&app).await;
    assert_eq!(other.get("http://localhost/livez").await, 200);
    app.stop().await;
}

/// Connections have been the bound until now; a connection with many streams is no way around it.
#[tokio::test]
async fn an_address_has_as_many_requests_as_it_may_have_connections() {
    let settings = [
        H2C,
        ("PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS", "3"),
        ("PORTCULLIS_TRUSTED_ADDRESSES", "192.0.2.1"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let mut client = Client::open(&app).await;
    let mut hanging = Vec::new();
    for _ in 0..3 {
        let stream = client
            .ask(&json!({ "message": "fake:hang", "stream": false }))
            .await;
        hanging.push(stream);
    }
    let refused = client.ask(&json!({ "message": "One more." })).await;
    assert_eq!(refused.answer().await.0, 503);
    assert_eq!(client.get("http://localhost/livez").await, 200);
    drop(hanging);
    let next = json!({ "message": "next", "stream": false });
    in_time("room", async {
        while client.ask(&next).await.answer().await.0 != 200 {}
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed() {
    let settings = [
        H2C,
        ("PORTCULLIS_KEEP_ALIVE_SEC", "1"),
        ("PORTCULLIS_HEADER_TIMEOUT_SEC", "1"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let silent = Client::open(&app).await;
    in_time("the end of the first", silent.connection.wait()).await;
    let mut idle = Client::open(&app).await;
    assert_eq!(idle.get("http://localhost/livez").await, 200);
    in_time("the end of the second", idle.connection.wait()).await;
    app.stop().await;
}

#[tokio::test]
async fn a_large_answer_and_a_large_question_arrive_whole_over_tls() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    let signed = authority.sign(Term::Running);
    signed.write_certificate(&certificate);
    signed.write_key(&key);
    let settings = [
        ("PORTCULLIS_TLS_CERT_FILE", certificate.to_str().unwrap()),
        ("PORTCULLIS_TLS_KEY_FILE", key.to_str().unwrap()),
        ("CHAT_MAX_INPUT_CHARS", "1000000"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let stream = authority.connect(app.address, None, &["h2"]).await.unwrap();
    let mut client = Client::on(stream).await;
    let message = "long ".repeat(60_000);
    let question = client
        .ask(&json!({ "message": message, "stream": false }))
        .await;
    let (status, body) = question.answer().await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body["answer"].as_str().unwrap().len() > 200_000);
    app.stop().await;
}

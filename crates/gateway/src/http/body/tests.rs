use std::net::Ipv4Addr;

use futures_util::{StreamExt as _, stream};

use super::*;

const MAX_BYTES: usize = 64 * 1024;
const RATE: usize = 1024;
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn bodies() -> Bodies {
    Bodies::new(BodyLimits {
        max_bytes: MAX_BYTES,
        min_bytes_per_sec: RATE,
    })
}

fn request(length: usize) -> Request<Body> {
    declared(length, Body::from(vec![b'x'; length]))
}

fn declared(length: usize, body: Body) -> Request<Body> {
    Request::builder()
        .header(CONTENT_LENGTH, length)
        .body(body)
        .unwrap()
}

/// `bytes` at once, and then nothing.
fn stalled(bytes: usize) -> Request<Body> {
    let begun = stream::once(async move { Ok::<_, io::Error>(Bytes::from(vec![b'x'; bytes])) });
    declared(MAX_BYTES, Body::from_stream(begun.chain(stream::pending())))
}

async fn read(bodies: &Bodies, request: Request<Body>) -> Result<HeldBody, ErrorCode> {
    let read = bodies.read(request, CALLER, BODY_TIMEOUT).await;
    read.map_err(|problem| problem.code)
}

#[tokio::test]
async fn bodies_share_a_memory_budget_and_release_it() {
    let bodies = bodies();
    let mut held = Vec::new();
    let refused = loop {
        match read(&bodies, request(MAX_BYTES)).await {
            Ok(body) => held.push(body),
            Err(code) => break code,
        }
    };
    assert_eq!(refused, ErrorCode::Overloaded);
    // The first bytes of each are not counted.
    assert!((LARGEST_BODIES_AT_ONCE..2 * LARGEST_BODIES_AT_ONCE).contains(&held.len()));
    assert_eq!(held[0].bytes.len(), MAX_BYTES);
    // Small ones have their own.
    assert!(read(&bodies, request(SMALL_BODY_BYTES)).await.is_ok());
    held.pop();
    assert!(read(&bodies, request(MAX_BYTES)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_declared_costs_nothing_until_it_comes() {
    let bodies = bodies();
    let silent = (0..1000).map(|_| read(&bodies, stalled(0)));
    let silent = futures_util::future::join_all(silent);
    let honest = async {
        tokio::task::yield_now().await;
        assert!(read(&bodies, request(MAX_BYTES)).await.is_ok());
    };
    let (refused, ()) = tokio::join!(silent, honest);
    assert!(
        refused
            .iter()
            .all(|read| matches!(read, Err(ErrorCode::RequestTimeout)))
    );
}

#[tokio::test(start_paused = true)]
async fn stalled_bodies_are_evicted() {
    let bodies = bodies();
    let still = (0..20).map(|_| read(&bodies, stalled(MAX_BYTES - 1)));
    let still = futures_util::future::join_all(still);
    let honest = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(read(&bodies, request(MAX_BYTES)).await.is_ok());
    };
    tokio::join!(still, honest);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_least_rate() {
    let bodies = bodies();
    let begun = Instant::now();
    let dripping = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
    });
    let dripping = declared(MAX_BYTES, Body::from_stream(dripping));
    let refused = bodies
        .read(dripping, CALLER, BODY_TIMEOUT)
        .await
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::RequestTimeout);
    assert!(
        refused.detail.contains("PORTCULLIS_MIN_BODY_RATE"),
        "{}",
        refused.detail
    );
    assert_eq!(begun.elapsed(), RATE_WINDOW);

    let enough = stream::unfold(0, async |sent| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let piece = Bytes::from(vec![b'x'; RATE]);
        (sent < 16).then_some((Ok::<_, io::Error>(piece), sent + 1))
    });
    let enough = declared(16 * RATE, Body::from_stream(enough));
    assert!(read(&bodies, enough).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_body_gets_no_more_time_than_its_call() {
    let bodies = bodies();
    let begun = Instant::now();
    let endless = Body::from_stream(stream::pending::<Result<Bytes, io::Error>>());
    let limit = Duration::from_secs(3);
    let refused = bodies.read(Request::new(endless), CALLER, limit).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::RequestTimeout);
    assert_eq!(begun.elapsed(), limit);
}

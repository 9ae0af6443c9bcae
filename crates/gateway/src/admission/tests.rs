use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::*;

const QUEUE_WAIT: Duration = Duration::from_secs(10);

fn admission(turns: usize, depth: usize, draining: &CancellationToken) -> Admission {
    let limits = LimitSettings {
        max_concurrent_turns: turns,
        queue_depth: depth,
        queue_wait: QUEUE_WAIT,
    };
    Admission::new(limits, draining.clone())
}

fn in_a_minute() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_turn_and_no_longer_than_allowed() {
    let admission = admission(1, 1, &CancellationToken::new());
    let first = admission.admit("a", in_a_minute()).await.unwrap();
    let begun = Instant::now();
    let refused = admission.admit("a", in_a_minute()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.retry_after.is_some());
    assert_eq!(begun.elapsed(), QUEUE_WAIT);

    let waiting = admission.admit("a", in_a_minute());
    let (second, ()) = tokio::join!(waiting, async { drop(first) });
    assert!(second.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_beyond_its_own_deadline() {
    let admission = admission(1, 1, &CancellationToken::new());
    let _first = admission.admit("a", in_a_minute()).await.unwrap();
    let begun = Instant::now();
    let soon = Duration::from_secs(3);
    let refused = admission.admit("a", Deadline::after(soon)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Overloaded);
    assert_eq!(begun.elapsed(), soon);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let admission = admission(1, 0, &CancellationToken::new());
    let _first = admission.admit("a", in_a_minute()).await.unwrap();
    let begun = Instant::now();
    let refused = admission.admit("b", in_a_minute()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.retry_after.is_some());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gives_way_is_told_at_once_and_how() {
    let admission = admission(1, 1, &CancellationToken::new());
    let first = admission.admit("greedy", in_a_minute()).await.unwrap();
    let begun = Instant::now();
    let (refused, served) = tokio::join!(admission.admit("greedy", in_a_minute()), async {
        let waiting = admission.admit("modest", in_a_minute());
        let (served, ()) = tokio::join!(waiting, async { drop(first) });
        served
    });
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.retry_after.is_some());
    assert!(refused.detail.contains("gave way"), "{}", refused.detail);
    assert!(served.is_ok());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_when_its_call_has_given_up_is_not_lost() {
    let admission = admission(1, 2, &CancellationToken::new());
    let first = admission.admit("a", in_a_minute()).await.unwrap();
    let mut late = Box::pin(admission.admit("a", in_a_minute()));
    assert!(late.as_mut().now_or_never().is_none());
    drop(first);
    // The turn is its own, and nobody asks for it any more.
    drop(late);
    assert!(admission.admit("b", in_a_minute()).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn draining_refuses_new_calls_and_those_that_wait() {
    let token = CancellationToken::new();
    let admission = admission(1, 1, &token);
    let first = admission.admit("a", in_a_minute()).await.unwrap();
    let (waiting, ()) = tokio::join!(admission.admit("b", in_a_minute()), async {
        drop(first);
        token.cancel();
    });
    assert_eq!(waiting.unwrap_err().code, ErrorCode::Draining);
    let refused = admission.admit("a", in_a_minute()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Draining);
}

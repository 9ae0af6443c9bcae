//! A run as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use redact::Redactor;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::calls::run::{NumberedEvent, RunEvent, RunFollower};

use super::problem;

/// How often a comment line is sent while nothing happens, so that no proxy takes the stream for dead.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// Tells proxies of the nginx family not to collect the stream.
static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The answer as a stream: `first`, if it is known already, then whatever follows. Dropping the body,
/// as the server does when the client is gone, drops the follower and so cancels the run.
pub(super) fn response(
    first: Option<NumberedEvent>,
    follower: RunFollower,
    request_id: String,
    redactor: Redactor,
) -> Response {
    let frames = stream::unfold(
        Frames {
            first,
            follower,
            request_id,
            redactor,
            ended: false,
        },
        async |mut frames| {
            let frame = frames.next().await?;
            Some((Ok::<_, Infallible>(Bytes::from(frame)), frames))
        },
    );
    let mut response = Body::from_stream(frames).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING.clone(), HeaderValue::from_static("no"));
    response
}

struct Frames {
    first: Option<NumberedEvent>,
    follower: RunFollower,
    request_id: String,
    redactor: Redactor,
    ended: bool,
}

impl Frames {
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let event = match self.first.take() {
            Some(first) => first,
            None => match timeout(HEARTBEAT, self.follower.next()).await {
                Ok(event) => event?,
                Err(_) => return Some(": still working\n\n".to_owned()),
            },
        };
        self.ended = event.event.is_terminal();
        Some(frame(&event, &self.request_id, &self.redactor))
    }
}

/// JSON has no line breaks outside its strings, and escapes them inside: one `data:` line is enough.
fn frame(event: &NumberedEvent, request_id: &str, redactor: &Redactor) -> String {
    let NumberedEvent { number, event } = event;
    let (name, data) = data(event, request_id, redactor);
    format!("id: {number}\nevent: {name}\ndata: {data}\n\n")
}

fn data(event: &RunEvent, request_id: &str, redactor: &Redactor) -> (&'static str, Value) {
    match event {
        RunEvent::Start { model, driver } => (
            "start",
            json!({
                "type": "start",
                "request_id": request_id,
                "conversation_id": null,
                "model": model,
                "driver": driver,
            }),
        ),
        RunEvent::ToolStart { skill, kind } => (
            "start",
            json!({
                "type": "start",
                "request_id": request_id,
                "conversation_id": null,
                "model": null,
                "driver": kind,
                "skill": skill,
            }),
        ),
        RunEvent::Delta { text } => ("delta", json!({ "type": "delta", "text": text })),
        RunEvent::Item {
            kind,
            title,
            status,
        } => (
            "item",
            json!({ "type": "item", "kind": kind, "title": title, "status": status }),
        ),
        RunEvent::Done { meta } => ("done", json!({ "type": "done", "meta": meta })),
        RunEvent::ToolDone { tool_result, meta } => (
            "done",
            json!({ "type": "done", "tool_result": tool_result, "meta": meta }),
        ),
        RunEvent::Failed { problem } => (
            "error",
            json!({ "type": "error", "error": problem::document(problem, request_id, redactor) }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;

    #[test]
    fn every_event_is_one_frame_with_one_data_line() {
        let events = [
            RunEvent::Start {
                model: "demo".to_owned(),
                driver: "app-server",
            },
            RunEvent::Delta {
                text: "two\nlines \r and \u{2028}".to_owned(),
            },
            RunEvent::Item {
                kind: "reasoning",
                title: "Reasoning".into(),
                status: "started",
            },
            RunEvent::Done {
                meta: json!({ "request_id": "r" }),
            },
            RunEvent::Failed {
                problem: Problem::deadline_exceeded(Duration::from_secs(3)),
            },
        ];
        let redactor = Redactor::with_default_rules();
        let frames: String = events
            .into_iter()
            .zip(1..)
            .map(|(event, number)| frame(&NumberedEvent { number, event }, "r", &redactor))
            .collect();
        insta::assert_snapshot!(frames);
    }
}

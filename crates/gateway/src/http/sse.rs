//! A run as server-sent events.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use redact::Redactor;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::calls::result::CallResult;
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
            Some((frame.map(Bytes::from), frames))
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
    async fn next(&mut self) -> Option<serde_json::Result<String>> {
        if self.ended {
            return None;
        }
        let event = match self.first.take() {
            Some(first) => first,
            None => match timeout(HEARTBEAT, self.follower.next()).await {
                Ok(event) => event?,
                Err(_) => return Some(Ok(": still working\n\n".to_owned())),
            },
        };
        self.ended = event.event.is_terminal();
        Some(frame(&event, &self.request_id, &self.redactor))
    }
}

/// One event on the wire.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Data<'event> {
    Start {
        request_id: &'event str,
        conversation_id: Option<&'event str>,
        model: Option<&'event str>,
        driver: &'event str,
        #[serde(skip_serializing_if = "Option::is_none")]
        skill: Option<&'event str>,
    },
    Delta {
        text: &'event str,
    },
    Item {
        kind: &'event str,
        title: &'event str,
        status: &'event str,
    },
    Done(&'event CallResult),
    Error {
        error: Value,
    },
}

impl<'event> Data<'event> {
    fn of(event: &'event RunEvent, request_id: &'event str, redactor: &Redactor) -> Self {
        match event {
            RunEvent::Start {
                model,
                driver,
                skill,
            } => Self::Start {
                request_id,
                conversation_id: None,
                model: model.as_deref(),
                driver,
                skill: skill.as_deref(),
            },
            RunEvent::Delta { text } => Self::Delta { text },
            RunEvent::Item {
                kind,
                title,
                status,
            } => Self::Item {
                kind,
                title,
                status,
            },
            RunEvent::Done(result) => Self::Done(result),
            RunEvent::Failed { problem } => Self::Error {
                error: problem::document(problem, request_id, redactor),
            },
        }
    }

    /// The name of the event, which is its `type` too.
    fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Delta { .. } => "delta",
            Self::Item { .. } => "item",
            Self::Done(_) => "done",
            Self::Error { .. } => "error",
        }
    }
}

/// JSON has no line breaks outside its strings, and escapes them inside: one `data:` line is enough.
fn frame(
    event: &NumberedEvent,
    request_id: &str,
    redactor: &Redactor,
) -> serde_json::Result<String> {
    let data = Data::of(&event.event, request_id, redactor);
    let (number, name) = (event.number, data.name());
    let data = serde_json::to_string(&data)?;
    Ok(format!("id: {number}\nevent: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::result::finish_reason::FinishReason;
    use crate::calls::result::{ChatMeta, ChatResult, Redactions, Truncations};
    use crate::error::Problem;
    use broker::Usage;

    fn meta() -> ChatMeta {
        ChatMeta {
            request_id: "r".to_owned(),
            conversation_id: None,
            model: "demo".to_owned(),
            driver: "app-server",
            duration_ms: 12.3,
            first_token_ms: Some(4.5),
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
            truncated: Truncations::new(),
            redactions: Redactions::default(),
            skill_calls: Vec::new(),
            ignored_extra: vec!["colour".to_owned()],
        }
    }

    #[test]
    fn every_event_is_one_frame_with_one_data_line() {
        let events = [
            RunEvent::Start {
                model: Some("demo".to_owned()),
                driver: "app-server",
                skill: None,
            },
            RunEvent::Delta {
                text: "two\nlines \r and \u{2028}".to_owned(),
            },
            RunEvent::Item {
                kind: "reasoning",
                title: "Reasoning".into(),
                status: "started",
            },
            RunEvent::Done(CallResult::Chat(Box::new(ChatResult { meta: meta() }))),
            RunEvent::Failed {
                problem: Problem::deadline_exceeded(Duration::from_secs(3)),
            },
        ];
        let redactor = Redactor::with_default_rules();
        let frames: String = events
            .into_iter()
            .zip(1..)
            .map(|(event, number)| frame(&NumberedEvent { number, event }, "r", &redactor).unwrap())
            .collect();
        insta::assert_snapshot!(frames);
    }
}

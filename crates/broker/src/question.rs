//! One question to the model, as Codex would ask it, for whoever wants to know whether it is answered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::event_stream::EventStream;
use super::events::Events;
use super::failure::{Cause, ProviderFailure, code};
use super::meter::{Meter, Metered, Terminal};
use super::providers::{Endpoint, Provider};
use super::relay::ERROR_TIMEOUT;
use super::start_error::BrokerStartError;
use super::usage::Usage;
use crate::settings::ProviderSettings;

/// A model that reasons may take its time even for this.
const LIMIT: Duration = Duration::from_mins(1);

const ITEM_DONE: &str = "response.output_item.done";

/// What became of the question.
#[derive(Debug)]
pub struct Asked {
    pub elapsed: Duration,
    /// What it cost.
    pub outcome: Result<Usage, ProviderFailure>,
}

/// Asks the configured model; `None` for the demo model, which is in this program.
pub async fn ask(settings: &ProviderSettings) -> Result<Option<Asked>, BrokerStartError> {
    let Provider::Endpoint(endpoint) = Provider::new(settings)? else {
        return Ok(None);
    };
    let begun = Instant::now();
    let outcome = tokio::time::timeout(LIMIT, ask_once(&endpoint, settings.model())).await;
    Ok(Some(Asked {
        elapsed: begun.elapsed(),
        outcome: outcome
            .unwrap_or_else(|_| Err(ProviderFailure::own(Cause::ServerFailed, "answer_timeout"))),
    }))
}

async fn ask_once(endpoint: &Endpoint, model: &str) -> Result<Usage, ProviderFailure> {
    let question = json!({
        "model": model,
        "stream": true,
        "store": false,
        "instructions": "Answer with one word.",
        "input": [{
            "type": "message",
            "role": "user",
            "content": [{ "type": "input_text", "text": "Say OK." }],
        }],
    });
    let stream = endpoint.ask(question.to_string().into()).await?;
    read(stream).await
}

/// Reads a stream to its end, as the broker's relay does.
async fn read(mut stream: EventStream) -> Result<Usage, ProviderFailure> {
    let mut meter = Meter::default();
    let mut seen = Seen::default();
    loop {
        let next = stream.next();
        let piece = if meter.pending_error().is_some() {
            let ended = tokio::time::timeout(ERROR_TIMEOUT, next).await;
            ended.unwrap_or(None).transpose()?
        } else {
            next.await.transpose()?
        };
        let Metered { bytes, terminal } = match &piece {
            Some(piece) => meter.feed(piece),
            None => meter.finish(),
        };
        seen.take(&bytes);
        if let Some(Terminal { usage, outcome }) = terminal {
            outcome?;
            let empty = ProviderFailure::own(Cause::BadAnswer, "empty_answer");
            return if seen.has_text {
                Ok(usage.unwrap_or_default())
            } else {
                Err(empty)
            };
        }
        if piece.is_none() {
            let (cause, code) = if meter.saw_event() {
                (Cause::BadAnswer, code::STREAM_CUT)
            } else {
                (Cause::WrongAddress, code::NOT_AN_EVENT_STREAM)
            };
            return Err(ProviderFailure::own(cause, code));
        }
    }
}

/// Whether anything was said; an answer without a word is none.
#[derive(Default)]
struct Seen {
    events: Events,
    has_text: bool,
}

impl Seen {
    fn take(&mut self, bytes: &Bytes) {
        if self.has_text {
            return;
        }
        self.events.feed(bytes);
        while let Ok(Some(event)) = self.events.next() {
            let data = event.data().unwrap_or_default();
            let event = serde_json::from_slice::<Value>(&data).unwrap_or_default();
            let is_done = event.get("type").and_then(Value::as_str) == Some(ITEM_DONE);
            let parts = event.pointer("/item/content").and_then(Value::as_array);
            let mut texts = parts
                .into_iter()
                .flatten()
                .filter_map(|part| part.get("text"));
            self.has_text |=
                is_done && texts.any(|text| text.as_str().is_some_and(|text| !text.is_empty()));
        }
    }
}

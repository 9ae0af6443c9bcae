use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::usage::Usage;

/// What is logged of a call, on every path: when the relay is dropped, the call is over.
pub(crate) struct Record {
    started: Instant,
    turn_id: String,
    first_byte: Option<Duration>,
    pub(crate) response_bytes: usize,
    pub(crate) usage: Usage,
    pub(crate) outcome: &'static str,
    pub(crate) code: Option<&'static str>,
}

impl Record {
    pub(crate) fn new(started: Instant, turn_id: String) -> Self {
        Self {
            started,
            turn_id,
            first_byte: None,
            response_bytes: 0,
            usage: Usage::default(),
            outcome: "child_gone",
            code: None,
        }
    }

    pub(crate) fn count(&mut self, chunk: &Bytes) {
        self.first_byte
            .get_or_insert_with(|| self.started.elapsed());
        self.response_bytes += chunk.len();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        tracing::info!(
            turn_id = self.turn_id,
            outcome = self.outcome,
            code = self.code,
            first_byte_ms = self.first_byte.map(|duration| duration.as_millis()),
            duration_ms = self.started.elapsed().as_millis(),
            response_bytes = self.response_bytes,
            input_tokens = self.usage.input_tokens,
            output_tokens = self.usage.output_tokens,
            "model call ended"
        );
    }
}

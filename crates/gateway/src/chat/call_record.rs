use std::time::{Duration, Instant};

use crate::broker::Usage;
use crate::error::{ErrorCode, Problem};

use super::meta::{Meta, milliseconds};
use super::request::ChatRequest;
use super::{Call, DRIVER};

/// What is recorded of a call: sizes, times and outcome, never content. One log line, at its end.
#[derive(Debug)]
pub(super) struct CallRecord {
    request_id: String,
    accepted: Instant,
    message_bytes: usize,
    context_bytes: usize,
    queued: Option<Duration>,
    codex_started: bool,
    first_token: Option<Duration>,
    model: Option<String>,
    usage: Usage,
    outcome: Option<ErrorCode>,
    detail: Option<String>,
}

impl CallRecord {
    pub(super) fn new(call: &Call, request: &ChatRequest) -> Self {
        Self {
            request_id: call.request_id.clone(),
            accepted: call.accepted,
            message_bytes: request.message.len(),
            context_bytes: request.context.as_ref().map_or(0, String::len),
            queued: None,
            codex_started: false,
            first_token: None,
            model: None,
            usage: Usage::default(),
            outcome: None,
            detail: None,
        }
    }

    pub(super) fn admitted(&mut self) {
        self.queued = Some(self.accepted.elapsed());
    }

    pub(super) fn starting_codex(&mut self) {
        self.codex_started = true;
    }

    pub(super) fn codex_started(&self) -> bool {
        self.codex_started
    }

    pub(super) fn usage(&mut self, usage: Usage) {
        self.usage = usage;
    }

    pub(super) fn completed(&mut self, meta: &Meta) {
        self.model = Some(meta.model.clone());
        self.first_token = meta.first_token;
    }

    pub(super) fn failed(&mut self, problem: &Problem) {
        self.outcome = Some(problem.code);
        self.detail = Some(problem.detail.clone());
    }

    pub(super) fn log(self) {
        tracing::info!(
            request_id = %self.request_id,
            mode = "chat",
            driver = DRIVER,
            model = self.model,
            status = self.outcome.map_or(200, ErrorCode::status),
            code = self.outcome.map(ErrorCode::as_str),
            detail = self.detail,
            duration_ms = milliseconds(self.accepted.elapsed()),
            queued_ms = self.queued.map(milliseconds),
            first_token_ms = self.first_token.map(milliseconds),
            message_bytes = self.message_bytes,
            context_bytes = self.context_bytes,
            input_tokens = self.usage.input_tokens,
            output_tokens = self.usage.output_tokens,
            "call ended"
        );
    }
}

use std::time::{Duration, Instant};

use broker::Usage;

use crate::calls::call::{Call, milliseconds};
use crate::error::{ErrorCode, Problem};
use crate::logging::RECORD;

use crate::calls::request::ChatRequest;

/// What is recorded of a call: sizes, times and outcome, never content. One log line, when it is
/// dropped: whatever happens to the call, a panic included, it leaves exactly one.
#[derive(Debug)]
pub(super) struct CallRecord {
    request_id: String,
    driver: &'static str,
    accepted: Instant,
    message_bytes: usize,
    context_bytes: usize,
    queued: Option<Duration>,
    codex_started: bool,
    first_token: Option<Duration>,
    model: Option<String>,
    usage: Usage,
    /// The failure that it ended with, until it is known to have ended well.
    failure: Option<Problem>,
}

impl CallRecord {
    pub(super) fn new(call: &Call, request: &ChatRequest, driver: &'static str) -> Self {
        Self {
            request_id: call.request_id.clone(),
            driver,
            accepted: call.accepted,
            message_bytes: request.message.len(),
            context_bytes: request.context.as_ref().map_or(0, String::len),
            queued: None,
            codex_started: false,
            first_token: None,
            model: None,
            usage: Usage::default(),
            failure: Some(Problem::new(ErrorCode::Internal, "")),
        }
    }

    pub(super) fn admitted(&mut self) {
        self.queued = Some(self.accepted.elapsed());
    }

    /// The model that the call uses, once it is decided.
    pub(super) fn model(&mut self, model: &str) {
        self.model = Some(model.to_owned());
    }

    /// Whether Codex may have begun to work: then the same call again would run the work again.
    pub(super) fn codex_started(&mut self, started: bool) {
        self.codex_started = started;
    }

    pub(super) fn has_codex_started(&self) -> bool {
        self.codex_started
    }

    /// The time to the first token; the first call of this decides it.
    pub(super) fn first_token(&mut self) -> Duration {
        *self
            .first_token
            .get_or_insert_with(|| self.accepted.elapsed())
    }

    pub(super) fn usage(&mut self, usage: Usage) {
        self.usage = usage;
    }

    pub(super) fn completed(&mut self) {
        self.failure = None;
    }

    pub(super) fn failed(&mut self, problem: &Problem) {
        self.failure = Some(problem.clone());
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let failure = self.failure.as_ref();
        let code = failure.map(|problem| problem.code);
        tracing::info!(
            target: RECORD,
            request_id = %self.request_id,
            mode = "chat",
            driver = self.driver,
            model = self.model,
            status = code.map_or(200, ErrorCode::status),
            code = code.map(ErrorCode::as_str),
            detail = failure.and_then(Problem::logged_detail),
            errors = failure.map(|problem| problem.errors.len()).filter(|count| *count > 0),
            duration_ms = milliseconds(self.accepted.elapsed()),
            admitted = self.queued.is_some(),
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

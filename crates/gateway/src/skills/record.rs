use std::time::{Duration, Instant};

use ::skills::ToolResult;
use redact::Counts;
use serde_json::Value;

use crate::calls::call::{Call, milliseconds};
use crate::error::{ErrorCode, Problem};
use crate::logging::RECORD;

/// What is recorded of a call of a skill: name, sizes, times and outcome, never content. One log line,
/// when it is dropped: whatever happens to the call, it leaves exactly one.
#[derive(Debug)]
pub(super) struct ToolRecord {
    request_id: String,
    accepted: Instant,
    /// The name of a skill that there is; what a caller wrote instead is content.
    pub(super) skill: Option<String>,
    pub(super) workspace: Option<String>,
    pub(super) kind: Option<&'static str>,
    extra_bytes: usize,
    queued: Option<Duration>,
    began: bool,
    exit_code: Option<i32>,
    signal: Option<i32>,
    result_bytes: Option<usize>,
    redactions: u64,
    /// The failure that it ended with, until it is known to have ended well.
    failure: Option<Problem>,
}

impl ToolRecord {
    pub(super) fn new(call: &Call, extra_bytes: usize) -> Self {
        Self {
            request_id: call.request_id.clone(),
            accepted: call.accepted,
            skill: None,
            workspace: None,
            kind: None,
            extra_bytes,
            queued: None,
            began: false,
            exit_code: None,
            signal: None,
            result_bytes: None,
            redactions: 0,
            failure: Some(Problem::new(ErrorCode::Internal, "")),
        }
    }

    pub(super) fn admitted(&mut self) {
        self.queued = Some(self.accepted.elapsed());
    }

    /// Whether the program or the turn may have begun: then the same call again would run it again.
    pub(super) fn began(&mut self, began: bool) {
        self.began = began;
    }

    pub(super) fn has_begun(&self) -> bool {
        self.began
    }

    pub(super) fn completed(&mut self, result: &ToolResult, written: &Value, redactions: &Counts) {
        self.exit_code = result.exit_code;
        self.signal = result.signal;
        self.result_bytes = Some(written.to_string().len());
        self.redactions = redactions.total();
        self.failure = None;
    }

    pub(super) fn failed(&mut self, problem: &Problem) {
        self.failure = Some(problem.clone());
    }
}

impl Drop for ToolRecord {
    fn drop(&mut self) {
        let failure = self.failure.as_ref();
        let code = failure.map(|problem| problem.code);
        tracing::info!(
            target: RECORD,
            request_id = %self.request_id,
            mode = "tool",
            skill = self.skill,
            workspace = self.workspace,
            driver = self.kind,
            status = code.map_or(200, ErrorCode::status),
            code = code.map(ErrorCode::as_str),
            detail = failure.and_then(Problem::logged_detail),
            errors = failure.map(|problem| problem.errors.len()).filter(|count| *count > 0),
            exit_code = self.exit_code,
            signal = self.signal,
            duration_ms = milliseconds(self.accepted.elapsed()),
            admitted = self.queued.is_some(),
            queued_ms = self.queued.map(milliseconds),
            extra_bytes = self.extra_bytes,
            result_bytes = self.result_bytes,
            redactions = self.redactions,
            "call ended"
        );
    }
}

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use broker::Usage;
use redact::Counts;
use serde::Serialize;
use serde_json::{Value, json};

use crate::calls::caps::Truncation;

use crate::calls::call::{Call, FinishReason, milliseconds};
use crate::skills::LentCall;

/// What an answer says about how it was made.
#[derive(Debug)]
pub(super) struct Meta {
    request_id: String,
    accepted: Instant,
    pub(super) model: String,
    pub(super) driver: &'static str,
    pub(super) first_token: Option<Duration>,
    pub(super) finish_reason: FinishReason,
    pub(super) usage: Usage,
    pub(super) truncated: BTreeMap<&'static str, Truncation>,
    pub(super) redactions: Redactions,
    /// Calls of skills that the model made by itself.
    pub(super) skill_calls: Vec<LentCall>,
    ignored_extra: Vec<String>,
}

/// Secrets that were replaced, by rule, at each door of the call.
#[derive(Debug, Default, Serialize)]
pub(super) struct Redactions {
    /// In what the client sent.
    pub(super) request: Counts,
    /// In what Codex sent to the model.
    pub(super) upstream: Counts,
    /// In the answer.
    pub(super) response: Counts,
}

impl Meta {
    pub(super) fn new(
        call: &Call,
        model: String,
        driver: &'static str,
        ignored_extra: Vec<String>,
    ) -> Self {
        Self {
            request_id: call.request_id.clone(),
            accepted: call.accepted,
            model,
            driver,
            first_token: None,
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
            truncated: BTreeMap::new(),
            redactions: Redactions::default(),
            skill_calls: Vec::new(),
            ignored_extra,
        }
    }

    /// `duration_ms` is the time until this call.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "request_id": self.request_id,
            "conversation_id": null,
            "model": self.model,
            "driver": self.driver,
            "duration_ms": milliseconds(self.accepted.elapsed()),
            "first_token_ms": self.first_token.map(milliseconds),
            "finish_reason": self.finish_reason,
            "usage": self.usage,
            "truncated": self.truncated,
            "redactions": self.redactions,
            "skill_calls": self.skill_calls,
            "ignored_extra": self.ignored_extra,
        })
    }
}

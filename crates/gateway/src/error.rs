//! What can go wrong for a caller: one table from code to status, title and whether to try again.
//!
//! Everything that reaches a caller as an error is a [`Problem`]; `http::problem` alone renders it.
//! Its text says what was wrong and what to do, and never repeats content.

use std::time::Duration;

use serde::Serialize;
use store::LimitState;

use crate::calls::result::finish_reason::FinishReason;

/// A refusal or a failure, as RFC 9457 wants it described.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub code: ErrorCode,
    pub detail: String,
    /// Every single thing that was wrong with the request, where there are several.
    pub errors: Vec<FieldError>,
    pub retry_after: Option<Duration>,
    /// The time limit that was exceeded.
    pub timeout: Option<Duration>,
    /// How the answer ended that was none, where a turn came to its end.
    pub finish_reason: Option<FinishReason>,
    /// The limit that refused the call.
    pub exceeded: Option<Box<LimitState>>,
    /// Codex had started, so repeating the request may run the work twice.
    pub codex_started: bool,
}

/// One thing wrong with a request, by its JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub pointer: String,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    MalformedRequest,
    MalformedJson,
    MissingMessage,
    MissingSkill,
    UnknownSkill,
    Unauthenticated,
    Forbidden,
    OriginNotAllowed,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    HostNotAllowed,
    InvalidRequest,
    InvalidExtra,
    TooManySkillCalls,
    RateLimited,
    TooManyTurns,
    BudgetExhausted,
    ClientGone,
    Internal,
    CodexFailed,
    ProviderFailed,
    SkillFailed,
    BadToolOutput,
    Overloaded,
    Draining,
    DatabaseUnavailable,
    IssuerUnavailable,
    WorkspaceChanging,
    CodexUnavailable,
    DeadlineExceeded,
}

impl ErrorCode {
    /// The wire name, the HTTP status and the title of each code.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedRequest => ("malformed_request", 400, "The request is not well formed"),
            Self::MalformedJson => ("malformed_json", 400, "The body is not valid JSON"),
            Self::MissingMessage => ("missing_message", 400, "There is no message"),
            Self::MissingSkill => ("missing_skill", 400, "There is no skill"),
            Self::UnknownSkill => ("unknown_skill", 400, "There is no such skill"),
            Self::Unauthenticated => ("unauthenticated", 401, "Who calls is not known"),
            Self::Forbidden => ("forbidden", 403, "The caller may not do this"),
            Self::OriginNotAllowed => ("origin_not_allowed", 403, "This origin is not allowed"),
            Self::NotFound => ("not_found", 404, "There is nothing here"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "This method is not allowed"),
            Self::NotAcceptable => ("not_acceptable", 406, "The answer has no acceptable form"),
            Self::RequestTimeout => ("request_timeout", 408, "The request did not arrive in time"),
            Self::BodyTooLarge => ("body_too_large", 413, "The body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                415,
                "The body is not declared or encoded as it must be",
            ),
            Self::HostNotAllowed => ("host_not_allowed", 421, "This host is not served here"),
            Self::InvalidRequest => ("invalid_request", 422, "The request is not valid"),
            Self::InvalidExtra => ("invalid_extra", 422, "A value in extra is not valid"),
            Self::TooManySkillCalls => (
                "too_many_skill_calls",
                422,
                "The model has made all the calls it may",
            ),
            Self::RateLimited => ("rate_limited", 429, "Too many requests"),
            Self::TooManyTurns => ("too_many_turns", 429, "Too many calls at once"),
            Self::BudgetExhausted => ("budget_exhausted", 429, "The budget is used up"),
            Self::ClientGone => ("client_gone", 499, "The client went away"),
            Self::Internal => ("internal", 500, "The gateway failed"),
            Self::CodexFailed => ("codex_failed", 502, "Codex failed"),
            Self::ProviderFailed => ("provider_failed", 502, "The model's provider failed"),
            Self::SkillFailed => ("skill_failed", 502, "The skill failed"),
            Self::BadToolOutput => ("bad_tool_output", 502, "The skill's output is not valid"),
            Self::Overloaded => ("overloaded", 503, "The gateway is full"),
            Self::Draining => ("draining", 503, "The gateway is shutting down"),
            Self::DatabaseUnavailable => {
                ("database_unavailable", 503, "The database does not answer")
            }
            Self::IssuerUnavailable => (
                "issuer_unavailable",
                503,
                "The identity provider does not answer",
            ),
            Self::WorkspaceChanging => (
                "workspace_changing",
                503,
                "The workspace is being written to",
            ),
            Self::CodexUnavailable => ("codex_unavailable", 503, "Codex is not available"),
            Self::DeadlineExceeded => ("deadline_exceeded", 504, "The time limit was exceeded"),
        }
    }

    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    pub const fn status(self) -> u16 {
        self.row().1
    }

    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// How long a caller should wait before it tries the same again, if that makes sense at all.
    const fn retry_after(self) -> Option<Duration> {
        match self {
            // Of a deadline only where Codex had not begun: the call spent its time in the queue.
            Self::Overloaded
            | Self::DatabaseUnavailable
            | Self::WorkspaceChanging
            | Self::TooManyTurns
            | Self::DeadlineExceeded => Some(Duration::from_secs(2)),
            Self::CodexUnavailable => Some(Duration::from_secs(10)),
            Self::Draining => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

impl Problem {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: code.retry_after(),
            timeout: None,
            finish_reason: None,
            exceeded: None,
            codex_started: false,
        }
    }

    /// Several things wrong at once: `count` of them, the first of which are `errors`.
    pub fn invalid(code: ErrorCode, errors: Vec<FieldError>, count: usize) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.pointer, only.detail),
            many if many.len() == count => format!("{count} values are not valid; see errors."),
            many => format!(
                "{count} values are not valid; errors has the first {}.",
                many.len()
            ),
        };
        Self {
            errors,
            ..Self::new(code, detail)
        }
    }

    /// What of the detail may be logged. Where there are errors it may name one by its pointer, and a
    /// pointer holds the caller's own keys: the log has their number instead.
    pub fn logged_detail(&self) -> Option<&str> {
        self.errors.is_empty().then_some(self.detail.as_str())
    }

    pub fn deadline_exceeded(timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..Self::new(
                ErrorCode::DeadlineExceeded,
                format!(
                    "The call took longer than {} s and was ended. Ask for less at once, or have CODEX_TIMEOUT_SEC raised.",
                    timeout.as_secs()
                ),
            )
        }
    }

    /// Marks that the work had started. Whether to try again is then the caller's decision.
    #[must_use]
    pub fn after_codex_started(mut self) -> Self {
        self.codex_started = true;
        self.retry_after = None;
        self
    }
}

impl FieldError {
    /// `tokens` are the unescaped steps of the pointer.
    pub fn new(tokens: &[&str], detail: impl Into<String>) -> Self {
        Self {
            pointer: bounded_json::pointer(tokens.iter().copied()),
            detail: detail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_is_the_detail_itself() {
        let problem = Problem::invalid(
            ErrorCode::InvalidRequest,
            vec![FieldError::new(&["stream"], "no")],
            1,
        );
        assert_eq!(problem.detail, "/stream: no");
    }

    #[test]
    fn what_began_is_not_worth_a_blind_retry() {
        let problem = Problem::new(ErrorCode::Overloaded, "");
        assert!(problem.retry_after.is_some());
        assert!(problem.after_codex_started().retry_after.is_none());
    }
}

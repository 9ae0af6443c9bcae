//! What went wrong between the broker and the model provider, without a word of content.

mod cause;
mod known_codes;
mod signs;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use self::cause::Cause;
pub use self::cause::ProviderFailureClass;
pub(super) use self::signs::Signs;

/// Codes of the broker's own making, beside those that providers send.
pub(super) mod code {
    pub(crate) const STREAM_CUT: &str = "stream_cut";
    pub(crate) const NOT_AN_EVENT_STREAM: &str = "not_an_event_stream";
    pub(crate) const COMPRESSED_ANSWER: &str = "compressed_answer";
    pub(crate) const EVENT_TOO_LARGE: &str = "event_too_large";
    pub(crate) const ANSWER_TOO_LARGE: &str = "answer_too_large";
    pub(crate) const CONNECTION_LOST: &str = "connection_lost";
}

/// The first failure of a turn's model calls, for the caller's error answer, the audit and a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFailure {
    cause: Cause,
    /// The provider's HTTP status, when the failure was one.
    pub status: Option<u16>,
    /// A name that stands in this program, whatever the provider wrote.
    pub code: Option<&'static str>,
    /// What the provider asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// An answer that is an error, as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrorAnswer {
    pub(super) status: u16,
    pub(super) media: Media,
    pub(super) signs: Signs,
    pub(super) retry_after: Option<Duration>,
}

/// What the body of an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Media {
    /// Nothing, or nothing that says who wrote it.
    #[default]
    Unknown,
    Json,
    /// A line of text for people.
    Text,
    /// A page for people, which no API writes: something else has answered.
    Page,
}

impl ProviderFailure {
    pub(super) fn own(cause: Cause, code: &'static str) -> Self {
        Self {
            cause,
            status: None,
            code: Some(code),
            retry_after: None,
        }
    }

    pub(super) fn network(code: &'static str) -> Self {
        let cause = match code {
            "tls_failed" => Cause::Tls,
            "name_not_resolved" => Cause::Name,
            "proxy_refused" => Cause::ProxyRefused,
            "proxy_failed" => Cause::ProxyFailed,
            _ => Cause::NotReached,
        };
        Self::own(cause, code)
    }

    /// An answer of which nothing but the status was read.
    pub fn from_status(status: u16) -> Self {
        Self::of_answer(&ErrorAnswer {
            status,
            ..ErrorAnswer::default()
        })
    }

    /// An answer that is no stream of events.
    pub(super) fn of_answer(answer: &ErrorAnswer) -> Self {
        let ErrorAnswer {
            status,
            media,
            signs,
            retry_after,
        } = *answer;
        let is_success = (200..300).contains(&status);
        let cause = if is_success && !signs.is_error {
            Cause::WrongAddress
        } else {
            let status = signs.status.filter(|_| is_success).unwrap_or(status);
            cause_of(status, media, &signs, retry_after.is_some())
        };
        let own_code = (is_success && !signs.is_error).then_some(code::NOT_AN_EVENT_STREAM);
        Self {
            cause,
            status: Some(status),
            code: own_code.or(signs.code),
            retry_after,
        }
    }

    /// An error event inside a stream that began with success.
    pub(super) fn in_stream(signs: &Signs) -> Self {
        let status = signs.status.unwrap_or(500);
        Self {
            cause: cause_of(status, Media::Json, signs, false),
            status: None,
            code: signs.code,
            retry_after: None,
        }
    }

    pub fn class(&self) -> ProviderFailureClass {
        self.cause.row().0
    }

    /// Whether the same call may well be answered when it is asked again a moment later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, Some(429 | 503 | 529))
            && matches!(self.cause, Cause::TooManyRequests | Cause::Overloaded)
    }

    /// What happened and what to do. Made of fixed words, the status and the code; never content.
    pub fn detail(&self) -> String {
        format!("{}. {}", self.what(), self.advice())
    }

    /// What happened.
    pub fn what(&self) -> String {
        let what = self.cause.row().1;
        match (self.status, self.code) {
            (Some(status), Some(code)) => format!("{what} (HTTP {status}, {code})"),
            (Some(status), None) => format!("{what} (HTTP {status})"),
            (None, Some(code)) => format!("{what} ({code})"),
            (None, None) => what.to_owned(),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        self.cause.row().2
    }
}

/// The code that says enough decides, then a status that does, then the message, then the status with what
/// vague codes add.
fn cause_of(status: u16, media: Media, signs: &Signs, says_when: bool) -> Cause {
    let message = signs.message.filter(|cause| match status {
        401 | 402 | 407 | 413 => false,
        429 => *cause == Cause::NoQuota,
        _ => true,
    });
    let cause = signs.sure.or(message);
    let cause = cause.unwrap_or_else(|| cause_of_status(status, media, signs.vague));
    // A quota for a minute is no empty account: whoever says when to come back says that it passes.
    if cause == Cause::NoQuota && status == 429 && (says_when || signs.is_passing) {
        return Cause::TooManyRequests;
    }
    cause
}

fn cause_of_status(status: u16, media: Media, vague: Option<Cause>) -> Cause {
    match (status, media) {
        (407 | 511, _) => Cause::ProxyRefused,
        (403 | 451, Media::Page) => Cause::Firewall,
        (401 | 403, _) => vague
            .filter(|cause| *cause != Cause::RequestRefused)
            .unwrap_or(Cause::KeyRefused),
        (402, _) => Cause::NoQuota,
        (413, _) => Cause::TooLong,
        (429, _) => Cause::TooManyRequests,
        (451, _) => Cause::Region,
        (300..400 | 404 | 405 | 406 | 410 | 414 | 415 | 421 | 426 | 501 | 505, _) => {
            Cause::WrongAddress
        }
        (400 | 422, Media::Page) => Cause::WrongAddress,
        (400 | 422, _) => vague.unwrap_or(Cause::RequestRefused),
        (503 | 529, _) => Cause::Overloaded,
        _ => vague
            .filter(|cause| *cause == Cause::TooManyRequests)
            .unwrap_or(Cause::ServerFailed),
    }
}

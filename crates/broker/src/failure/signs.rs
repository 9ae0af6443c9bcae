//! What an error object of a provider gives away, read for its meaning alone: no word of it goes further.

use serde_json::Value;

use super::cause::Cause;
use super::known_codes::{Weight, meaning};

/// What was found in an error object, each of it from a closed set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// There was an error object at all.
    pub(crate) is_error: bool,
    /// The code that is told.
    pub(super) code: Option<&'static str>,
    pub(super) sure: Option<Cause>,
    pub(super) message: Option<Cause>,
    pub(super) vague: Option<Cause>,
    /// A code that is an HTTP status.
    pub(super) status: Option<u16>,
    /// The message speaks of a limit for a span of time.
    pub(super) is_passing: bool,
}

/// Of a message, what is looked at: servers say what is wrong at its beginning.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// Phrases of messages, for codes that say nothing: all words of a row must stand in the message. The
/// first row that is found counts.
const PHRASES: &[(&[&str], Cause)] = &[
    (&["api version"], Cause::ApiVersion),
    (&["api-version"], Cause::ApiVersion),
    (&["user location", "not supported"], Cause::Region),
    (&["country", "not supported"], Cause::Region),
    (&["region", "not supported"], Cause::Region),
    (&["region", "not available"], Cause::Region),
    (&["credit balance"], Cause::NoQuota),
    (&["insufficient balance"], Cause::NoQuota),
    (&["insufficient credit"], Cause::NoQuota),
    (&["insufficient funds"], Cause::NoQuota),
    (&["not enough credit"], Cause::NoQuota),
    (&["out of credit"], Cause::NoQuota),
    (&["overdue"], Cause::NoQuota),
    (&["payment"], Cause::NoQuota),
    (&["rate limit"], Cause::TooManyRequests),
    (&["too many requests"], Cause::TooManyRequests),
    (&["quota"], Cause::NoQuota),
    (&["billing"], Cause::NoQuota),
    (&["context length"], Cause::TooLong),
    (&["context window"], Cause::TooLong),
    (&["too long"], Cause::TooLong),
    (&["too many tokens"], Cause::TooLong),
    (&["too large"], Cause::TooLong),
    (&["reduce the length"], Cause::TooLong),
    (&["usage polic"], Cause::Refused),
    (&["content polic"], Cause::Refused),
    (&["content management polic"], Cause::Refused),
    (&["content filter"], Cause::Refused),
    (&["flagged"], Cause::Refused),
    (&["moderation"], Cause::Refused),
    (&["invalid url"], Cause::WrongAddress),
    (&["unknown request url"], Cause::WrongAddress),
    (&["resource not found"], Cause::WrongAddress),
    (&["method not allowed"], Cause::WrongAddress),
    (&["no such endpoint"], Cause::WrongAddress),
    (&["cannot post"], Cause::WrongAddress),
    (&["model", "not found"], Cause::NoSuchModel),
    (&["model", "not exist"], Cause::NoSuchModel),
    (&["model", "not have access"], Cause::NoSuchModel),
    (&["model", "decommissioned"], Cause::NoSuchModel),
    (&["model", "deprecated"], Cause::NoSuchModel),
    (&["unknown model"], Cause::NoSuchModel),
    (&["deployment", "not exist"], Cause::NoSuchModel),
    (&["overloaded"], Cause::Overloaded),
    (&["firewall"], Cause::Firewall),
    (&["api key"], Cause::KeyRefused),
    (&["subscription key"], Cause::KeyRefused),
];

/// What makes of a quota a limit of the rate: it comes back by itself.
const PASSING: &[&str] = &[
    "per second",
    "per minute",
    "per min",
    "per hour",
    "per day",
    "(rpm)",
    "(tpm)",
    "retry in",
    "retry after",
    "try again in",
];

/// The codes of an error, the more telling first.
const CODES: [&str; 4] = ["/innererror/code", "/code", "/type", "/status"];

impl Signs {
    /// Reads the body of an error answer, or the object of an error event.
    pub(crate) fn read(body: &Value) -> Self {
        let body = match body {
            Value::Array(several) => several.first().unwrap_or(body),
            body => body,
        };
        match body.get("error") {
            Some(Value::String(message)) => Self::of_text(message),
            Some(error @ Value::Object(_)) => Self {
                is_error: true,
                ..Self::of_object(error)
            },
            // Without that envelope, only what has a message is one.
            _ => Self::of_object(body),
        }
    }

    /// Reads an answer that is a line of text.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut signs = Self::default();
        signs.read_message(text);
        signs
    }

    fn of_object(error: &Value) -> Self {
        let mut signs = Self::default();
        for code in CODES.iter().filter_map(|place| error.pointer(place)) {
            signs.read_code(code);
        }
        let message = ["message", "detail", "msg"]
            .iter()
            .find_map(|name| error.get(name)?.as_str());
        if let Some(message) = message {
            signs.read_message(message);
        }
        signs
    }

    fn read_code(&mut self, code: &Value) {
        let number = match code {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => return,
        };
        if let Some(number) = number {
            let status = u16::try_from(number).ok();
            self.status = self
                .status
                .or(status.filter(|status| (400..600).contains(status)));
            return;
        }
        let Some(meaning) = code.as_str().and_then(meaning) else {
            return;
        };
        match meaning.cause {
            Some((Weight::Sure, cause)) if self.sure.is_none() => {
                self.sure = Some(cause);
                self.code = Some(meaning.name);
            }
            Some((Weight::Vague, cause)) if self.vague.is_none() => self.vague = Some(cause),
            _ => {}
        }
        self.code.get_or_insert(meaning.name);
    }

    fn read_message(&mut self, message: &str) {
        self.is_error = true;
        let message: String = message.chars().take(MAX_MESSAGE_CHARS).collect();
        let message = message.to_lowercase();
        let stands = |words: &[&str]| words.iter().all(|word| message.contains(word));
        let row = PHRASES.iter().find(|(words, _)| stands(words));
        self.message = row.map(|(_, cause)| *cause);
        self.is_passing = PASSING.iter().any(|phrase| message.contains(phrase));
    }
}

//! What went wrong between the broker and the model provider, without a word of content.

use serde_json::Value;

/// Codes of the broker's own making, beside those that providers send.
pub(super) mod code {
    pub(in crate::broker) const STREAM_CUT: &str = "stream_cut";
    pub(in crate::broker) const NOT_AN_EVENT_STREAM: &str = "not_an_event_stream";
    pub(in crate::broker) const UNREADABLE_EVENT: &str = "unreadable_event";
    pub(in crate::broker) const EVENT_TOO_LARGE: &str = "event_too_large";
    pub(in crate::broker) const CONNECTION_LOST: &str = "connection_lost";
}

/// The first failure of a turn's model calls, for the caller's error answer, the audit and a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFailure {
    pub class: ProviderFailureClass,
    /// The provider's HTTP status, when the failure was one.
    pub status: Option<u16>,
    /// The provider's error code, or the broker's own: only `[a-z0-9_.-]{1,64}`.
    pub code: Option<String>,
}

/// Whose move it is after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderFailureClass {
    /// The gateway's key was refused.
    Auth,
    /// The account has nothing left to spend.
    Quota,
    /// Too many requests for now.
    Rate,
    /// This request, to this model, will not be answered.
    Model,
    /// The provider failed.
    Server,
    /// The provider was not reached, or the connection was lost.
    Network,
}

impl ProviderFailureClass {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Model => "model",
            Self::Server => "server",
            Self::Network => "network",
        }
    }

    /// What a provider's error code says, whatever the status beside it.
    fn of_code(code: &str) -> Option<Self> {
        let class = match code {
            _ if ["quota", "billing", "usage_limit"]
                .iter()
                .any(|word| code.contains(word)) =>
            {
                Self::Quota
            }
            "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" | "slow_down" => {
                Self::Rate
            }
            "invalid_api_key" | "authentication_error" | "permission_denied" | "unauthorized" => {
                Self::Auth
            }
            "server_error"
            | "internal_error"
            | "internal_server_error"
            | "server_is_overloaded"
            | "overloaded_error"
            | "service_unavailable" => Self::Server,
            "context_length_exceeded"
            | "model_not_found"
            | "deploymentnotfound"
            | "content_filter" => Self::Model,
            _ if code.starts_with("invalid_") || code.starts_with("unsupported_") => Self::Model,
            _ => return None,
        };
        Some(class)
    }
}

impl ProviderFailure {
    pub(super) fn own(class: ProviderFailureClass, code: &str) -> Self {
        Self {
            class,
            status: None,
            code: clean_code(code),
        }
    }

    pub(super) fn network(code: &str) -> Self {
        Self::own(ProviderFailureClass::Network, code)
    }

    /// An answer whose status is not a success.
    pub fn from_status(status: u16, code: Option<String>) -> Self {
        let by_code = code.as_deref().and_then(ProviderFailureClass::of_code);
        let class = match status {
            // OpenAI answers 403 when the key's project may not use the model.
            403 if by_code == Some(ProviderFailureClass::Model) => ProviderFailureClass::Model,
            401 | 403 => ProviderFailureClass::Auth,
            402 => ProviderFailureClass::Quota,
            429 if by_code == Some(ProviderFailureClass::Quota) => ProviderFailureClass::Quota,
            429 => ProviderFailureClass::Rate,
            400 | 404 | 413 | 422 => by_code.unwrap_or(ProviderFailureClass::Model),
            _ => ProviderFailureClass::Server,
        };
        Self {
            class,
            status: Some(status),
            code,
        }
    }

    /// An error event inside a stream that began with success.
    pub(super) fn in_stream(code: Option<String>) -> Self {
        let class = code
            .as_deref()
            .and_then(ProviderFailureClass::of_code)
            .unwrap_or(ProviderFailureClass::Server);
        Self {
            class,
            status: None,
            code,
        }
    }

    /// What happened and what to do. Made of fixed words, the status and the code; never content.
    pub fn detail(&self) -> String {
        format!("{}. {}", self.what(), self.advice())
    }

    /// What happened.
    pub fn what(&self) -> String {
        let what = match self.class {
            ProviderFailureClass::Auth => "The model provider refused the gateway's key",
            ProviderFailureClass::Quota => "The model provider's account has no quota left",
            ProviderFailureClass::Rate => "The model provider limits the rate of requests",
            ProviderFailureClass::Model => "The request was refused for this model",
            ProviderFailureClass::Server => "The model provider failed to answer",
            ProviderFailureClass::Network => {
                "The model provider could not be reached, or the connection broke"
            }
        };
        match (self.status, self.code.as_deref()) {
            (Some(status), Some(code)) => format!("{what} (HTTP {status}, {code})"),
            (Some(status), None) => format!("{what} (HTTP {status})"),
            (None, Some(code)) => format!("{what} ({code})"),
            (None, None) => what.to_owned(),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match (self.class, self.code.as_deref()) {
            (_, Some("model_not_granted")) => "Name a model that CHAT_ALLOWED_MODELS allows.",
            (_, Some("too_many_model_calls")) => {
                "The turn went round in circles: ask something narrower."
            }
            (_, Some("input_not_granted" | "malformed_request" | "not_streaming")) => {
                "The CLI sent what the broker does not pass on: check that it is the pinned version."
            }
            (_, Some("context_length_exceeded" | "request_too_large")) => {
                "Shorten the message, the context or the conversation."
            }
            (_, Some("max_output_tokens")) => {
                "The answer was too long for the model: ask for less."
            }
            (_, Some("content_filter")) => "The provider's content filter stopped it: rephrase.",
            (_, Some(code::NOT_AN_EVENT_STREAM)) => {
                "It did not answer as the Responses API does: check the base URL or endpoint."
            }
            (_, Some("tls_failed")) => {
                "The TLS handshake failed: if its certificate has a private issuer, name that in PORTCULLIS_CA_FILE."
            }
            (_, Some("name_not_resolved")) => {
                "Check the host name of the base URL or endpoint, and DNS."
            }
            (ProviderFailureClass::Auth, _) => {
                "Check the provider's key in the gateway's settings, and what the key may use."
            }
            (ProviderFailureClass::Quota, _) => {
                "Check its plan and billing; a retry does not help."
            }
            (ProviderFailureClass::Rate, _) => "Try again later, or raise the account's limit.",
            (ProviderFailureClass::Model, _) => {
                "Check the name of the model or deployment, and that it offers the Responses API."
            }
            (ProviderFailureClass::Server, _) => {
                "Try again later; the provider's status page may say more."
            }
            (ProviderFailureClass::Network, _) => {
                "Check the base URL or endpoint, HTTPS_PROXY and NO_PROXY, and the firewall."
            }
        }
    }
}

/// The code of a provider's error object: `code`, else `type`. Free text does not pass.
pub(super) fn code_of_error(error: &Value) -> Option<String> {
    let field = |name| match error.get(name)? {
        Value::String(text) => clean_code(text),
        Value::Number(number) => clean_code(&number.to_string()),
        _ => None,
    };
    field("code").or_else(|| field("type"))
}

/// Lower case, because Azure's codes are in camel case; anything else unexpected is dropped whole.
pub(super) fn clean_code(code: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    ((1..=64).contains(&code.len()) && code.bytes().all(allowed)).then(|| code.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ProviderFailure, ProviderFailureClass as Class, clean_code, code_of_error};

    #[test]
    fn status_and_code_give_the_class() {
        for (status, code, class) in [
            (401, Some("invalid_api_key"), Class::Auth),
            (403, None, Class::Auth),
            (403, Some("model_not_found"), Class::Model),
            (402, None, Class::Quota),
            (429, Some("insufficient_quota"), Class::Quota),
            (429, Some("billing_hard_limit_reached"), Class::Quota),
            (429, Some("rate_limit_exceeded"), Class::Rate),
            (429, None, Class::Rate),
            (400, Some("context_length_exceeded"), Class::Model),
            (400, None, Class::Model),
            (404, Some("deploymentnotfound"), Class::Model),
            (413, None, Class::Model),
            (422, None, Class::Model),
            (400, Some("invalid_api_key"), Class::Auth),
            (500, Some("insufficient_quota"), Class::Server),
            (503, None, Class::Server),
            (302, None, Class::Server),
            (418, None, Class::Server),
        ] {
            let failure = ProviderFailure::from_status(status, code.map(String::from));
            assert_eq!(failure.class, class, "{status} {code:?}");
        }
    }

    #[test]
    fn only_a_code_passes_and_never_text() {
        assert_eq!(
            clean_code("DeploymentNotFound").as_deref(),
            Some("deploymentnotfound")
        );
        assert_eq!(clean_code("the key sk-1 is wrong"), None);
        assert_eq!(clean_code(""), None);
        assert_eq!(clean_code(&"x".repeat(65)), None);
        let error = json!({"message": "secret words", "code": null, "type": "insufficient_quota"});
        assert_eq!(code_of_error(&error).as_deref(), Some("insufficient_quota"));
        assert_eq!(code_of_error(&json!({"code": 429})).as_deref(), Some("429"));
        assert_eq!(code_of_error(&json!("secret words")), None);
    }

    #[test]
    fn detail_says_what_happened_and_what_to_do() {
        let failure = ProviderFailure::from_status(401, Some("invalid_api_key".into()));
        assert_eq!(
            failure.detail(),
            "The model provider refused the gateway's key (HTTP 401, invalid_api_key). Check the \
             provider's key in the gateway's settings, and what the key may use."
        );
    }
}

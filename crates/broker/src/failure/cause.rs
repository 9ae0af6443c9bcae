//! Every way in which a model call can fail: whose move it is, what happened, and what to do about it.

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
    /// The question or its answer is over the model's size.
    TooLong,
    /// The provider does not want to answer this, or from here.
    Policy,
    /// What answered is not the endpoint that the settings should name.
    Address,
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
            Self::TooLong => "too_long",
            Self::Policy => "policy",
            Self::Address => "address",
            Self::Server => "server",
            Self::Network => "network",
        }
    }
}

/// What went wrong, as finely as what to do about it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    KeyRefused,
    NoQuota,
    TooManyRequests,
    NoSuchModel,
    RequestRefused,
    ModelNotGranted,
    TooManyCalls,
    NotPassedOn,
    TooLong,
    Refused,
    Region,
    WrongAddress,
    ApiVersion,
    Overloaded,
    ServerFailed,
    BadAnswer,
    Firewall,
    ProxyRefused,
    ProxyFailed,
    MemoryBudgetExhausted,
    NotReached,
    Tls,
    Name,
}

impl Cause {
    /// The class, what happened (a clause), and what to do (a sentence).
    #[expect(clippy::too_many_lines, reason = "a table, a row for each cause")]
    pub(super) const fn row(self) -> (ProviderFailureClass, &'static str, &'static str) {
        use ProviderFailureClass as Class;
        match self {
            Self::KeyRefused => (
                Class::Auth,
                "The model provider refused the gateway's key",
                "Check the provider's key in the gateway's settings, and what the key may use.",
            ),
            Self::NoQuota => (
                Class::Quota,
                "The model provider's account has no quota left",
                "Check its plan, balance and billing; a retry does not help.",
            ),
            Self::TooManyRequests => (
                Class::Rate,
                "The model provider limits the rate of requests",
                "Try again later, or raise the account's limit.",
            ),
            Self::NoSuchModel => (
                Class::Model,
                "The model provider does not offer this model",
                "Check the name of the model or deployment, and that it offers the Responses API.",
            ),
            Self::RequestRefused => (
                Class::Model,
                "The request was refused for this model",
                "The model may not offer what was asked for: check the reasoning effort, the output schema and the skills, and that the model offers the Responses API.",
            ),
            Self::ModelNotGranted => (
                Class::Model,
                "The request was refused for this model",
                "Name a model that CHAT_ALLOWED_MODELS allows.",
            ),
            Self::TooManyCalls => (
                Class::Model,
                "The model was called too often in one turn",
                "The turn went round in circles: ask something narrower.",
            ),
            Self::NotPassedOn => (
                Class::Model,
                "The CLI's request was refused",
                "The CLI sent what the broker does not pass on: check that it is the pinned version.",
            ),
            Self::TooLong => (
                Class::TooLong,
                "The request is too long for the model",
                "Shorten the message, the context or the conversation.",
            ),
            Self::Refused => (
                Class::Policy,
                "The model provider refused the question by its policy",
                "The provider's content filter or usage policy stopped it: rephrase the question; a retry does not help.",
            ),
            Self::Region => (
                Class::Policy,
                "The model provider does not serve the region or country that the gateway calls from",
                "Call it from a supported region, or use an endpoint that serves this one.",
            ),
            Self::WrongAddress => (
                Class::Address,
                "What answered is not the Responses API",
                "Check the base URL or endpoint in the gateway's settings: /responses is appended to it, and it usually ends in /v1.",
            ),
            Self::ApiVersion => (
                Class::Address,
                "The endpoint does not know the api-version",
                "Check AZURE_OPENAI_API_VERSION: v1, or an api-version that has the Responses API.",
            ),
            Self::Overloaded => (
                Class::Server,
                "The model provider is overloaded",
                "Try again later; the provider's status page may say more.",
            ),
            Self::ServerFailed => (
                Class::Server,
                "The model provider failed to answer",
                "Try again later; the provider's status page may say more.",
            ),
            Self::BadAnswer => (
                Class::Server,
                "The model provider's answer cannot be read",
                "Try again; if it stays so, the endpoint does not speak the Responses API as Codex does.",
            ),
            Self::Firewall => (
                Class::Network,
                "Something on the way to the model provider refused the request",
                "The answer is not the provider's own: check the firewall or proxy that stands between, and whether it lets this host's requests through.",
            ),
            Self::ProxyRefused => (
                Class::Network,
                "The proxy on the way to the model provider refused the request",
                "Put user and password into the proxy's URL, HTTPS_PROXY.",
            ),
            Self::ProxyFailed => (
                Class::Network,
                "The proxy on the way to the model provider did not let the request through",
                "Check that HTTPS_PROXY names the right proxy and that it allows the provider's host; a host that is reached without it belongs into NO_PROXY.",
            ),
            Self::MemoryBudgetExhausted => (
                Class::Server,
                "The gateway had no room for the CLI's request",
                "Ask again in a moment.",
            ),
            Self::NotReached => (
                Class::Network,
                "The model provider could not be reached, or the connection broke",
                "Check the base URL or endpoint, HTTPS_PROXY and NO_PROXY, and the firewall.",
            ),
            Self::Tls => (
                Class::Network,
                "The model provider could not be reached, or the connection broke",
                "The TLS handshake failed: if its certificate has a private issuer, name that in PORTCULLIS_CA_FILE.",
            ),
            Self::Name => (
                Class::Network,
                "The model provider could not be reached, or the connection broke",
                "Check the host names of the base URL or endpoint and of HTTPS_PROXY, and DNS.",
            ),
        }
    }
}

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::Seconds;

/// `[access]`: who may call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct AccessSettings {
    /// How callers show who they are: keys are made with `portcullis keys create`, jwt are tokens of the
    /// identity provider in `[jwt]`. auto asks for keys on a public address, and for nothing on this
    /// machine's own. docs/access.md has the whole of it.
    #[schemars(extend("env" = "PORTCULLIS_AUTH", "default" = "auto"))]
    pub auth: AuthenticationMode,

    /// How long keys that are known count while the database is away; then the answer is 503.
    #[serde(rename = "key_cache_sec", with = "Seconds")]
    #[schemars(range(min = 5, max = 3600))]
    #[schemars(extend("env" = "PORTCULLIS_KEY_CACHE_SEC", "default" = 30))]
    pub key_cache: Duration,

    /// Tokens of an answer that are reserved before a turn whose caller has a limit of tokens or money; a
    /// turn that needs more ends there. What was not used is given back at its end.
    #[schemars(range(min = 16, max = 1_000_000), extend("unit" = "tokens"))]
    #[schemars(extend("env" = "PORTCULLIS_RESERVED_TOKENS", "default" = 8_192))]
    pub reserved_tokens: u64,

    /// Send the provider a hash that stands for the caller, as `safety_identifier`, so that it can tell one
    /// caller's misuse from the whole company's.
    #[schemars(extend("env" = "PORTCULLIS_SAFETY_IDENTIFIER", "default" = false))]
    pub safety_identifier: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticationMode {
    Auto,
    None,
    Keys,
    Jwt,
    KeysAndJwt,
}

impl AccessSettings {
    pub fn takes_keys(&self, is_public: bool) -> bool {
        match self.auth {
            AuthenticationMode::Auto => is_public,
            AuthenticationMode::Keys | AuthenticationMode::KeysAndJwt => true,
            AuthenticationMode::None | AuthenticationMode::Jwt => false,
        }
    }

    pub fn takes_tokens(&self) -> bool {
        matches!(
            self.auth,
            AuthenticationMode::Jwt | AuthenticationMode::KeysAndJwt
        )
    }
}

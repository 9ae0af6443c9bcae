use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::proxies::Proxies;

/// The provider that answers model calls, and how it is reached.
#[derive(Clone, Debug)]
pub enum ProviderSettings {
    OpenAi(OpenAiSettings),
    Azure(AzureSettings),
    /// The broker answers model calls itself; nothing leaves the machine.
    Demo,
}

#[derive(Clone, Debug)]
pub struct OpenAiSettings {
    /// `OPENAI_API_KEY`
    pub api_key: SecretString,
    /// `OPENAI_MODEL`
    pub model: String,
    /// `OPENAI_BASE_URL`, without a trailing slash; `/responses` is appended.
    pub base_url: String,
    pub connection: ConnectionSettings,
}

#[derive(Clone, Debug)]
pub struct AzureSettings {
    /// `AZURE_OPENAI_API_KEY`
    pub api_key: SecretString,
    /// `AZURE_OPENAI_ENDPOINT`, without a trailing slash.
    pub endpoint: String,
    /// `AZURE_OPENAI_DEPLOYMENT`: sent as the model.
    pub deployment: String,
    /// `AZURE_OPENAI_API_VERSION`
    pub api_version: String,
    pub connection: ConnectionSettings,
}

/// The way to the provider, whoever it is.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// `PORTCULLIS_CA_FILE`: extra root certificates (PEM) for the way out.
    pub ca_file: Option<PathBuf>,
    /// Not used for a provider on this machine's loopback.
    pub proxies: Proxies,
    /// `PORTCULLIS_PROVIDER_IDLE_SEC`: how long an unused connection is kept.
    pub idle_timeout: Duration,
    /// `PORTCULLIS_PROVIDER_RETRIES`: of a turn's first model call, when the provider was too busy.
    pub retries: u32,
}

impl ProviderSettings {
    /// The model a call uses when it names none.
    pub fn model(&self) -> &str {
        match self {
            Self::OpenAi(settings) => &settings.model,
            Self::Azure(settings) => &settings.deployment,
            Self::Demo => "demo",
        }
    }
}

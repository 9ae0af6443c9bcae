use std::path::PathBuf;
use std::time::Duration;

use broker::{AzureSettings, ConnectionSettings, OpenAiSettings, ProviderSettings, Proxies};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::config::units::{Seconds, Secret};

/// `[provider]`, as it is written.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct ProviderSection {
    /// Who answers the model calls. demo is built in: it needs no key, and nothing leaves the machine.
    #[schemars(extend("env" = "LLM_PROVIDER", "default" = "openai"))]
    pub(in crate::config) kind: ProviderKind,

    /// Hosts of the provider that may be called over http, beside this machine: the key and every text
    /// travel in the clear. For a model on the network of a compose file or a cluster.
    #[schemars(extend("env" = "PORTCULLIS_PLAIN_HTTP_HOSTS", "default" = [], "format" = "hosts"))]
    pub(in crate::config) plain_http_hosts: Vec<String>,

    /// Root certificates trusted beside the usual ones on the way to the provider. Companies that inspect
    /// TLS need it; the CLI never sees it.
    #[schemars(extend("env" = "PORTCULLIS_CA_FILE", "format" = "certificates"))]
    ca_file: Option<PathBuf>,

    /// How long an unused connection to the provider is kept; shorter than the provider keeps it.
    #[serde(with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    #[schemars(extend("env" = "PORTCULLIS_PROVIDER_IDLE_SEC", "default" = 20))]
    idle_sec: Duration,

    /// How often a turn's first model call is made again that the provider was too busy for (429, 503).
    /// Only after a wait of at most 10 s; a longer one is passed to the caller as Retry-After.
    #[schemars(range(min = 0, max = 3), extend("unit" = "times"))]
    #[schemars(extend("env" = "PORTCULLIS_PROVIDER_RETRIES", "default" = 1))]
    retries: u32,

    pub(in crate::config) openai: OpenAiSection,
    pub(in crate::config) azure: AzureSection,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ProviderKind {
    OpenAi,
    Azure,
    Demo,
}

/// `[provider.openai]`, as it is written.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct OpenAiSection {
    /// The key; required with provider.kind openai. Better in a file of mode 0600, named by `api_key_file`
    /// here or by `OPENAI_API_KEY_FILE`.
    #[schemars(with = "Option<Secret>", extend("env" = "OPENAI_API_KEY"))]
    pub(in crate::config) api_key: Option<SecretString>,

    /// The model of a call that names none.
    #[schemars(extend("env" = "OPENAI_MODEL", "default" = "gpt-4o-mini", "format" = "model"))]
    model: String,

    /// Any endpoint with the Responses API; /responses is appended.
    #[schemars(extend("env" = "OPENAI_BASE_URL", "default" = "https://api.openai.com/v1"))]
    #[schemars(extend("format" = "base-url"))]
    pub(in crate::config) base_url: String,
}

/// `[provider.azure]`, as it is written.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct AzureSection {
    /// The key; required with provider.kind azure. Better in a file of mode 0600, named by `api_key_file`
    /// here or by `AZURE_OPENAI_API_KEY_FILE`.
    #[schemars(with = "Option<Secret>", extend("env" = "AZURE_OPENAI_API_KEY"))]
    pub(in crate::config) api_key: Option<SecretString>,

    /// The resource's endpoint, such as <https://name.openai.azure.com>; required with provider.kind azure.
    /// The region is the endpoint's.
    #[schemars(extend("env" = "AZURE_OPENAI_ENDPOINT", "format" = "azure-endpoint"))]
    pub(in crate::config) endpoint: Option<String>,

    /// The deployment, sent as the model; required with provider.kind azure.
    #[schemars(extend("env" = "AZURE_OPENAI_DEPLOYMENT", "format" = "model"))]
    pub(in crate::config) deployment: Option<String>,

    /// The value of api-version; required with provider.kind azure.
    #[schemars(extend("env" = "AZURE_OPENAI_API_VERSION", "format" = "api-version"))]
    pub(in crate::config) api_version: Option<String>,
}

impl ProviderSection {
    /// The way out of the company's network.
    pub(in crate::config) fn connection(&self) -> ConnectionSettings {
        ConnectionSettings {
            proxies: Proxies::from_environment(),
            ca_file: self.ca_file.clone(),
            idle_timeout: self.idle_sec,
            retries: self.retries,
        }
    }

    /// `None` if the provider lacks what it needs, which `checks.rs` reports.
    pub(in crate::config) fn resolve(self) -> Option<ProviderSettings> {
        let connection = self.connection();
        Some(match self.kind {
            ProviderKind::OpenAi => ProviderSettings::OpenAi(OpenAiSettings {
                api_key: self.openai.api_key?,
                model: self.openai.model,
                base_url: self.openai.base_url,
                connection,
            }),
            ProviderKind::Azure => ProviderSettings::Azure(AzureSettings {
                api_key: self.azure.api_key?,
                endpoint: self.azure.endpoint?,
                deployment: self.azure.deployment?,
                api_version: self.azure.api_version?,
                connection,
            }),
            ProviderKind::Demo => ProviderSettings::Demo,
        })
    }
}

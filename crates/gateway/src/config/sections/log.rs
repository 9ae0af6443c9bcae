use schemars::JsonSchema;
use serde::Deserialize;

/// `[log]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct LogSettings {
    /// What is logged to stderr. Logs hold metadata only, at every level.
    #[schemars(extend("env" = "PORTCULLIS_LOG", "default" = "info", "format" = "log-filter"))]
    pub filter: String,

    /// json for machines, text for people.
    #[schemars(extend("env" = "PORTCULLIS_LOG_FORMAT", "default" = "json"))]
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    Json,
    Text,
}

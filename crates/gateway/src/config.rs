//! Settings: what an operator can say, resolved once at start.
//!
//! Embedded defaults, then the file named by `PORTCULLIS_CONFIG`, then the environment. Past this
//! module there are only values that are already right.

mod settings;

pub use settings::{
    AzureSettings, ChatSettings, CodexDriver, CodexSettings, LimitSettings, LogFormat, LogSettings,
    OpenAiSettings, PoolSettings, ProviderSettings, ServerSettings, Settings,
};

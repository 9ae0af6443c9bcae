//! Settings: what an operator can say, resolved once at start.
//!
//! Embedded defaults, then the file named by `PORTCULLIS_CONFIG`, then the environment, then the
//! command line; the last to speak wins. Past this module there are only values that are already
//! right: whatever is wrong is refused here, all of it at once, and no message ever repeats a
//! secret. One table (`table.rs`) drives the reading, the refusals, `config print` and
//! `docs/settings.md`; `defaults.toml` holds the defaults and explains them.

mod address;
mod bounded_file;
mod checks;
mod environment;
mod file;
mod kind;
mod layers;
mod markdown;
mod names;
mod nearest;
mod origins;
mod path;
mod problem;
mod redaction;
mod resolve;
mod secret;
mod setting;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod workspace;

pub use environment::Environment;
pub use markdown::render_settings_markdown;
pub use origins::{Origin, Origins};
pub use problem::{ConfigError, Problem, Warning};
pub use redaction::{REDACT_RULES_VARIABLE, redactor};
pub use settings::{
    ChatSettings, CodexSettings, LimitSettings, LogFormat, LogSettings, PoolSettings, SandboxMode,
    SandboxSection, ServerSettings, Settings, SkillSettings, WorkspaceSettings,
};

/// What the command line says, over everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// `serve --demo`: the built-in model, whatever `LLM_PROVIDER` says.
    pub demo: bool,
}

/// The settings of this process, with what an operator may want to know about them.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What is allowed, but probably not meant. To be logged once, at start.
    pub warnings: Vec<Warning>,
    /// Which value won for each setting, and who said it.
    pub origins: Origins,
}

impl Loaded {
    /// What `portcullis config print` prints; secrets are masked.
    pub fn render(&self) -> String {
        self.origins.render()
    }
}

/// Reads every layer, checks every value, and gives the settings or all that is wrong with them.
///
/// Blocks on the few small files that settings name; call it once, before the runtime has work.
pub fn load(environment: &Environment, overrides: &Overrides) -> Result<Loaded, ConfigError> {
    let gathered = layers::gather(environment, *overrides);
    resolve::resolve(gathered)
}

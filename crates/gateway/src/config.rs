//! Settings: what an operator can set, resolved once at start.
//!
//! Embedded defaults, then the file named by `PORTCULLIS_CONFIG`, then the environment, then the
//! command line; the last one wins. Past this module there are only valid values: every mistake is
//! refused here, all of them at once, and no message ever repeats a secret. A setting is a field of a
//! struct in `sections/`; reading, refusals, `config print`, `config defaults` and `docs/settings.md` are
//! made from that one declaration.

mod checks;
mod declaration;
mod diagnostics;
mod documents;
mod environment;
mod file;
mod form;
mod format;
mod layers;
mod nearest;
mod origin;
mod origins;
mod sections;
#[cfg(test)]
mod tests;
mod units;
mod variables;

use redact::Redactor;
use serde::Deserialize as _;
use serde_json::Value;

pub use diagnostics::{ConfigError, Mistake, Warning};
pub use documents::{render_defaults, render_settings_markdown};
pub use environment::Environment;
pub use format::money::micros as money_micros;
pub use format::name as check_name;
pub use origin::Origin;
pub use origins::Origins;
pub use sections::{
    AccessSettings, AuthenticationMode, ChatSettings, CodexSettings, LimitSettings, LogFormat,
    LogSettings, PoolSettings, Price, REDACT_RULES_VARIABLE, SandboxMode, SandboxSection,
    ServerSettings, Settings, SharedLimits, SkillSettings, redactor,
};

use declaration::SETTINGS;
use layers::Layers;
use sections::Sections;
use variables::CONFIG_VARIABLE;

/// The command line's settings, over everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// `serve --demo`: the built-in model, whatever `LLM_PROVIDER` is.
    pub demo: bool,
}

/// The settings of this process, with what an operator may want to know about them.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What is allowed, but probably not meant. To be logged once, at start.
    pub warnings: Vec<Warning>,
    /// Which value won for each setting, and where it is from.
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
    let mut layers = Layers::of(&SETTINGS);
    file::read_defaults(&documents::render_defaults(), &mut layers);
    if let Some(path) = environment.get(CONFIG_VARIABLE) {
        let read = variables::as_text(path).and_then(|path| file::read_named(path, &mut layers));
        if let Err(detail) = read {
            let origin = Origin::Variable(CONFIG_VARIABLE.to_owned());
            layers.diagnostics.refuse_unknown(origin, detail);
            layers.is_file_refused = true;
        }
    }
    variables::read(environment, &mut layers);
    if overrides.demo
        && let Some(kind) = SETTINGS
            .iter()
            .find(|setting| setting.path == "provider.kind")
    {
        let (origin, demo) = (Origin::CommandLine("--demo"), Value::from("demo"));
        layers.set(kind, &kind.path, origin, Some(demo));
    }
    resolve(layers)
}

/// Who serves more than this machine has a sandbox, unless the operator says otherwise.
fn choose_sandbox_mode(sections: &mut Sections, layers: &mut Layers) {
    const MODE: &str = "codex.sandbox.mode";
    if sections.server.is_public() && layers.origin(MODE) == Origin::Default {
        sections.codex.sandbox.mode = SandboxMode::Required;
        layers.origins.refine(MODE, "required".into());
    }
}

fn resolve(mut layers: Layers) -> Result<Loaded, ConfigError> {
    // Its error may hold a value. The tests deserialise every setting, so no release should have one.
    let mut sections = Sections::deserialize(layers.origins.take_document()).ok();
    if let Some(sections) = &mut sections {
        choose_sandbox_mode(sections, &mut layers);
    }
    let rules = sections
        .as_ref()
        .and_then(|sections| checks::check(sections, &mut layers));
    let Layers {
        mut origins,
        mut diagnostics,
        ..
    } = layers;
    let settings = sections
        .filter(|_| diagnostics.mistakes.is_empty())
        .and_then(|sections| sections.resolve(rules.unwrap_or_else(Redactor::with_default_rules)));
    if let Some(settings) = settings {
        let models = settings.chat.allowed_models.as_slice();
        origins.refine("chat.allowed_models", models.into());
        return Ok(Loaded {
            settings,
            warnings: diagnostics.warnings,
            origins,
        });
    }
    if diagnostics.mistakes.is_empty() {
        let detail = "the declaration of the settings and their structs disagree: this is a bug in \
                      Portcullis, please report it";
        diagnostics.refuse_unknown(Origin::Default, detail);
    }
    Err(ConfigError {
        mistakes: diagnostics.mistakes,
        warnings: diagnostics.warnings,
        origins,
    })
}

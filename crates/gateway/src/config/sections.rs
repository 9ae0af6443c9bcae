//! The sections of the settings, one struct each, and all that there is to a setting.
//!
//! A field is a setting. Its doc comment is its help; `env` names its variable, `default` is its default,
//! and `format` names the row of `format.rs` that reads its text. `declaration.rs` takes all this from the
//! schema that `schemars` makes of these structs. A field that is an `Option` may be left out. A field
//! that is a `Vec` of such a struct is a table of tables (`[[…]]`).

mod access;
mod chat;
mod codex;
mod database;
mod jwt;
mod limits;
mod log;
mod provider;
mod redaction;
mod server;
mod skills;
mod tenants;
mod tls;

use broker::ProviderSettings;
use redact::Redactor;
use schemars::JsonSchema;
use serde::Deserialize;

use store::Location;

use crate::access::jwt::JwtSettings;
use crate::tls::TlsFiles;

pub use access::{AccessSettings, AuthenticationMode};
pub use chat::ChatSettings;
pub use codex::{CodexSettings, PoolSettings, SandboxMode, SandboxSection};
pub use limits::LimitSettings;
pub use log::{LogFormat, LogSettings};
pub(super) use provider::ProviderKind;
pub use redaction::{REDACT_RULES_VARIABLE, redactor};
pub use server::ServerSettings;
pub use skills::SkillSettings;
pub use tenants::{Price, SharedLimits};
pub(super) use tenants::{TeamTable, TenantTable};

/// The settings as they are written: every value is valid, but not yet held against the others.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Sections {
    pub(super) server: ServerSettings,
    pub(super) limits: LimitSettings,
    pub(super) chat: ChatSettings,
    pub(super) codex: CodexSettings,
    pub(super) skills: skills::SkillSection,
    pub(super) provider: provider::ProviderSection,
    pub(super) redaction: redaction::RedactionSection,
    pub(super) log: LogSettings,
    pub(super) tls: tls::TlsSection,
    pub(super) jwt: jwt::JwtSection,
    pub(super) access: AccessSettings,
    pub(super) database: database::DatabaseSection,
    /// Limits of tenants.
    #[serde(default)]
    pub(super) tenants: Vec<tenants::TenantTable>,
    /// Limits of teams.
    #[serde(default)]
    pub(super) teams: Vec<tenants::TeamTable>,
    /// What tokens cost.
    #[serde(default)]
    pub(super) prices: Vec<tenants::PriceTable>,
}

/// Everything an operator can set, after every check has passed.
#[derive(Clone, Debug)]
pub struct Settings {
    pub server: ServerSettings,
    pub limits: LimitSettings,
    pub chat: ChatSettings,
    pub codex: CodexSettings,
    pub skills: SkillSettings,
    pub provider: ProviderSettings,
    /// The built-in rules, as the file of rules changed them.
    pub redactor: Redactor,
    pub log: LogSettings,
    /// Plain HTTP where there is none.
    pub tls: Option<TlsFiles>,
    /// Where no tokens of an identity provider are taken, there are none.
    pub jwt: Option<JwtSettings>,
    pub access: AccessSettings,
    pub database: Location,
    pub shared_limits: SharedLimits,
}

impl Sections {
    /// `None` if the provider lacks what it needs, which `checks.rs` reports.
    pub(super) fn resolve(self, redactor: Redactor) -> Option<Settings> {
        let jwt = self.jwt.resolve(self.provider.connection());
        let provider = self.provider.resolve()?;
        let mut chat = self.chat;
        let model = provider.model();
        chat.allowed_models.retain(|name| name != model);
        chat.allowed_models.insert(0, model.to_owned());
        Some(Settings {
            tls: self.tls.files(),
            jwt,
            access: self.access,
            database: self.database.location(&self.server.data_dir).ok()?,
            shared_limits: tenants::resolve(self.tenants, self.teams, self.prices),
            server: self.server,
            limits: self.limits,
            chat,
            codex: self.codex,
            skills: self.skills.resolve(),
            provider,
            redactor,
            log: self.log,
        })
    }
}

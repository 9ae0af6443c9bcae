//! Names of variables that are no settings, and whose they are.

/// Names the file of settings; not a setting itself.
pub(super) const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Variables of the design that later versions read, each with the values that say what this version
/// does anyway. Those are taken with a warning; any other would give false safety if it were ignored.
pub(super) const LATER_VARIABLES: [(&str, &[&str]); 4] = [
    ("PORTCULLIS_ADMIN_BIND", &[]),
    ("PORTCULLIS_AUTH", &["none"]),
    ("PORTCULLIS_DATABASE_URL", &[]),
    ("PORTCULLIS_JOB_TTL_SEC", &[]),
];

/// A variable that begins like this is meant for the gateway, or a slip. All others (`CODEX_HOME`,
/// `OPENAI_ORG_ID`, …) may belong to somebody else.
pub(super) const OWN_PREFIXES: [&str; 7] = [
    "PORTCULLIS_",
    "CODEX_POOL_",
    "CODEX_LIMIT_",
    "CODEX_SANDBOX_",
    "CODEX_CHAT_",
    "CHAT_MAX_",
    "CHAT_ALLOWED_",
];

/// Families of names in which a name that is nearly a setting is a slip, and refused.
pub(super) const OWN_FAMILIES: [&str; 2] = ["CODEX_", "CHAT_"];

/// Variables of the Codex CLI that look like slips of ours.
pub(super) const OF_THE_CLI: [&str; 1] = ["CODEX_SANDBOX"];

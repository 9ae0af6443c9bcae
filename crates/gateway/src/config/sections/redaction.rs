use std::path::{Path, PathBuf};

use redact::Redactor;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bounded_file;

/// Names the file of rules.
pub const REDACT_RULES_VARIABLE: &str = "PORTCULLIS_REDACT_RULES";

/// Far more than all built-in rules together.
const RULES_LIMIT_BYTES: u64 = 1024 * 1024;

/// `[redaction]`
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct RedactionSection {
    /// Rules that add to, change or switch off the built-in ones; docs/redaction.md says how.
    #[schemars(extend("env" = REDACT_RULES_VARIABLE, "format" = "redaction-rules"))]
    pub(in crate::config) rules_file: Option<PathBuf>,
}

/// The built-in rules, changed by those of `file` if there is one. The error lists every bad rule
/// with its reason.
pub fn redactor(file: Option<&Path>) -> Result<Redactor, String> {
    let Some(file) = file else {
        return Ok(Redactor::with_default_rules());
    };
    let rules = bounded_file::read(file, RULES_LIMIT_BYTES)
        .map_err(|error| format!("the file of redaction rules {error}"))?;
    Redactor::with_rules_file(&file.display().to_string(), &rules.content)
        .map_err(|error| format!("has rules that cannot be used: {error}"))
}

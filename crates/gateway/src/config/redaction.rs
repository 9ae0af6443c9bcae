//! The file of redaction rules, read and compiled: past here there is a redactor, or a problem.

use std::path::Path;

use redact::Redactor;

use super::kind::Value;
use super::{bounded_file, path};

/// Names the file of rules.
pub const REDACT_RULES_VARIABLE: &str = "PORTCULLIS_REDACT_RULES";

/// Far more than all built-in rules together.
const RULES_LIMIT_BYTES: u64 = 1024 * 1024;

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

pub(super) fn rules(said: &str) -> Result<Value, String> {
    let path = path::absolute(said)?;
    let redactor = redactor(Some(&path))?;
    Ok(Value::Rules { path, redactor })
}

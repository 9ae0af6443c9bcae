use std::fmt::Write as _;

use crate::config::{ConfigError, Loaded};

use super::name::SETTINGS;
use super::report::Check;

pub(super) fn accepted(loaded: &Loaded) -> Check {
    let count = loaded.warnings.len();
    if count == 0 {
        return Check::ok(SETTINGS, "valid");
    }
    let mut detail = "valid, and probably not all meant:".to_owned();
    for warning in &loaded.warnings {
        // Writing to a String cannot fail.
        let _ = write!(detail, "\n  {warning}");
    }
    Check::warning(SETTINGS, detail, WHERE)
}

/// Everything that is wrong with them; none of it shows a secret.
pub(super) fn refused(error: &ConfigError) -> Check {
    let mut detail = format!("{} wrong:", error.mistakes.len());
    for mistake in &error.mistakes {
        let _ = write!(detail, "\n  {mistake}");
    }
    Check::failed(SETTINGS, detail, format!("Correct them. {WHERE}"))
}

const WHERE: &str = "`portcullis config print` shows every setting and where its value is from; \
    docs/settings.md explains them.";

//! Names and words: each parser gives the value in the form that the rest of the program uses.
//!
//! No message repeats the text: a key pasted into the wrong variable must not reach a log.

use tracing_subscriber::EnvFilter;

use crate::config::nearest::nearest;

const MODEL_NAME_LIMIT: usize = 128;
const DATE_LENGTH: usize = "2025-04-01".len();
/// <https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses>
const FIRST_WITH_RESPONSES: &str = "2025-03-01";
/// Levels of a tracing filter.
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Quotes that a shell would take away reach a program from `docker --env-file`, systemd and YAML: no
/// setting means them.
pub(in crate::config) fn refuse_quotes(text: &str) -> Result<(), String> {
    let text = text.trim();
    let is_quoted = QUOTES
        .iter()
        .any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote));
    if is_quoted {
        return Err(
            "stands in quotes, which would be part of the value: leave them out".to_owned(),
        );
    }
    Ok(())
}

pub(super) fn model_name(text: &str) -> Result<String, String> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    // A name with a dash first could be taken for an option by a company's CLI.
    if text.is_empty() || text.len() > MODEL_NAME_LIMIT || !visible || text.starts_with('-') {
        return Err(format!(
            "must be a name of 1 to {MODEL_NAME_LIMIT} visible ASCII characters, without blanks and \
             without a dash at its beginning"
        ));
    }
    Ok(text.to_owned())
}

/// A version that Azure's API can have: a date, alone or with `-preview`, or a name of the v1 API.
pub(super) fn api_version(text: &str) -> Result<String, String> {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let is_date = date.len() == DATE_LENGTH && date.parse::<jiff::civil::Date>().is_ok();
    if !is_date && !["v1", "latest", "preview"].contains(&text) {
        return Err("must be v1, preview, or a date such as 2025-04-01-preview".to_owned());
    }
    if is_date && date < FIRST_WITH_RESPONSES {
        return Err(format!(
            "is older than the Responses API, which came with {FIRST_WITH_RESPONSES}-preview"
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("must be a tracing filter, such as info or gateway=debug,info".to_owned()),
    }
}

/// The level that a word of the filter nearly spells. A filter takes such a word for the name of a
/// module, and then logs nothing at all of the rest.
pub(in crate::config) fn misspelt_level(filter: &str) -> Option<&'static str> {
    filter
        .split(',')
        .map(|directive| directive.trim().to_ascii_lowercase())
        .filter(|word| !word.contains(['=', '[', ':']) && !LOG_LEVELS.contains(&word.as_str()))
        .find_map(|word| nearest(&word, LOG_LEVELS))
}

/// Of a tenant or a team.
pub fn name(text: &str) -> Result<String, String> {
    const MAX_CHARS: usize = 64;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 64 letters, digits, dots, dashes and underlines".to_owned())
    }
}

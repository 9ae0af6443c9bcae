//! Names and words: each parser gives the value in the form that the rest of the program uses.
//!
//! No message repeats what was said: a key pasted into the wrong variable must not reach a log.

use tracing_subscriber::EnvFilter;

use super::nearest::nearest;

const MODEL_NAME_LIMIT: usize = 128;
const DATE_LENGTH: usize = "2025-04-01".len();
/// <https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses>
const FIRST_WITH_RESPONSES: &str = "2025-03-01";
/// Levels of a tracing filter.
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Quotes that a shell would take away reach a program from `docker --env-file`, systemd and YAML: no
/// setting means them.
pub(super) fn refuse_quotes(said: &str) -> Result<(), String> {
    let said = said.trim();
    let is_quoted = QUOTES
        .iter()
        .any(|quote| said.len() > 1 && said.starts_with(*quote) && said.ends_with(*quote));
    if is_quoted {
        return Err(
            "stands in quotes, which would be part of the value: leave them out".to_owned(),
        );
    }
    Ok(())
}

pub(super) fn choice(said: &str, options: &[&str]) -> Result<String, String> {
    let matches = |option: &&&str| option.eq_ignore_ascii_case(said);
    if let Some(option) = options.iter().find(matches) {
        return Ok((*option).to_owned());
    }
    let options_text = options.join(", ");
    let suggestion = match nearest(said, options.iter().copied()) {
        Some(option) => format!("; did you mean {option}?"),
        None => String::new(),
    };
    Err(format!("must be one of {options_text}{suggestion}"))
}

pub(super) fn model_name(said: &str) -> Result<String, String> {
    let visible = said.bytes().all(|byte| byte.is_ascii_graphic());
    // A name with a dash first could be taken for an option by a company's CLI.
    if said.is_empty() || said.len() > MODEL_NAME_LIMIT || !visible || said.starts_with('-') {
        return Err(format!(
            "must be a name of 1 to {MODEL_NAME_LIMIT} visible ASCII characters, without blanks and \
             without a dash at its beginning"
        ));
    }
    Ok(said.to_owned())
}

/// A version that Azure's API can have: a date, alone or with `-preview`, or a name of the v1 API.
pub(super) fn api_version(said: &str) -> Result<String, String> {
    let date = said.strip_suffix("-preview").unwrap_or(said);
    let is_date = date.len() == DATE_LENGTH && date.parse::<jiff::civil::Date>().is_ok();
    if !is_date && !["v1", "latest", "preview"].contains(&said) {
        return Err("must be v1, preview, or a date such as 2025-04-01-preview".to_owned());
    }
    if is_date && date < FIRST_WITH_RESPONSES {
        return Err(format!(
            "is older than the Responses API, which came with {FIRST_WITH_RESPONSES}-preview"
        ));
    }
    Ok(said.to_owned())
}

pub(super) fn log_filter(said: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(said) {
        Ok(_) if !said.is_empty() => Ok(said.to_owned()),
        _ => Err("must be a tracing filter, such as info or gateway=debug,info".to_owned()),
    }
}

/// The level that a word of the filter nearly spells. A filter takes such a word for the name of a
/// module, and then logs nothing at all of the rest.
pub(super) fn misspelt_level(filter: &str) -> Option<&'static str> {
    filter
        .split(',')
        .map(|directive| directive.trim().to_ascii_lowercase())
        .filter(|word| !word.contains(['=', '[', ':']) && !LOG_LEVELS.contains(&word.as_str()))
        .find_map(|word| nearest(&word, LOG_LEVELS))
}

//! What `load` promises, through its public face alone where that is possible.

mod documents;
mod files;
mod layers;
mod public_address;
mod redaction;
mod refusals;
mod secrets;
mod tables;

use super::{ConfigError, Environment, Loaded, Overrides, Settings, load};

const KEY: &str = "sk-hunter2-canary";

/// Loads from these variables alone.
fn with(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load(&environment(variables), &Overrides::default())
}

/// Loads from these variables and a key of `OpenAI`'s, which most cases need and are not about.
fn keyed(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    with(&[&[("OPENAI_API_KEY", KEY)], variables].concat())
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn good(variables: &[(&str, &str)]) -> Settings {
    keyed(variables).unwrap().settings
}

/// Each problem as a person reads it.
fn problems(result: Result<Loaded, ConfigError>) -> Vec<String> {
    let error = result.expect_err("refused");
    error.mistakes.iter().map(ToString::to_string).collect()
}

/// The only problem there is.
fn problem(result: Result<Loaded, ConfigError>) -> String {
    let problems = problems(result);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.concat()
}

fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let warnings = keyed(variables).unwrap().warnings;
    warnings.iter().map(ToString::to_string).collect()
}

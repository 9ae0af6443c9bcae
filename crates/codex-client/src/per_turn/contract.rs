//! The driver `contract`: a company's own CLI with a command like `codex chat [--stream] [--json]`, a
//! process for each turn.
//!
//! The CLI reads the question from standard input. It calls the model through the broker, as Codex does.
//! The broker's address, the turn's credential and the model are in the variables that the OpenAI SDKs read.

mod arguments;
mod reader;
mod record;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use secrecy::ExposeSecret as _;

use crate::home::Home;
use crate::per_turn::command::{TurnCommand, TurnContext};
use crate::turn::SEPARATOR;

pub use arguments::ArgumentTemplate;
use arguments::Values;
pub(crate) use reader::Reader;

/// The arguments of a company's CLI, and the options that it supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractSettings {
    pub chat_arguments: Vec<ArgumentTemplate>,
    pub options: ContractOptions,
}

/// The options that a CLI names in its help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContractOptions {
    /// `--stream`: the answer comes in pieces.
    pub stream: bool,
    /// `--json`: the answer is one JSON object a line.
    pub json: bool,
}

pub(crate) fn command(
    settings: &ContractSettings,
    home: &mut Home,
    context: &TurnContext<'_>,
) -> io::Result<TurnCommand> {
    let turn = context.turn;
    let output_schema_file = match &turn.output_schema {
        Some(schema) => Some(home.add_file("output-schema.json", &schema.to_string())?),
        None => None,
    };
    let values = Values {
        options: settings.options,
        model: &turn.model,
        reasoning_effort: turn.reasoning_effort.as_deref(),
        output_schema_file: output_schema_file.as_deref(),
    };
    let templates = settings.chat_arguments.iter();
    // The CLI has no option for instructions, so they precede the question.
    let instructions = context.instructions.into_iter();
    let texts: Vec<&str> = instructions
        .chain(turn.input.iter().map(String::as_str))
        .collect();
    Ok(TurnCommand {
        arguments: templates
            .filter_map(|template| template.fill(&values))
            .collect(),
        environment: environment(home.path(), context),
        input: texts.join(SEPARATOR),
    })
}

/// The whole environment of the child.
fn environment(home: &Path, context: &TurnContext<'_>) -> BTreeMap<OsString, OsString> {
    [
        ("HOME", home.as_os_str()),
        ("CODEX_HOME", home.as_os_str()),
        ("TMPDIR", home.as_os_str()),
        ("PATH", context.search_path),
        ("LANG", "C.UTF-8".as_ref()),
        ("OPENAI_BASE_URL", context.broker_base_url.as_ref()),
        (
            "OPENAI_API_KEY",
            context.credential.expose_secret().as_ref(),
        ),
        ("OPENAI_MODEL", context.turn.model.as_ref()),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.to_owned()))
    .collect()
}

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::ContractOptions;

/// One argument of a company's CLI: fixed text, with placeholders for values that differ between calls.
///
/// There is no placeholder for the question. The CLI reads it from standard input, where it cannot become
/// an option and nobody sees it in a list of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Stream,
    Json,
    Model,
    ReasoningEffort,
    OutputSchemaFile,
}

const PLACEHOLDERS: [Placeholder; 5] = [
    Placeholder::Stream,
    Placeholder::Json,
    Placeholder::Model,
    Placeholder::ReasoningEffort,
    Placeholder::OutputSchemaFile,
];

/// Names that an operator may try for the question, which is never an argument.
const QUESTION: [&str; 5] = ["message", "prompt", "question", "context", "input"];

/// The values of the placeholders in one call.
pub(super) struct Values<'turn> {
    pub(super) options: ContractOptions,
    pub(super) model: &'turn str,
    pub(super) reasoning_effort: Option<&'turn str>,
    pub(super) output_schema_file: Option<&'turn Path>,
}

impl ArgumentTemplate {
    /// The error is a message for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else {
                return Err("has a { without its }".to_owned());
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Placeholder(Placeholder::named(name)?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() || text.contains(char::is_control) {
            return Err("must not be empty, nor have control characters in it".to_owned());
        }
        Ok(Self { parts })
    }

    /// The argument in one call, or `None` if a placeholder in it has no value.
    pub(super) fn fill(&self, values: &Values<'_>) -> Option<OsString> {
        let mut argument = OsString::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => argument.push(text),
                Part::Placeholder(placeholder) => argument.push(placeholder.value(values)?),
            }
        }
        Some(argument)
    }

    /// Whether this argument passes the schema of the answer to the CLI.
    pub fn names_output_schema(&self) -> bool {
        self.parts
            .contains(&Part::Placeholder(Placeholder::OutputSchemaFile))
    }
}

impl Placeholder {
    fn named(name: &str) -> Result<Self, String> {
        if QUESTION.contains(&name) {
            return Err(format!(
                "{{{name}}}: the question is never an argument; the CLI reads it from standard input"
            ));
        }
        let mut known = PLACEHOLDERS.into_iter();
        known
            .find(|placeholder| placeholder.name() == name)
            .ok_or_else(|| {
                let names = PLACEHOLDERS.map(|placeholder| format!("{{{}}}", placeholder.name()));
                format!("has an unknown placeholder; there are {}", names.join(", "))
            })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Json => "json",
            Self::Model => "model",
            Self::ReasoningEffort => "reasoning_effort",
            Self::OutputSchemaFile => "output_schema_file",
        }
    }

    fn value(self, values: &Values<'_>) -> Option<OsString> {
        match self {
            Self::Stream => values.options.stream.then(|| "--stream".into()),
            Self::Json => values.options.json.then(|| "--json".into()),
            Self::Model => Some(values.model.into()),
            Self::ReasoningEffort => values.reasoning_effort.map(Into::into),
            Self::OutputSchemaFile => values.output_schema_file.map(Into::into),
        }
    }
}

impl fmt::Display for ArgumentTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => formatter.write_str(text)?,
                Part::Placeholder(placeholder) => write!(formatter, "{{{}}}", placeholder.name())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(templates: &[&str], values: &Values<'_>) -> Vec<OsString> {
        let parsed = templates.iter().map(|text| ArgumentTemplate::parse(text));
        parsed
            .filter_map(|template| template.unwrap().fill(values))
            .collect()
    }

    #[test]
    fn an_argument_without_its_value_is_left_out() {
        let templates = [
            "chat",
            "{stream}",
            "{json}",
            "--model={model}",
            "--effort={reasoning_effort}",
            "--schema={output_schema_file}",
        ];
        let mut values = Values {
            options: ContractOptions {
                stream: true,
                json: false,
            },
            model: "gpt-4o-mini",
            reasoning_effort: None,
            output_schema_file: None,
        };
        let bare = ["chat", "--stream", "--model=gpt-4o-mini"];
        assert_eq!(filled(&templates, &values), bare);
        values.reasoning_effort = Some("low");
        values.output_schema_file = Some(Path::new("/home/schema.json"));
        let full = [
            "chat",
            "--stream",
            "--model=gpt-4o-mini",
            "--effort=low",
            "--schema=/home/schema.json",
        ];
        assert_eq!(filled(&templates, &values), full);
    }

    #[test]
    fn the_question_has_no_placeholder_and_a_misprint_is_told() {
        let refused = |text| ArgumentTemplate::parse(text).unwrap_err();
        assert!(refused("--ask={message}").contains("standard input"));
        assert!(refused("{modle}").contains("{model}"));
        assert!(refused("{model").contains("without"));
        assert!(refused("").contains("empty"));
    }

    #[test]
    fn a_template_is_shown_as_it_was_written() {
        let text = "--model={model}";
        assert_eq!(ArgumentTemplate::parse(text).unwrap().to_string(), text);
    }
}

//! What a setting may hold. A kind checks a value for itself alone; what two settings must agree
//! on is in `checks.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;

use codex_client::ArgumentTemplate;
use redact::Redactor;
use secrecy::SecretString;
use toml::de::DeValue;

use super::{address, path, redaction, secret, text, workspace};

/// A list longer than this is a mistake, and would be searched on every request.
const LIST_LIMIT: usize = 256;

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Switch,
    /// A whole number from `least` to `most`, both included.
    Count {
        least: u64,
        most: u64,
        unit: &'static str,
    },
    Choice(&'static [&'static str]),
    LoopbackAddress,
    BaseUrl,
    AzureEndpoint,
    ModelName,
    ApiVersion,
    LogFilter,
    /// Need not exist yet.
    Directory,
    ExecutableFile,
    CertificateFile,
    RedactionRulesFile,
    /// Also read from a file: `<path>_file`, `<VARIABLE>_FILE`.
    Secret,
    List(Item),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Host,
    /// An IP address.
    Address,
    Origin,
    Model,
    Path,
    /// An argument of a company's CLI, with its placeholders.
    Argument,
    /// `name=/absolute/path`
    Workspace,
    /// `name=kind`
    WorkspaceTests,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// An optional setting that nobody set, or that somebody set to nothing.
    Unset,
    Switch(bool),
    Count(u64),
    Text(String),
    Address(SocketAddr),
    Path(PathBuf),
    Secret(SecretString),
    /// A file of redaction rules, and what it made of the built-in ones.
    Rules {
        path: PathBuf,
        redactor: Redactor,
    },
    List(Vec<String>),
}

impl Kind {
    /// Reads a value from an environment variable. The error says what the value must be.
    pub(super) fn read_text(self, said: &str) -> Result<Value, String> {
        let said = match self {
            Self::Secret => said,
            _ => said.trim(),
        };
        text::refuse_quotes(said)?;
        match self {
            Self::Switch => {
                let on = switch(said).ok_or_else(|| self.must_be())?;
                Ok(Value::Switch(on))
            }
            Self::Count { .. } => self.count(said, 10),
            Self::List(item) => {
                let items = said.split(',').map(str::trim);
                list(item, items.filter(|item| !item.is_empty()))
            }
            _ => self.read_string(said),
        }
    }

    /// Reads a value from a TOML file. The error says what the value must be.
    pub(super) fn read_toml(self, said: &DeValue<'_>) -> Result<Value, String> {
        match (self, said) {
            (Self::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
            (Self::Count { .. }, DeValue::Integer(count)) => {
                self.count(count.as_str(), count.radix())
            }
            (Self::Switch | Self::Count { .. }, DeValue::String(_)) => {
                Err(format!("{}, without quotes", self.must_be()))
            }
            (Self::List(item), DeValue::Array(items)) => {
                let strings: Option<Vec<&str>> =
                    items.iter().map(|item| item.get_ref().as_str()).collect();
                let strings = strings.ok_or("must be a list of strings, each in quotes")?;
                list(item, strings.into_iter())
            }
            (Self::List(_), _) => Err("must be a list of strings: [\"…\", \"…\"]".to_owned()),
            (Self::Switch | Self::Count { .. }, _) => Err(self.must_be()),
            (_, DeValue::String(string)) => self.read_string(string),
            _ => Err(format!("{}, as a string in quotes", self.must_be())),
        }
    }

    /// What a value of this kind is, for people: follows "must be", and stands in the documents.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Count { least, most, unit } => {
                format!("a whole number, {least} to {most} {unit}")
            }
            Self::Choice(options) => format!("one of {}", options.join(", ")),
            Self::LoopbackAddress => "a loopback address with a port".to_owned(),
            Self::BaseUrl | Self::AzureEndpoint => {
                "an https URL (http to this machine and to named hosts)".to_owned()
            }
            Self::ModelName => "a name of 1 to 128 visible ASCII characters".to_owned(),
            Self::ApiVersion => "v1, preview, or a date such as 2025-04-01-preview".to_owned(),
            Self::LogFilter => "a tracing filter, such as info or gateway=debug,info".to_owned(),
            Self::Directory => "the path of a directory, made if it is missing".to_owned(),
            Self::ExecutableFile => "the path of an executable file".to_owned(),
            Self::CertificateFile => "the path of a file of PEM certificates".to_owned(),
            Self::RedactionRulesFile => "the path of a file of redaction rules".to_owned(),
            Self::Secret => "a secret of visible ASCII characters".to_owned(),
            Self::List(Item::Host) => "a list of host names without ports".to_owned(),
            Self::List(Item::Address) => "a list of IP addresses".to_owned(),
            Self::List(Item::Origin) => "a list of origins such as https://chat.example".to_owned(),
            Self::List(Item::Path) => "a list of absolute paths that exist".to_owned(),
            Self::List(Item::Workspace) => "a list of name=/absolute/path".to_owned(),
            Self::List(Item::WorkspaceTests) => {
                "a list of name=cargo, npm, pytest, go or make".to_owned()
            }
            Self::List(Item::Model) => "a list of model names".to_owned(),
            Self::List(Item::Argument) => "a list of arguments".to_owned(),
        }
    }

    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Secret)
    }

    fn must_be(self) -> String {
        format!("must be {}", self.describe())
    }

    fn count(self, digits: &str, radix: u32) -> Result<Value, String> {
        let Self::Count { least, most, .. } = self else {
            return Err(self.must_be());
        };
        match u64::from_str_radix(digits, radix) {
            Ok(count) if (least..=most).contains(&count) => Ok(Value::Count(count)),
            _ => Err(self.must_be()),
        }
    }

    fn read_string(self, said: &str) -> Result<Value, String> {
        text::refuse_quotes(said)?;
        match self {
            Self::Choice(options) => text::choice(said, options).map(Value::Text),
            Self::LoopbackAddress => address::loopback(said).map(Value::Address),
            Self::BaseUrl => address::base_url(said).map(Value::Text),
            Self::AzureEndpoint => address::azure_endpoint(said).map(Value::Text),
            Self::ModelName => text::model_name(said).map(Value::Text),
            Self::ApiVersion => text::api_version(said).map(Value::Text),
            Self::LogFilter => text::log_filter(said).map(Value::Text),
            Self::Directory => path::directory(said).map(Value::Path),
            Self::ExecutableFile => path::executable(said).map(Value::Path),
            Self::CertificateFile => path::certificates(said).map(Value::Path),
            Self::RedactionRulesFile => redaction::rules(said),
            Self::Secret => secret::from_text(said).map(Value::Secret),
            Self::Switch | Self::Count { .. } | Self::List(_) => Err(self.must_be()),
        }
    }
}

impl Value {
    /// For people: a secret shows only whether it is set.
    pub(super) fn masked(&self) -> String {
        match self {
            Self::Unset => "(not set)".to_owned(),
            Self::Switch(on) => on.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Text(text) => text.clone(),
            Self::Address(address) => address.to_string(),
            Self::Path(path) | Self::Rules { path, .. } => path.display().to_string(),
            Self::Secret(_) => "********".to_owned(),
            Self::List(items) if items.is_empty() => "(none)".to_owned(),
            Self::List(items) => items.join(","),
        }
    }
}

fn switch(said: &str) -> Option<bool> {
    match said.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn list<'said>(item: Item, said: impl Iterator<Item = &'said str>) -> Result<Value, String> {
    let mut items: Vec<String> = Vec::new();
    for (index, text) in said.enumerate() {
        let unquoted = match item {
            Item::Argument => Ok(()),
            _ => text::refuse_quotes(text),
        };
        let parsed = unquoted.and_then(|()| match item {
            Item::Host => address::host(text),
            Item::Address => address::ip(text),
            Item::Origin => address::origin(text),
            Item::Model => text::model_name(text),
            Item::Path => path::shared(text),
            Item::Argument => ArgumentTemplate::parse(text).map(|template| template.to_string()),
            Item::Workspace => workspace::named_path(text),
            Item::WorkspaceTests => workspace::named_tests(text),
        });
        let parsed = parsed.map_err(|detail| format!("entry {}: {detail}", index + 1))?;
        // An option may stand twice, with two values.
        if matches!(item, Item::Argument) || !items.contains(&parsed) {
            items.push(parsed);
        }
    }
    if items.len() > LIST_LIMIT {
        return Err(format!("must have at most {LIST_LIMIT} entries"));
    }
    Ok(Value::List(items))
}

//! The settings, as the structs of `sections.rs` declare them: reading, refusing, printing and documenting
//! all walk this list.

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::format::{self, Format};
use super::sections::Sections;

pub(super) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(settings_of::<Sections>);

/// One setting, or one key of a table of tables.
#[derive(Debug)]
pub(super) struct Setting {
    /// Section and key in the file.
    pub(super) path: String,
    /// Empty where there is none: a variable cannot hold tables.
    pub(super) variable: String,
    pub(super) form: Form,
    /// May be absent; an empty string says so.
    pub(super) is_optional: bool,
    pub(super) is_secret: bool,
    pub(super) default: Option<Value>,
    pub(super) help: String,
}

/// What a setting may hold.
#[derive(Debug)]
pub(super) enum Form {
    Switch,
    /// A whole number from `least` to `most`, both included.
    Number {
        least: u64,
        most: u64,
        unit: String,
    },
    Choice(Vec<String>),
    Text(&'static Format),
    List(&'static Format),
    /// A table of tables, with the keys of each.
    Tables(Vec<Setting>),
}

impl Setting {
    /// The key that names a file with the secret, when there may be one.
    pub(super) fn file_path(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_file", self.path))
    }

    pub(super) fn file_variable(&self) -> Option<String> {
        self.is_secret.then(|| format!("{}_FILE", self.variable))
    }

    pub(super) fn section(&self) -> &str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    pub(super) fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }
}

impl Form {
    /// What a value is, for people: follows "must be", and stands in the documents.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Number { least, most, unit } => {
                format!("a whole number, {least} to {most} {unit}")
            }
            Self::Choice(options) => format!("one of {}", options.join(", ")),
            Self::Text(format) => format.describe.to_owned(),
            Self::List(format) => format!("a list of {}", format.describe),
            Self::Tables(_) => "a list of tables".to_owned(),
        }
    }
}

/// The settings that a struct declares.
pub(super) fn settings_of<Document: JsonSchema>() -> Vec<Setting> {
    let inlined = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = inlined.into_generator().into_root_schema_for::<Document>();
    declared("", schema.as_value())
}

/// The settings of an object's schema, in the order of its fields; those of objects in it by their paths.
fn declared(section: &str, object: &Value) -> Vec<Setting> {
    let fields = object["properties"].as_object().into_iter().flatten();
    let required = object["required"].as_array().map_or(&[][..], Vec::as_slice);
    fields
        .flat_map(|(key, schema)| {
            let path = join(section, key);
            if schema["type"] == "object" {
                return declared(&path, schema);
            }
            vec![Setting {
                path,
                variable: text(&schema["env"]),
                form: form(schema),
                is_optional: !required.contains(&Value::from(key.as_str())),
                is_secret: schema["writeOnly"] == true,
                default: schema
                    .get("default")
                    .filter(|value| !value.is_null())
                    .cloned(),
                // Prose without its line breaks.
                help: text(&schema["description"])
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
            }]
        })
        .collect()
}

fn form(schema: &Value) -> Form {
    let items = &schema["items"];
    let is_a = |kind: &str| schema["type"] == kind || schema["type"][0] == kind;
    if let Some(options) = schema["enum"].as_array() {
        Form::Choice(options.iter().map(text).collect())
    } else if is_a("boolean") {
        Form::Switch
    } else if is_a("integer") {
        Form::Number {
            least: schema["minimum"].as_u64().unwrap_or(0),
            most: schema["maximum"].as_u64().unwrap_or(u64::MAX),
            unit: text(&schema["unit"]),
        }
    } else if is_a("array") && items["type"] == "object" {
        Form::Tables(declared("", items))
    } else if is_a("array") {
        Form::List(format::named(&text(&schema["format"])))
    } else {
        Form::Text(format::named(&text(&schema["format"])))
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

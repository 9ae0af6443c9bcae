//! From the table `[parameters]` of a skill's file to [`Parameters`].

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, ValidationError};
use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::super::diagnostics::Diagnostics;
use super::super::toml_reader::json_object;
use super::validation::describe;
use super::{Parameter, Parameters, PathRule, RESERVED, Shape, annotations, numbers};

/// More parameters than anyone has use for are a mistake.
const MAX_PARAMETERS: usize = 64;

impl Parameters {
    /// A skill without the table takes nothing.
    pub(in super::super) fn read(
        table: Option<Spanned<DeTable<'_>>>,
        diagnostics: &mut Diagnostics<'_>,
    ) -> Option<Self> {
        let Some(table) = table else {
            let spans = Spans::default();
            return compile(json!({ "type": "object" }), &spans, diagnostics);
        };
        let spans = Spans::of(&table);
        let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let schema = match json_object(ValueDeserializer::from(value)) {
            Ok(schema) => Value::Object(schema),
            Err(error) => {
                let detail = format!("parameters: {}", error.message());
                diagnostics.report(spans.root, detail);
                return None;
            }
        };
        check_root(&schema, &spans, diagnostics);
        annotations::check(&schema, |property, detail| {
            let offset = property.map_or(spans.root, |name| spans.property(name));
            diagnostics.report(offset, detail);
        });
        compile(schema, &spans, diagnostics)
    }
}

/// Where the properties begin in the file.
#[derive(Default)]
struct Spans {
    root: usize,
    properties: BTreeMap<String, usize>,
}

impl Spans {
    fn of(table: &Spanned<DeTable<'_>>) -> Self {
        let properties = table.get_ref().get("properties");
        let properties = properties.and_then(|properties| properties.get_ref().as_table());
        let entries = properties.into_iter().flatten();
        Self {
            root: table.span().start,
            properties: entries
                .map(|(name, _)| (name.get_ref().to_string(), name.span().start))
                .collect(),
        }
    }

    fn property(&self, name: &str) -> usize {
        self.properties.get(name).copied().unwrap_or(self.root)
    }

    /// The place of what an error in the schema itself is about.
    fn of_error(&self, error: &ValidationError<'_>) -> usize {
        let mut steps = error.instance_path().segments();
        match (steps.next(), steps.next()) {
            (Some(first), Some(name)) if first.to_string() == "properties" => {
                self.property(&name.to_string())
            }
            _ => self.root,
        }
    }
}

fn check_root(schema: &Value, spans: &Spans, diagnostics: &mut Diagnostics<'_>) {
    if schema.get("type") != Some(&json!("object")) {
        diagnostics.report(spans.root, "parameters.type must be \"object\"");
    }
    for key in [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
    ] {
        if schema.get(key).is_some() {
            let detail = format!(
                "parameters.{key} is ours: undeclared keys are dropped and named in meta.ignored_extra"
            );
            diagnostics.report(spans.root, detail);
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !spans.properties.contains_key(name) {
            let shown = name.escape_debug();
            diagnostics.report(spans.root, format!("{shown} is required, and not declared"));
        }
    }
}

fn compile(schema: Value, spans: &Spans, diagnostics: &mut Diagnostics<'_>) -> Option<Parameters> {
    let before = diagnostics.len();
    let meta = jsonschema::draft202012::meta::validator();
    for error in meta.iter_errors(&schema) {
        let detail = format!(
            "is not a JSON Schema: at {} it {}",
            error.instance_path(),
            describe(&error)
        );
        diagnostics.report(spans.of_error(&error), detail);
    }
    let mut declared = BTreeMap::new();
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.unwrap_or(&empty) {
        let offset = spans.property(name);
        check_name(name, offset, diagnostics);
        declared.insert(
            name.clone(),
            parameter(name, property, &schema, offset, diagnostics),
        );
    }
    if declared.len() > MAX_PARAMETERS {
        let detail = format!("more than {MAX_PARAMETERS} parameters are declared");
        diagnostics.report(spans.root, detail);
    }
    if diagnostics.len() > before {
        return None;
    }
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        // Linear in the text, whatever the pattern.
        .with_pattern_options(PatternOptions::regex());
    let validator = match options.build(&schema) {
        Ok(validator) => validator,
        Err(error) => {
            diagnostics.report(
                spans.of_error(&error),
                format!("is not a usable JSON Schema: {error}"),
            );
            return None;
        }
    };
    for (name, parameter) in &declared {
        let Some(default) = &parameter.default else {
            continue;
        };
        let given = json!({ name: default });
        let mut errors = validator.iter_errors(&given);
        if errors.any(|error| error.instance_path().segments().next().is_some()) {
            diagnostics.report(
                spans.property(name),
                "the default does not fit its own schema",
            );
        }
    }
    Some(Parameters {
        schema,
        validator,
        declared,
    })
}

fn check_name(name: &str, offset: usize, diagnostics: &mut Diagnostics<'_>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        diagnostics.report(
            offset,
            "a parameter is named with 1 to 64 of A-Z a-z 0-9 _ -",
        );
    } else if RESERVED.contains(&name) {
        diagnostics.report(
            offset,
            format!("{name} has a meaning of its own: choose another name"),
        );
    }
}

fn parameter(
    name: &str,
    property: &Value,
    schema: &Value,
    offset: usize,
    diagnostics: &mut Diagnostics<'_>,
) -> Parameter {
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten();
    Parameter {
        shape: shape(property),
        path: path_rule(property, offset, diagnostics),
        is_multiline: property.get("x-multiline") == Some(&json!(true)),
        default: property.get("default").cloned().map(|mut default| {
            numbers::normalise(&mut default);
            default
        }),
        is_required: required.any(|one| one == name),
    }
}

/// The annotation on the parameter itself, or on the items of a list.
fn path_rule(
    property: &Value,
    offset: usize,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<PathRule> {
    let items = property.get("items");
    let rule = property.get("x-path").or_else(|| items?.get("x-path"))?;
    let rule = match rule.as_str() {
        Some("workspace") => PathRule::Workspace,
        Some("glob") => PathRule::Glob,
        _ => {
            diagnostics.report(offset, "x-path must be \"workspace\" or \"glob\"");
            return None;
        }
    };
    let is_text = |shape: &Shape| matches!(shape, Shape::Text { .. });
    let fits = match shape(property) {
        Shape::List(item) => is_text(&item),
        shape => is_text(&shape),
    };
    if !fits {
        diagnostics.report(
            offset,
            "x-path belongs to a string, or to a list of strings",
        );
    }
    Some(rule)
}

fn shape(property: &Value) -> Shape {
    let is_at_least_zero = || {
        let least = property.get("minimum").and_then(Value::as_f64);
        least.is_some_and(|least| least >= 0.0)
    };
    match property.get("type").and_then(Value::as_str) {
        Some("string") => Shape::Text {
            may_begin_with_dash: may_begin_with_dash(property),
        },
        Some("integer" | "number") => Shape::Number {
            may_be_negative: !is_at_least_zero(),
        },
        Some("boolean") => Shape::Switch,
        Some("array") => {
            let items = property.get("items").unwrap_or(&Value::Null);
            Shape::List(Box::new(shape(items)))
        }
        _ => Shape::Other,
    }
}

/// Only a closed list of words is known not to.
fn may_begin_with_dash(property: &Value) -> bool {
    let words = property.get("enum").and_then(Value::as_array);
    words.is_none_or(|words| {
        let mut words = words.iter().filter_map(Value::as_str);
        words.any(|word| word.starts_with('-'))
    })
}

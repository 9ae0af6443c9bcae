//! What a caller gives, held against the schema and against what an argument may be.

use std::collections::BTreeMap;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::{Map, Value};

use super::super::invalid_values::{InvalidValue, InvalidValues};
use super::{Parameters, numbers, values};

/// Parameters by name; every declared one that was given or has a default.
pub(in super::super) type Arguments = BTreeMap<String, Value>;

/// What became of `extra`.
#[derive(Debug, Default)]
pub(in super::super) struct Validated {
    pub arguments: Arguments,
    /// The first of the keys that mean nothing to this skill.
    pub ignored: Vec<String>,
    /// Everything that is wrong, by its JSON pointer.
    pub errors: InvalidValues,
}

/// Names of ignored keys that are kept.
const MAX_IGNORED: usize = 32;

impl Parameters {
    /// Validates `extra`. `free` is a parameter that goes to the standard input, where any text may go.
    ///
    /// If there is too much, only that is reported, because the number of mistakes in it is unbounded.
    pub(in super::super) fn validate(
        &self,
        extra: Map<String, Value>,
        free: Option<&str>,
    ) -> Validated {
        let mut validated = Validated::default();
        let mut given = Map::new();
        for (name, value) in extra {
            if value.is_null() {
                // Absent, as everywhere in a request.
            } else if self.declared.contains_key(&name) {
                given.insert(name, value);
            } else if validated.ignored.len() < MAX_IGNORED {
                validated.ignored.push(name);
            }
        }
        let mut found = InvalidValues::default();
        if values::check(&given, &self.declared, free, &mut found).is_err() {
            validated.errors = found;
            return validated;
        }
        given.values_mut().for_each(numbers::normalise);
        let given = Value::Object(given);
        for error in self.validator.iter_errors(&given) {
            validated.errors.wrong(|| field_error(&error));
        }
        validated.errors.append(found);
        let Value::Object(given) = given else {
            return validated;
        };
        validated.arguments = given.into_iter().collect();
        for (name, parameter) in &self.declared {
            if let Some(default) = &parameter.default {
                let entry = validated.arguments.entry(name.clone());
                entry.or_insert_with(|| default.clone());
            }
        }
        validated
    }
}

fn field_error(error: &ValidationError<'_>) -> InvalidValue {
    let path = error.instance_path();
    let mut tokens: Vec<String> = vec!["extra".to_owned()];
    tokens.extend(path.segments().map(|segment| segment.to_string()));
    if let ValidationErrorKind::Required { property } = error.kind() {
        // The place is where it should be.
        tokens.extend(property.as_str().map(str::to_owned));
    }
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    InvalidValue::new(&tokens, describe(error))
}

/// The rule that is broken, in words of the schema alone: follows "it".
pub(super) fn describe(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Required { .. } => "is required".to_owned(),
        Kind::Type { kind } => format!("must be of type {}", types(kind)),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::UniqueItems => "must have no item twice".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::Format { format } => format!("must have the format {format}"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "has none of the forms that it may have".to_owned()
        }
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has members that it must not have".to_owned()
        }
        kind => format!("does not keep to the schema's {}", kind.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(set) => {
            let names: Vec<String> = set.iter().map(|one: JsonType| one.to_string()).collect();
            names.join(" or ")
        }
    }
}

#[cfg(test)]
mod tests;

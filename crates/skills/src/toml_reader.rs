//! Tables of a TOML file as types. Serde stops at the first mistake; [`read`] finds all of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

use super::diagnostics::Diagnostics;

/// Mistakes of one table that are reported.
const MAX_MISTAKES: usize = 64;

/// Reads a table. A mistake is reported at its place and taken out, and the rest is read again. None if
/// something is missing without which there is no `T`. `name` is the table's own, for the reports.
pub(super) fn read<T: DeserializeOwned>(
    name: &str,
    table: &Spanned<DeTable<'_>>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<T> {
    let start = table.span().start;
    let mut table = table.get_ref().clone();
    // Tables that miss what was taken out of them. That is no mistake of its own.
    let mut incomplete = BTreeSet::new();
    for _ in 0..MAX_MISTAKES {
        let value = Spanned::new(start..start, DeValue::Table(table.clone()));
        let error = match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let offset = error.span().map_or(start, |span| span.start);
        let taken = take_out(&mut table, start, offset);
        if !incomplete.contains(&offset) {
            let path = taken.iter().flat_map(|taken| taken.path.iter().rev());
            let path = path.map(|step| Cow::Borrowed(step.as_str()));
            let own = (!name.is_empty()).then_some(Cow::Borrowed(name));
            let path: Vec<_> = own.into_iter().chain(path).collect();
            let separator = if path.is_empty() { "" } else { ": " };
            let detail = format!("{}{separator}{}", path.join("."), error.message());
            diagnostics.report(offset, detail);
        }
        incomplete.insert(taken?.parent);
    }
    None
}

struct Taken {
    /// The keys that lead to it, the last one first.
    path: Vec<String>,
    /// Where the table or list that held it begins.
    parent: usize,
}

/// Takes out the innermost value that begins at `offset`, or whose key does.
fn take_out(table: &mut DeTable<'_>, start: usize, offset: usize) -> Option<Taken> {
    for (key, value) in table.iter_mut() {
        if let Some(mut taken) = take_out_of_value(value, offset) {
            taken.path.push(shown(key.get_ref()));
            return Some(taken);
        }
    }
    let is_meant = |(key, value): &(&Spanned<_>, &Spanned<DeValue<'_>>)| {
        key.span().start == offset || value.span().start == offset
    };
    let key = table.iter().find(is_meant).map(|(key, _)| key.clone())?;
    table.remove(&key);
    Some(Taken {
        path: vec![shown(key.get_ref())],
        parent: start,
    })
}

fn take_out_of_value(value: &mut Spanned<DeValue<'_>>, offset: usize) -> Option<Taken> {
    let start = value.span().start;
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, start, offset),
        DeValue::Array(items) => take_out_of_array(items, start, offset),
        _ => None,
    }
}

fn take_out_of_array(items: &mut DeArray<'_>, start: usize, offset: usize) -> Option<Taken> {
    let mut inner = items.iter_mut();
    if let Some(taken) = inner.find_map(|item| take_out_of_value(item, offset)) {
        return Some(taken);
    }
    let index = items.iter().position(|item| item.span().start == offset)?;
    let (before, after) = (&items[..index], &items[index + 1..]);
    *items = before.iter().chain(after).cloned().collect();
    Some(Taken {
        path: Vec::new(),
        parent: start,
    })
}

fn shown(key: &str) -> String {
    bounded_json::shown_key(key).escape_debug().to_string()
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded<const LEAST: u64, const MOST: u64>(pub(super) u64);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Bounded<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = toml::Value::deserialize(deserializer)?.as_integer();
        let number = number.and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| (LEAST..=MOST).contains(number));
        let wrong = || D::Error::custom(format!("must be a whole number, {LEAST} to {MOST}"));
        number.map(Self).ok_or_else(wrong)
    }
}

/// A value as JSON, which has no word for dates, `nan` and `inf`.
fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    as_json(value).ok_or_else(|| D::Error::custom("must hold no date, nan or inf"))
}

/// A table as a JSON object.
pub(super) fn json_object<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    match json(deserializer)? {
        Value::Object(object) => Ok(object),
        _ => Err(D::Error::custom("must be a table")),
    }
}

/// A table as a JSON Schema.
pub(super) fn json_schema<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    let schema = Value::Object(json_object(deserializer)?);
    match jsonschema::options().build(&schema) {
        Ok(_) => Ok(Some(schema)),
        Err(_) => Err(D::Error::custom("is not a JSON Schema")),
    }
}

fn as_json(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => Number::from_f64(number)?.into(),
        toml::Value::Boolean(on) => on.into(),
        toml::Value::Datetime(_) => return None,
        toml::Value::Array(items) => items.into_iter().map(as_json).collect::<Option<_>>()?,
        toml::Value::Table(table) => {
            let members = table.into_iter();
            let members = members.map(|(key, value)| Some((key, as_json(value)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
    })
}

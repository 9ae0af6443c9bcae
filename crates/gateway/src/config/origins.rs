//! The winning value of each setting and its origin.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::declaration::{Form, Setting};
use super::origin::Origin;

const MASK: &str = "********";

/// The value of each setting, from the highest layer that has one, and where it is from.
///
/// `Debug` and `render` mask secrets.
pub struct Origins {
    pub(super) settings: &'static [Setting],
    /// By path. The values in a table of tables have its index in theirs: `keys.0.label`.
    pub(super) values: BTreeMap<String, Layered>,
}

pub(super) struct Layered {
    pub(super) setting: &'static Setting,
    pub(super) origin: Origin,
    /// `None` is not set. Of a refused value, the one of the layer below.
    pub(super) value: Option<Value>,
    pub(super) is_refused: bool,
}

impl Origins {
    /// Where the value of the setting at `path` (`server.bind`) is from.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.values.get(path).map(|layered| &layered.origin)
    }

    /// Each setting with its value and origin, a line each.
    pub fn render(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .settings
            .iter()
            .flat_map(|one| self.rows(one))
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let (path_width, value_width) = (width(0), width(1));
        let lines = rows.iter().map(|[path, value, origin]| {
            format!("{path:path_width$}  {value:value_width$}  {origin}\n")
        });
        lines.collect()
    }

    /// Shows what a value means once it is resolved; its origin stays.
    pub(super) fn refine(&mut self, path: &str, value: Value) {
        if let Some(layered) = self.values.get_mut(path) {
            layered.value = Some(value);
        }
    }

    /// Every value in its section, as the structs of `sections.rs` are made of it. Secrets are moved to
    /// where they are needed; a mask stays here. An entry of a table of tables that has a mistake is left
    /// out.
    pub(super) fn take_document(&mut self) -> Value {
        let mut document = Value::Null;
        for setting in self.settings {
            *place(&mut document, &setting.path) = match setting.form {
                Form::Tables(_) => Value::Array(Vec::new()),
                _ => Value::Null,
            };
        }
        let is_refused_entry = |layered: &Layered| {
            layered.is_refused && matches!(layered.setting.form, Form::Tables(_))
        };
        let entries = self.values.iter().filter(|(_, one)| is_refused_entry(one));
        let refused: Vec<String> = entries.map(|(path, _)| format!("{path}.")).collect();
        for (path, layered) in &mut self.values {
            let is_left_out = refused.iter().any(|entry| path.starts_with(entry));
            let Some(value) = layered.value.as_mut().filter(|_| !is_left_out) else {
                continue;
            };
            let is_secret = layered.setting.is_secret;
            let kept = if is_secret {
                MASK.into()
            } else {
                value.clone()
            };
            *place(&mut document, path) = std::mem::replace(value, kept);
        }
        for setting in self.settings {
            if let Value::Array(entries) = place(&mut document, &setting.path) {
                entries.retain(|entry| !entry.is_null());
            }
        }
        document
    }

    /// The setting's own row, or one for each value in its tables.
    fn rows(&self, setting: &Setting) -> Vec<[String; 3]> {
        let start = format!("{}.", setting.path);
        let is_within = |path: &str| *path == setting.path || path.starts_with(&start);
        let values = self.values.iter().filter(|(path, _)| is_within(path));
        let rows = values
            .map(|(path, layered)| [path.clone(), layered.shown(), layered.origin.to_string()]);
        rows.collect()
    }
}

impl Layered {
    /// For people: a secret shows only whether it is set.
    fn shown(&self) -> String {
        match &self.value {
            _ if self.is_refused => "(refused)".to_owned(),
            None => "(not set)".to_owned(),
            Some(_) if self.setting.is_secret => MASK.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(_)) => "(table)".to_owned(),
            Some(Value::Array(entries)) if entries.is_empty() => "(none)".to_owned(),
            Some(Value::Array(entries)) => {
                let texts: Vec<&str> = entries.iter().filter_map(Value::as_str).collect();
                texts.join(",")
            }
            Some(value) => value.to_string(),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render())
    }
}

/// Where a path leads in the document. Tables and entries on the way are made.
fn place<'document>(document: &'document mut Value, path: &str) -> &'document mut Value {
    path.split('.').fold(document, |place, name| {
        let index: Option<usize> = name.parse().ok();
        match (place, index) {
            (Value::Array(entries), Some(index)) => {
                entries.resize(entries.len().max(index + 1), Value::Null);
                &mut entries[index]
            }
            (place, _) => &mut place[name],
        }
    })
}

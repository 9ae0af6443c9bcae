//! The values of all layers, the last one given for each setting on top.

use std::collections::BTreeMap;

use serde_json::Value;

use super::declaration::{Form, SETTINGS, Setting};
use super::diagnostics::Diagnostics;
use super::format::secret;
use super::origin::{Origin, Origins, Row};

/// Not `Debug`: it holds secrets.
#[derive(Default)]
pub(super) struct Layers {
    values: BTreeMap<&'static str, Layered>,
    pub(super) diagnostics: Diagnostics,
    /// The file could not be read at all: what seems to be missing may stand in it.
    pub(super) is_file_refused: bool,
}

struct Layered {
    origin: Origin,
    /// `None` is not set. Of a refused value, the one of the layer below.
    value: Option<Value>,
    is_refused: bool,
}

impl Layers {
    /// Takes a layer's value of a setting, over those of the layers below.
    pub(super) fn set(&mut self, setting: &'static Setting, origin: Origin, value: Option<Value>) {
        let layered = Layered {
            origin,
            value,
            is_refused: false,
        };
        self.values.insert(&setting.path, layered);
    }

    /// Takes a layer's mistake. The setting keeps a valid value, so that the others can be checked, but
    /// nothing is concluded from it.
    pub(super) fn refuse(&mut self, setting: &'static Setting, origin: Origin, detail: String) {
        self.diagnostics
            .refuse(&setting.path, origin.clone(), detail);
        let below = self.values.remove(setting.path.as_str());
        let layered = Layered {
            origin,
            value: below.and_then(|below| below.value),
            is_refused: true,
        };
        self.values.insert(&setting.path, layered);
    }

    /// Takes a secret from the file that a layer names for it.
    pub(super) fn set_from_file(&mut self, setting: &'static Setting, origin: Origin, path: &str) {
        match secret::from_file(path) {
            Ok(file) => {
                if file.read_by_others {
                    let detail =
                        format!("the file of {origin} can be read by others: chmod 600 it");
                    self.diagnostics.warn(&setting.path, detail);
                }
                self.set(setting, origin, Some(Value::from(file.secret)));
            }
            Err(detail) => self.refuse(setting, origin, detail),
        }
    }

    pub(super) fn is_refused(&self, path: &str) -> bool {
        self.values
            .get(path)
            .is_some_and(|layered| layered.is_refused)
    }

    pub(super) fn origin(&self, path: &str) -> Origin {
        let layered = self.values.get(path);
        layered.map_or(Origin::NotSet, |layered| layered.origin.clone())
    }

    /// Every value in its section, as the structs of `sections.rs` are made of it.
    pub(super) fn document(&self) -> Value {
        let mut document = Value::Null;
        for setting in SETTINGS.iter() {
            let layered = self.values.get(setting.path.as_str());
            let value = layered.and_then(|layered| layered.value.clone());
            // Indexing makes the tables on the way.
            let mut place = &mut document;
            for name in setting.path.split('.') {
                place = &mut place[name];
            }
            *place = value.unwrap_or(match setting.form {
                Form::Tables(_) => Value::Array(Vec::new()),
                _ => Value::Null,
            });
        }
        document
    }

    pub(super) fn origins(&self) -> Origins {
        let rows = SETTINGS.iter().map(|setting| Row {
            path: &setting.path,
            value: self.shown(setting),
            origin: self.origin(&setting.path),
        });
        Origins {
            rows: rows.collect(),
        }
    }

    /// For people: a secret shows only whether it is set.
    fn shown(&self, setting: &Setting) -> String {
        if self.is_refused(&setting.path) {
            return "(refused)".to_owned();
        }
        let layered = self.values.get(setting.path.as_str());
        match layered.and_then(|layered| layered.value.as_ref()) {
            None => "(not set)".to_owned(),
            Some(_) if setting.is_secret => "********".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(entries)) if entries.is_empty() => "(none)".to_owned(),
            Some(Value::Array(entries)) => {
                let texts: Option<Vec<&str>> = entries.iter().map(Value::as_str).collect();
                let count = entries.len();
                texts.map_or_else(|| format!("({count} tables)"), |texts| texts.join(","))
            }
            Some(value) => value.to_string(),
        }
    }
}

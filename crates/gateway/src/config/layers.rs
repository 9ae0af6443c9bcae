//! What the layers give, one after the other, and what is wrong in each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::declaration::Setting;
use super::diagnostics::Diagnostics;
use super::format::secret;
use super::origin::Origin;
use super::origins::{Layered, Origins};

pub(super) struct Layers {
    pub(super) origins: Origins,
    pub(super) diagnostics: Diagnostics,
    /// The file could not be read at all: what seems to be missing may stand in it.
    pub(super) is_file_refused: bool,
}

impl Layers {
    pub(super) fn of(settings: &'static [Setting]) -> Self {
        let values = BTreeMap::new();
        Self {
            origins: Origins { settings, values },
            diagnostics: Diagnostics::default(),
            is_file_refused: false,
        }
    }

    /// Takes a layer's value of a setting, over those of the layers below. `path` is the setting's own, or
    /// where it stands in a table of tables.
    pub(super) fn set(
        &mut self,
        setting: &'static Setting,
        path: &str,
        origin: Origin,
        value: Option<Value>,
    ) {
        let layered = Layered {
            setting,
            origin,
            value,
            is_refused: false,
        };
        self.origins.values.insert(path.to_owned(), layered);
    }

    /// Takes a layer's mistake. The setting keeps a valid value, so that the others can be checked, but
    /// nothing is concluded from it.
    pub(super) fn refuse(
        &mut self,
        setting: &'static Setting,
        path: &str,
        origin: Origin,
        detail: impl Into<String>,
    ) {
        self.diagnostics.refuse(path, origin.clone(), detail);
        let entry = path
            .strip_suffix(&setting.path)
            .and_then(|rest| rest.strip_suffix('.'));
        if let Some(entry) = entry.and_then(|entry| self.origins.values.get_mut(entry)) {
            entry.is_refused = true;
            entry.value = None;
        }
        let below = self.origins.values.remove(path);
        let layered = Layered {
            setting,
            origin,
            value: below.and_then(|below| below.value),
            is_refused: true,
        };
        self.origins.values.insert(path.to_owned(), layered);
    }

    /// Takes what was read, or what is wrong with it.
    pub(super) fn take(
        &mut self,
        setting: &'static Setting,
        path: &str,
        origin: Origin,
        read: Result<Value, String>,
    ) {
        match read {
            Ok(value) => self.set(setting, path, origin, Some(value)),
            Err(detail) => self.refuse(setting, path, origin, detail),
        }
    }

    /// Takes a secret from the file that a layer names for it.
    pub(super) fn take_secret_file(
        &mut self,
        setting: &'static Setting,
        path: &str,
        origin: Origin,
        file: Result<&str, String>,
    ) {
        let read = file.and_then(secret::from_file).map(|file| {
            if file.read_by_others {
                let detail = format!("the file of {origin} can be read by others: chmod 600 it");
                self.diagnostics.warn(path, detail);
            }
            Value::from(file.secret)
        });
        self.take(setting, path, origin, read);
    }

    /// Refuses the value that won.
    pub(super) fn refuse_winner(&mut self, path: &str, detail: impl Into<String>) {
        self.diagnostics.refuse(path, self.origin(path), detail);
        if let Some(layered) = self.origins.values.get_mut(path) {
            layered.is_refused = true;
        }
    }

    pub(super) fn is_refused(&self, path: &str) -> bool {
        let layered = self.origins.values.get(path);
        layered.is_some_and(|layered| layered.is_refused)
    }

    pub(super) fn origin(&self, path: &str) -> Origin {
        self.origins.origin(path).cloned().unwrap_or(Origin::NotSet)
    }
}

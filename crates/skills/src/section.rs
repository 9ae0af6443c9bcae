//! A table of a TOML file, read key by key: every wrong type and every unknown key is noted with its
//! line, and reading goes on.

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use super::problem::Notes;

/// What a file says, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<T> {
    pub(super) value: T,
    /// In bytes from the start of the file.
    pub(super) offset: usize,
}

/// One table. [`Section::finish`] refuses what was not asked for.
pub(super) struct Section<'file> {
    /// For messages: `run`, `run.variants.cargo`.
    name: String,
    table: &'file DeTable<'file>,
    pub(super) offset: usize,
    known: Vec<&'static str>,
}

type Entry<'file> = Said<&'file DeValue<'file>>;

impl<'file> Section<'file> {
    pub(super) fn new(name: &str, table: &'file DeTable<'file>, offset: usize) -> Self {
        Self {
            name: name.to_owned(),
            table,
            offset,
            known: Vec::new(),
        }
    }

    /// The value of a key, which is known from now on.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry<'file>> {
        self.known.push(key);
        let (name, value) = self.table.get_key_value(key)?;
        Some(Said {
            value: value.get_ref(),
            offset: name.span().start,
        })
    }

    pub(super) fn string(&mut self, key: &'static str, notes: &mut Notes) -> Option<Said<String>> {
        let entry = self.take(key)?;
        let text = entry.value.as_str();
        self.typed(&entry, text.map(str::to_owned), "a string in quotes", notes)
    }

    pub(super) fn switch(&mut self, key: &'static str, notes: &mut Notes) -> Option<bool> {
        let entry = self.take(key)?;
        let on = entry.value.as_bool();
        self.typed(&entry, on, "true or false", notes)
            .map(|said| said.value)
    }

    /// A whole number within bounds, or the default.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        (least, most): (u64, u64),
        default: u64,
        notes: &mut Notes,
    ) -> u64 {
        let Some(entry) = self.take(key) else {
            return default;
        };
        let number = integer(entry.value).and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        let wanted = format!("a whole number, {least} to {most}");
        self.typed(&entry, number, &wanted, notes)
            .map_or(default, |said| said.value)
    }

    pub(super) fn strings(
        &mut self,
        key: &'static str,
        notes: &mut Notes,
    ) -> Option<Said<Vec<String>>> {
        let entry = self.take(key)?;
        let strings = entry.value.as_array().and_then(|items| {
            let strings = items.iter().map(|item| item.get_ref().as_str());
            strings.map(|text| text.map(str::to_owned)).collect()
        });
        self.typed(&entry, strings, "a list of strings", notes)
    }

    pub(super) fn integers(
        &mut self,
        key: &'static str,
        notes: &mut Notes,
    ) -> Option<Said<Vec<i64>>> {
        let entry = self.take(key)?;
        let integers = entry.value.as_array().and_then(|items| {
            let integers = items.iter().map(|item| integer(item.get_ref()));
            integers.collect()
        });
        self.typed(&entry, integers, "a list of whole numbers", notes)
    }

    pub(super) fn section(&mut self, key: &'static str, notes: &mut Notes) -> Option<Self> {
        let entry = self.take(key)?;
        let inner = entry.value.as_table();
        let inner = self.typed(&entry, inner, "a table", notes)?;
        let name = self.join(key);
        Some(Self::new(&name, inner.value, inner.offset))
    }

    /// The tables of a list of tables.
    pub(super) fn sections(&mut self, key: &'static str, notes: &mut Notes) -> Vec<Self> {
        let Some(entry) = self.take(key) else {
            return Vec::new();
        };
        let name = self.join(key);
        let sections = entry.value.as_array().and_then(|items| {
            let sections = items.iter().map(|item| {
                let table = item.get_ref().as_table()?;
                Some(Section::new(&name, table, item.span().start))
            });
            sections.collect::<Option<Vec<_>>>()
        });
        self.typed(&entry, sections, "a list of tables", notes)
            .map(|said| said.value)
            .unwrap_or_default()
    }

    /// Every key of a table of strings, with its place.
    pub(super) fn pairs(self, notes: &mut Notes) -> Vec<(String, String, usize)> {
        let mut pairs = Vec::new();
        for (key, value) in self.table {
            let offset = key.span().start;
            match value.get_ref().as_str() {
                Some(text) => pairs.push((key.get_ref().to_string(), text.to_owned(), offset)),
                None => notes.wrong(offset, format!("{} holds strings alone", self.name)),
            }
        }
        pairs
    }

    /// The value of a key as JSON, which must be an object.
    pub(super) fn json_object(
        &mut self,
        key: &'static str,
        notes: &mut Notes,
    ) -> Option<Said<Map<String, Value>>> {
        let entry = self.take(key)?;
        let object = match json(entry.value) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        };
        self.typed(&entry, object, "a table without dates", notes)
    }

    /// The value of a key as JSON.
    pub(super) fn json(&mut self, key: &'static str, notes: &mut Notes) -> Option<Value> {
        let entry = self.take(key)?;
        let value = json(entry.value);
        self.typed(&entry, value, "a value other than a date", notes)
            .map(|said| said.value)
    }

    /// Notes that a key is missing, where it is.
    pub(super) fn required<T>(&self, key: &str, said: Option<T>, notes: &mut Notes) -> Option<T> {
        if said.is_none() && !self.table.contains_key(key) {
            notes.wrong(self.offset, format!("{} is missing", self.join(key)));
        }
        said
    }

    /// Refuses every key that nobody asked for.
    pub(super) fn finish(self, notes: &mut Notes) {
        for (key, _) in self.table {
            if !self.known.contains(&key.get_ref().as_ref()) {
                let shown: String = key.get_ref().chars().take(64).collect();
                let shown = shown.escape_debug().to_string();
                let known = self.known.join(", ");
                let detail = format!("unknown key {}: known here are {known}", self.join(&shown));
                notes.wrong(key.span().start, detail);
            }
        }
    }

    fn typed<T>(
        &self,
        entry: &Entry<'_>,
        value: Option<T>,
        wanted: &str,
        notes: &mut Notes,
    ) -> Option<Said<T>> {
        let offset = entry.offset;
        if value.is_none() {
            let key = self.key_at(offset);
            notes.wrong(offset, format!("{} must be {wanted}", self.join(&key)));
        }
        value.map(|value| Said { value, offset })
    }

    fn key_at(&self, offset: usize) -> String {
        let mut keys = self.table.iter();
        keys.find(|(key, _)| key.span().start == offset)
            .map_or_else(String::new, |(key, _)| key.get_ref().to_string())
    }

    fn join(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// `None` for what JSON has no word for: dates, `nan`, `inf`.
pub(super) fn json(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(_) => integer(value).map(Value::from),
        DeValue::Float(float) => {
            let number = float.as_str().replace('_', "").parse().ok()?;
            Number::from_f64(number).map(Value::Number)
        }
        DeValue::Boolean(on) => Some(Value::Bool(*on)),
        DeValue::Datetime(_) => None,
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        DeValue::Table(table) => {
            let members = table.iter().map(|(key, value)| {
                let value = json(value.get_ref())?;
                Some((key.get_ref().to_string(), value))
            });
            members.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}

//! Reads one value, by what its setting may hold. A value is checked for itself alone; what two settings
//! must agree on is in `checks.rs`.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declaration::{Form, Setting};
use super::format::{Format, refuse_quotes};
use super::nearest::nearest;

/// A list longer than this is a mistake, and would be searched on every request.
const LIST_LIMIT: usize = 256;

/// What is wrong within a value of a file.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where in the file; `None` is the key's own place.
    pub(super) offset: Option<usize>,
    pub(super) detail: String,
}

impl From<String> for Fault {
    fn from(detail: String) -> Self {
        let offset = None;
        Self { offset, detail }
    }
}

impl Form {
    /// Reads an environment variable. The error says what the value must be.
    pub(super) fn read_text(&self, text: &str) -> Result<Value, String> {
        refuse_quotes(text)?;
        match self {
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(Value::from(true)),
                "false" | "0" | "no" | "off" => Ok(Value::from(false)),
                _ => Err(self.must_be()),
            },
            Self::Number { .. } => self.number(text, 10),
            Self::List(format) => {
                let items = text.split(',').map(str::trim);
                list(format, items.filter(|item| !item.is_empty()))
            }
            Self::Choice(_) | Self::Text(_) | Self::Tables(_) => self.read_string(text),
        }
    }

    /// Reads a value of a TOML file. The errors say what the value must be, and where it is not.
    pub(super) fn read_toml(&self, value: &DeValue<'_>) -> Result<Value, Vec<Fault>> {
        let read = match (self, value) {
            (Self::Tables(settings), DeValue::Array(entries)) => {
                return tables(settings, entries);
            }
            (Self::Switch, DeValue::Boolean(on)) => Ok(Value::from(*on)),
            (Self::Number { .. }, DeValue::Integer(number)) => {
                self.number(number.as_str(), number.radix())
            }
            (Self::Switch | Self::Number { .. }, DeValue::String(_)) => {
                Err(format!("{}, without quotes", self.must_be()))
            }
            (Self::List(format), DeValue::Array(items)) => {
                let strings = items.iter().map(|item| item.get_ref().as_str());
                match strings.collect::<Option<Vec<&str>>>() {
                    Some(strings) => list(format, strings.into_iter()),
                    None => Err("must be a list of strings, each in quotes".to_owned()),
                }
            }
            (Self::List(_), _) => Err("must be a list of strings: [\"…\", \"…\"]".to_owned()),
            (Self::Switch | Self::Number { .. } | Self::Tables(_), _) => Err(self.must_be()),
            (_, DeValue::String(string)) => self.read_string(string),
            _ => Err(format!("{}, as a string in quotes", self.must_be())),
        };
        read.map_err(|detail| vec![Fault::from(detail)])
    }

    fn must_be(&self) -> String {
        format!("must be {}", self.describe())
    }

    fn number(&self, digits: &str, radix: u32) -> Result<Value, String> {
        match (self, u64::from_str_radix(digits, radix)) {
            (Self::Number { least, most, .. }, Ok(number))
                if (*least..=*most).contains(&number) =>
            {
                Ok(Value::from(number))
            }
            _ => Err(self.must_be()),
        }
    }

    fn read_string(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Choice(options) => {
                refuse_quotes(text)?;
                choice(text, options)
            }
            Self::Text(format) => format.read(text).map(Value::from),
            _ => Err(self.must_be()),
        }
    }
}

fn choice(text: &str, options: &[String]) -> Result<Value, String> {
    let is_meant = |option: &&String| option.eq_ignore_ascii_case(text);
    if let Some(option) = options.iter().find(is_meant) {
        return Ok(Value::from(option.as_str()));
    }
    let suggestion = match nearest(text, options.iter().map(String::as_str)) {
        Some(option) => format!("; did you mean {option}?"),
        None => String::new(),
    };
    Err(format!("must be one of {}{suggestion}", options.join(", ")))
}

fn list<'text>(format: &Format, texts: impl Iterator<Item = &'text str>) -> Result<Value, String> {
    let mut items: Vec<String> = Vec::new();
    for (index, text) in texts.enumerate() {
        let item = format
            .read(text)
            .map_err(|detail| in_entry(index, &detail))?;
        if format.is_literal || !items.contains(&item) {
            items.push(item);
        }
    }
    if items.len() > LIST_LIMIT {
        return Err(format!("must have at most {LIST_LIMIT} entries"));
    }
    Ok(Value::from(items))
}

/// A table of tables: every mistake in every entry, with its own place.
fn tables(settings: &[Setting], entries: &[Spanned<DeValue<'_>>]) -> Result<Value, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut values = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let offset = entry.span().start;
        let read = match entry.get_ref().as_table() {
            Some(table) => read_table(settings, table, offset),
            None => Err(vec![Fault::from("must be a table".to_owned())]),
        };
        match read {
            Ok(value) => values.push(value),
            Err(inner) => faults.extend(inner.into_iter().map(|fault| Fault {
                offset: fault.offset.or(Some(offset)),
                detail: in_entry(index, &fault.detail),
            })),
        }
    }
    if faults.is_empty() {
        Ok(Value::Array(values))
    } else {
        Err(faults)
    }
}

fn read_table(
    settings: &[Setting],
    table: &DeTable<'_>,
    offset: usize,
) -> Result<Value, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut values = Map::new();
    for (key, value) in table {
        let name: &str = key.get_ref();
        let offset = Some(key.span().start);
        let Some(setting) = settings.iter().find(|setting| setting.path == name) else {
            let known = settings.iter().map(|setting| setting.path.as_str());
            let detail = unknown_key(name, nearest(name, known));
            faults.push(Fault { offset, detail });
            continue;
        };
        match setting.form.read_toml(value.get_ref()) {
            Ok(value) => drop(values.insert(name.to_owned(), value)),
            Err(inner) => faults.extend(inner.into_iter().map(|fault| Fault {
                offset: fault.offset.or(offset),
                detail: format!("{name}: {}", fault.detail),
            })),
        }
    }
    let is_missing = |setting: &&Setting| {
        !setting.is_optional && !table.keys().any(|key| *key.get_ref() == setting.path)
    };
    faults.extend(settings.iter().filter(is_missing).map(|setting| Fault {
        offset: Some(offset),
        detail: format!(
            "{} is missing; it must be {}",
            setting.path,
            setting.form.describe()
        ),
    }));
    if faults.is_empty() {
        Ok(Value::Object(values))
    } else {
        Err(faults)
    }
}

/// The report of a key that is no setting, with the one that was probably meant.
pub(super) fn unknown_key(path: &str, meant: Option<&str>) -> String {
    const SHOWN_CHARS: usize = 80;
    let printable = |character: char| {
        if character.is_control() {
            '?'
        } else {
            character
        }
    };
    let shown: String = path.chars().take(SHOWN_CHARS).map(printable).collect();
    match meant {
        Some(meant) => format!("unknown key {shown}; did you mean {meant}?"),
        None => format!("unknown key {shown}: take it out, or see docs/settings.md"),
    }
}

fn in_entry(index: usize, detail: &str) -> String {
    format!("entry {}: {detail}", index + 1)
}

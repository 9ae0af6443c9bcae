//! Reads one value, by what its setting may hold. A value is checked for itself alone; what two settings
//! must agree on is in `checks.rs`.

use serde_json::Value;
use toml::de::DeValue;

use super::declaration::Form;
use super::format::{Format, refuse_quotes};
use super::nearest::nearest;

/// A list longer than this is a mistake, and would be searched on every request.
const LIST_LIMIT: usize = 256;

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
            _ => self.read_string(text),
        }
    }

    /// Reads a value of a TOML file. The error says what the value must be.
    pub(super) fn read_toml(&self, value: &DeValue<'_>) -> Result<Value, String> {
        match (self, value) {
            (Self::Switch, DeValue::Boolean(on)) => Ok(Value::from(*on)),
            (Self::Number { .. }, DeValue::Integer(number)) => {
                self.number(number.as_str(), number.radix())
            }
            (Self::Switch | Self::Number { .. }, DeValue::String(_)) => {
                Err(format!("{}, without quotes", self.must_be()))
            }
            (Self::List(format), DeValue::Array(items)) => {
                let strings = items.iter().map(|item| item.get_ref().as_str());
                let strings: Option<Vec<&str>> = strings.collect();
                let strings = strings.ok_or("must be a list of strings, each in quotes")?;
                list(format, strings.into_iter())
            }
            (Self::List(_), _) => Err("must be a list of strings: [\"…\", \"…\"]".to_owned()),
            (Self::Switch | Self::Number { .. } | Self::Tables(_), _) => Err(self.must_be()),
            (_, DeValue::String(text)) => self.read_string(text),
            _ => Err(format!("{}, as a string in quotes", self.must_be())),
        }
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
            Self::Choice(options) => choice(text, options),
            Self::Text(format) => format.read(text).map(Value::from),
            _ => Err(self.must_be()),
        }
    }
}

fn choice(text: &str, options: &[String]) -> Result<Value, String> {
    refuse_quotes(text)?;
    let is_meant = |option: &&String| option.eq_ignore_ascii_case(text);
    if let Some(option) = options.iter().find(is_meant) {
        return Ok(Value::from(option.as_str()));
    }
    let meant = nearest(text, options.iter().map(String::as_str));
    let suggestion = meant.map(|option| format!("; did you mean {option}?"));
    let (options, suggestion) = (options.join(", "), suggestion.unwrap_or_default());
    Err(format!("must be one of {options}{suggestion}"))
}

fn list<'text>(format: &Format, texts: impl Iterator<Item = &'text str>) -> Result<Value, String> {
    let mut items: Vec<String> = Vec::new();
    for (index, text) in texts.enumerate() {
        let item = format.read(text);
        let item = item.map_err(|detail| format!("entry {}: {detail}", index + 1))?;
        if format.is_literal || !items.contains(&item) {
            items.push(item);
        }
    }
    if items.len() > LIST_LIMIT {
        return Err(format!("must have at most {LIST_LIMIT} entries"));
    }
    Ok(Value::from(items))
}

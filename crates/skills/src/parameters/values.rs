//! What a value must be to stand in an argument, whatever its schema says. Sizes come first: what is too
//! much is not looked at any further.

use std::collections::BTreeMap;

use bounded_json::JsonLimits;
use serde_json::{Map, Value};

use super::super::invalid_values::{InvalidValue, InvalidValues};
use super::Parameter;

/// A string in an argument.
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Of a list; and members of an object.
const MAX_ITEMS: usize = 256;

/// Values of a call altogether, those in lists and objects included.
const MAX_VALUES: usize = 4096;

/// All strings of a call together: far below what a system takes as arguments.
const MAX_TOTAL_BYTES: usize = 64 * 1024;

/// A value that is nested deeper is no parameter.
const MAX_DEPTH: usize = 16;

/// The same, for who reads the values from a text: what is over it never becomes a value.
pub const LIMITS: JsonLimits = JsonLimits {
    max_depth: MAX_DEPTH,
    max_values: MAX_VALUES,
    max_items: MAX_ITEMS,
};

/// Something is too large, too deep or too much: the values are not to be looked at any further.
#[derive(Debug)]
pub(super) struct TooMuch;

/// `free` is a parameter that goes to the standard input: of a text there, nothing is asked here.
pub(super) fn check(
    given: &Map<String, Value>,
    declared: &BTreeMap<String, Parameter>,
    free: Option<&str>,
    errors: &mut InvalidValues,
) -> Result<(), TooMuch> {
    let mut check = ValueCheck {
        values: 0,
        total_bytes: 0,
        is_multiline: false,
        is_too_much: false,
        errors,
    };
    for (name, value) in given {
        if free == Some(name.as_str()) && value.is_string() {
            continue;
        }
        check.is_multiline = declared
            .get(name)
            .is_some_and(|parameter| parameter.is_multiline);
        check.value(value, &mut vec!["extra".to_owned(), name.clone()]);
    }
    let extra = ["extra".to_owned()];
    if check.values > MAX_VALUES {
        check.too_much(&extra, || {
            format!("has more than {MAX_VALUES} values altogether")
        });
    }
    if check.total_bytes > MAX_TOTAL_BYTES {
        check.too_much(&extra, || {
            format!("has more than {MAX_TOTAL_BYTES} bytes of text altogether")
        });
    }
    if check.is_too_much {
        return Err(TooMuch);
    }
    Ok(())
}

struct ValueCheck<'check> {
    values: usize,
    total_bytes: usize,
    is_multiline: bool,
    is_too_much: bool,
    errors: &'check mut InvalidValues,
}

impl ValueCheck<'_> {
    fn wrong(&mut self, tokens: &[String], detail: impl FnOnce() -> String) {
        self.errors.wrong(|| {
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            InvalidValue::new(&tokens, detail())
        });
    }

    fn too_much(&mut self, tokens: &[String], detail: impl FnOnce() -> String) {
        self.is_too_much = true;
        self.wrong(tokens, detail);
    }

    fn value(&mut self, value: &Value, tokens: &mut Vec<String>) {
        self.values += 1;
        if self.values > MAX_VALUES {
            return;
        }
        if tokens.len() > MAX_DEPTH {
            return self.too_much(tokens, || "is nested too deeply".to_owned());
        }
        match value {
            Value::String(text) => self.text(text, tokens),
            Value::Array(items) => {
                if items.len() > MAX_ITEMS {
                    let detail = || format!("has more than {MAX_ITEMS} items");
                    return self.too_much(tokens, detail);
                }
                for (index, item) in items.iter().enumerate() {
                    tokens.push(index.to_string());
                    self.value(item, tokens);
                    tokens.pop();
                }
            }
            Value::Object(members) => {
                if members.len() > MAX_ITEMS {
                    let detail = || format!("has more than {MAX_ITEMS} members");
                    return self.too_much(tokens, detail);
                }
                for (name, member) in members {
                    self.total_bytes += name.len();
                    tokens.push(name.clone());
                    self.value(member, tokens);
                    tokens.pop();
                }
            }
            Value::Number(number) => {
                if super::numbers::is_beyond_integers(number) {
                    self.wrong(tokens, || "has more than 64 bits".to_owned());
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, text: &str, tokens: &[String]) {
        self.total_bytes = self.total_bytes.saturating_add(text.len());
        if text.len() > MAX_VALUE_BYTES {
            let detail = || format!("has more than {MAX_VALUE_BYTES} bytes");
            return self.too_much(tokens, detail);
        }
        let is_allowed = |character| self.is_multiline && matches!(character, '\n' | '\r' | '\t');
        let is_control = |character: char| character.is_control() && !is_allowed(character);
        if text.contains(is_control) {
            self.wrong(tokens, || "holds a control character".to_owned());
        }
    }
}

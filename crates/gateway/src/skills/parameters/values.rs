//! What a value must be to stand in an argument, whatever its schema says.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Parameter;
use crate::error::FieldError;

/// A string in an argument.
const MAX_VALUE_BYTES: usize = 8 * 1024;

const MAX_LIST_ITEMS: usize = 256;

/// All strings of a call together: far below what a system takes as arguments.
const MAX_TOTAL_BYTES: usize = 64 * 1024;

/// A value that is nested deeper is no parameter.
const MAX_DEPTH: usize = 16;

/// `free` is a parameter that goes to the standard input: of it, nothing is asked here.
pub(super) fn check(
    given: &Map<String, Value>,
    declared: &BTreeMap<String, Parameter>,
    free: Option<&str>,
    errors: &mut Vec<FieldError>,
) {
    let mut check = Check {
        total_bytes: 0,
        is_multiline: false,
        errors,
    };
    for (name, value) in given {
        if free == Some(name.as_str()) {
            continue;
        }
        check.is_multiline = declared
            .get(name)
            .is_some_and(|parameter| parameter.is_multiline);
        check.value(value, &mut vec!["extra".to_owned(), name.clone()]);
    }
    if check.total_bytes > MAX_TOTAL_BYTES {
        let detail = format!("has more than {MAX_TOTAL_BYTES} bytes of text altogether");
        check.errors.push(FieldError::new(&["extra"], detail));
    }
}

struct Check<'check> {
    total_bytes: usize,
    is_multiline: bool,
    errors: &'check mut Vec<FieldError>,
}

impl Check<'_> {
    fn wrong(&mut self, tokens: &[String], detail: impl Into<String>) {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        self.errors.push(FieldError::new(&tokens, detail));
    }

    fn value(&mut self, value: &Value, tokens: &mut Vec<String>) {
        if tokens.len() > MAX_DEPTH {
            return self.wrong(tokens, "is nested too deeply");
        }
        match value {
            Value::String(text) => self.text(text, tokens),
            Value::Array(items) => {
                if items.len() > MAX_LIST_ITEMS {
                    return self.wrong(tokens, format!("has more than {MAX_LIST_ITEMS} items"));
                }
                for (index, item) in items.iter().enumerate() {
                    tokens.push(index.to_string());
                    self.value(item, tokens);
                    tokens.pop();
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.total_bytes += name.len();
                    tokens.push(name.clone());
                    self.value(member, tokens);
                    tokens.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, tokens: &[String]) {
        self.total_bytes = self.total_bytes.saturating_add(text.len());
        if text.len() > MAX_VALUE_BYTES {
            return self.wrong(tokens, format!("has more than {MAX_VALUE_BYTES} bytes"));
        }
        let is_allowed = |character| self.is_multiline && matches!(character, '\n' | '\r' | '\t');
        let is_control = |character: char| character.is_control() && !is_allowed(character);
        if text.contains(is_control) {
            self.wrong(tokens, "holds a control character");
        }
    }
}

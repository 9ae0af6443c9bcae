//! What a line of the log says.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use redact::Redactor;
use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::config::LogFormat;

/// Of one text.
const MAX_CHARS: usize = 2048;

/// A text that is longer before it is redacted is not shown at all: cut before, a secret at its edge
/// would be shown in part.
const MAX_RAW_BYTES: usize = 64 * 1024;

/// The fields of an event, the message among them, as they may be written.
pub(super) struct Fields<'log> {
    redactor: &'log Redactor,
    values: Map<String, Value>,
}

impl<'log> Fields<'log> {
    pub(super) fn new(redactor: &'log Redactor) -> Self {
        Self {
            redactor,
            values: Map::new(),
        }
    }

    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    pub(super) fn into_values(self) -> Map<String, Value> {
        self.values
    }

    fn insert_text(&mut self, field: &Field, raw: &str) {
        let text = self.redactor.redact(raw).text;
        let text = match text.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
            None => text,
        };
        self.insert(field.name(), text.into());
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() > MAX_RAW_BYTES {
            self.insert(field.name(), too_long(value.len()));
        } else {
            self.insert_text(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = BoundedText::default();
        let _ = write!(text, "{value:?}");
        if text.skipped_bytes > 0 {
            self.insert(field.name(), too_long(text.kept.len() + text.skipped_bytes));
        } else {
            self.insert_text(field, &text.kept);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field.name(), value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.insert(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field.name(), value.into());
    }
}

fn too_long(bytes: usize) -> Value {
    format!("({bytes} bytes)").into()
}

/// Keeps so much of what is written to it, and counts the rest.
#[derive(Default)]
struct BoundedText {
    kept: String,
    skipped_bytes: usize,
}

impl fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.skipped_bytes > 0 || self.kept.len() + text.len() > MAX_RAW_BYTES {
            self.skipped_bytes += text.len();
        } else {
            self.kept.push_str(text);
        }
        Ok(())
    }
}

/// The line, with its line break.
pub(super) fn render(
    format: LogFormat,
    level: Level,
    target: &str,
    values: Map<String, Value>,
) -> Vec<u8> {
    let mut line = match format {
        LogFormat::Json => json_line(level, target, values),
        LogFormat::Text => text_line(level, target, values),
    };
    line.push('\n');
    line.into_bytes()
}

/// The line that stands for those that were lost.
pub(super) fn lost_lines(format: LogFormat, lost: u64) -> Vec<u8> {
    let mut values = Map::new();
    values.insert("message".to_owned(), "lines of the log were lost".into());
    values.insert("lost_lines".to_owned(), lost.into());
    render(format, Level::WARN, module_path!(), values)
}

fn json_line(level: Level, target: &str, mut values: Map<String, Value>) -> String {
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), timestamp().into());
    line.insert("level".to_owned(), level.as_str().into());
    line.append(&mut values);
    line.insert("target".to_owned(), target.into());
    Value::Object(line).to_string()
}

fn text_line(level: Level, target: &str, mut values: Map<String, Value>) -> String {
    let message = values.shift_remove("message").unwrap_or_default();
    let message = message.as_str().unwrap_or_default();
    let mut line = format!("{} {level:>5} {target}: ", timestamp());
    for character in message.chars() {
        // A line is one line, and says nothing to a terminal.
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    for (name, value) in values {
        let is_word = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
            !text.is_empty() && text.bytes().all(is_plain)
        };
        // Writing to a String cannot fail.
        let _ = match value {
            Value::String(text) if is_word(&text) => write!(line, " {name}={text}"),
            Value::String(text) => write!(line, " {name}={text:?}"),
            value => write!(line, " {name}={value}"),
        };
    }
    line
}

fn timestamp() -> String {
    format!("{:.6}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(values: Value) -> Map<String, Value> {
        let Value::Object(values) = values else {
            panic!("no object");
        };
        values
    }

    #[test]
    fn a_line_for_people_is_one_line_and_says_nothing_to_a_terminal() {
        let values = fields(json!({
            "message": "it's\nhere \u{1b}[31m",
            "word": "plain",
            "words": "two words\n\u{202e}",
            "count": 3,
        }));
        let line = text_line(Level::INFO, "gateway", values);
        let (_, line) = line.split_once(' ').unwrap();
        assert_eq!(
            line,
            r#" INFO gateway: it's\nhere \u{1b}[31m word=plain words="two words\n\u{202e}" count=3"#
        );
    }

    #[test]
    fn a_line_for_programs_begins_with_time_and_level() {
        let line = json_line(Level::WARN, "gateway", fields(json!({"message": "m"})));
        assert!(line.starts_with(r#"{"timestamp":"2"#), "{line}");
        assert!(
            line.ends_with(r#"Z","level":"WARN","message":"m","target":"gateway"}"#),
            "{line}"
        );
    }

    #[test]
    fn text_without_end_is_counted_and_not_kept() {
        let mut text = BoundedText::default();
        for _ in 0..1000 {
            let _ = text.write_str(&"x".repeat(1000));
        }
        assert_eq!(text.kept.len() + text.skipped_bytes, 1_000_000);
        assert!(text.kept.len() <= MAX_RAW_BYTES);
    }
}

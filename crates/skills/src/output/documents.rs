use redact::{Counts, Redactor, Untrusted, json};
use serde_json::Value;

use super::super::definition::ResultForm;
use super::{BadOutput, Finished};

/// JSON, strictly: one value, or one on each line. It is held raw until it is whole, and then redacted
/// value by value.
pub(in super::super) struct Documents {
    redactor: Redactor,
    form: ResultForm,
    limit_bytes: usize,
    raw: Vec<u8>,
    is_over: bool,
}

impl Documents {
    pub(super) fn new(redactor: Redactor, form: ResultForm, limit_bytes: usize) -> Self {
        Self {
            redactor,
            form,
            limit_bytes,
            raw: Vec::new(),
            is_over: false,
        }
    }

    /// A list of values can be cut between two of them, a single value cannot.
    pub(super) fn take(&mut self, line: &[u8]) -> bool {
        if self.raw.len() + line.len() >= self.limit_bytes {
            return self.take_too_long();
        }
        self.raw.extend_from_slice(line);
        self.raw.push(b'\n');
        true
    }

    /// A line that is longer than all may be.
    pub(super) fn take_too_long(&mut self) -> bool {
        self.is_over = true;
        false
    }

    pub(super) fn finish(self, is_ok: bool) -> Result<Finished, BadOutput> {
        let text = String::from_utf8(self.raw).map_err(|error| BadOutput::NotJson {
            offset_bytes: error.utf8_error().valid_up_to(),
        })?;
        if !is_ok && text.trim().is_empty() && !self.is_over {
            return Ok(Finished::default());
        }
        let mut redactions = Counts::default();
        let mut read = |text: &str, start: usize| {
            let raw = Untrusted::new(text.to_owned());
            let not_json = |offset| BadOutput::NotJson {
                offset_bytes: start + offset,
            };
            let redacted = json::redact_with_keys(&self.redactor, &raw)
                .map_err(|error| not_json(error.offset_bytes))?;
            redactions.add(&redacted.counts());
            // It was valid before, and redaction keeps it so; a number beyond every range is not a value.
            serde_json::from_str::<Value>(&redacted.text).map_err(|_| not_json(0))
        };
        let output = if self.form == ResultForm::Ndjson {
            let mut values = Vec::new();
            let mut start = 0;
            for line in text.split_inclusive('\n') {
                if !line.trim().is_empty() {
                    values.push(read(line, start)?);
                }
                start += line.len();
            }
            Value::Array(values)
        } else if self.is_over {
            let limit_bytes = self.limit_bytes;
            return Err(BadOutput::TooLarge { limit_bytes });
        } else {
            read(&text, 0)?
        };
        Ok(Finished {
            output,
            is_truncated: self.is_over,
            redactions,
            ..Finished::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finished(form: ResultForm, lines: &[&[u8]], is_ok: bool) -> Result<Finished, BadOutput> {
        let mut documents = Documents::new(Redactor::with_default_rules(), form, 100);
        for line in lines {
            if !documents.take(line) {
                break;
            }
        }
        documents.finish(is_ok)
    }

    fn output(form: ResultForm, lines: &[&[u8]]) -> Value {
        finished(form, lines, true).unwrap().output
    }

    #[test]
    fn json_is_read_strictly() {
        let form = ResultForm::Json;
        assert_eq!(output(form, &[b"{\"a\":", b"1}"]), json!({ "a": 1 }));
        for (lines, offset_bytes) in [
            (&[&b""[..]][..], 0),
            (&[b"{\"a\": 1} x"], 9),
            (&[b"{\"a\":", b"b}"], 6),
            (&[b"\"\xff\""], 1),
            (&[b"nul"], 3),
            (&[b"NaN"], 0),
        ] {
            let error = finished(form, lines, true).unwrap_err();
            assert_eq!(error, BadOutput::NotJson { offset_bytes }, "{lines:?}");
        }
        let long = "x".repeat(200);
        let error = finished(form, &[long.as_bytes()], true).unwrap_err();
        assert_eq!(error, BadOutput::TooLarge { limit_bytes: 100 });
    }

    #[test]
    fn lines_of_json_are_values_and_can_be_cut_between_them() {
        let form = ResultForm::Ndjson;
        assert_eq!(output(form, &[b"1", b"", b"[2]"]), json!([1, [2]]));
        let error = finished(form, &[b"1", b"2,"], true).unwrap_err();
        assert_eq!(error, BadOutput::NotJson { offset_bytes: 3 });
        let value = format!("\"{}\"", "x".repeat(40));
        let cut = finished(form, &[value.as_bytes(); 5], true).unwrap();
        assert_eq!(cut.output.as_array().unwrap().len(), 2);
        assert!(cut.is_truncated);
    }

    #[test]
    fn a_program_that_failed_may_say_nothing() {
        let failed = finished(ResultForm::Json, &[], false).unwrap();
        assert_eq!(failed.output, Value::Null);
        assert!(finished(ResultForm::Json, &[b"{"], false).is_err());
    }

    #[test]
    fn secrets_are_replaced_and_counted() {
        let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
        let line = format!("{{\"t\": \"{token}\"}}");
        let redacted = finished(ResultForm::Json, &[line.as_bytes()], true).unwrap();
        assert_eq!(redacted.output, json!({ "t": "[REDACTED:github_token]" }));
        assert_eq!(redacted.redactions.total(), 1);

        let line = format!("{{\"{token}\": \"v\"}}");
        let redacted = finished(ResultForm::Json, &[line.as_bytes()], true).unwrap();
        assert_eq!(redacted.output, json!({ "[REDACTED:github_token]": "v" }));
        assert_eq!(redacted.redactions.total(), 1);
    }
}

//! The only way from a child's text into a request: through the redactor.

use redact::{Counts, Redactor, Untrusted};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// A text in which every secret is replaced. Nothing else can be made of a child's string.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct CleanText(String);

impl CleanText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Redacts, and counts what it replaced.
pub(super) struct Cleaner<'call> {
    redactor: &'call Redactor,
    pub(super) counts: Counts,
}

impl<'call> Cleaner<'call> {
    pub(super) fn new(redactor: &'call Redactor) -> Self {
        Self {
            redactor,
            counts: Counts::default(),
        }
    }

    pub(super) fn text(&mut self, raw: &Untrusted) -> CleanText {
        let redacted = self.redactor.redact_untrusted(raw);
        if !redacted.findings.is_empty() {
            self.counts.add(&redacted.counts());
        }
        CleanText(redacted.text)
    }

    /// A JSON string.
    pub(super) fn string(&mut self, raw: &RawValue) -> Result<CleanText, Refusal> {
        let raw: Untrusted = serde_json::from_str(raw.get()).map_err(|_| Refusal::Malformed)?;
        Ok(self.text(&raw))
    }

    /// A string that holds a JSON document as a rule, whose keys are somebody's words as well.
    pub(super) fn document(&mut self, raw: &RawValue) -> Result<CleanText, Refusal> {
        let raw: Untrusted = serde_json::from_str(raw.get()).map_err(|_| Refusal::Malformed)?;
        let Ok(redacted) = redact::json::redact_with_keys(self.redactor, &raw) else {
            return Ok(self.text(&raw));
        };
        self.counts.add(&redacted.counts());
        Ok(CleanText(redacted.text))
    }

    /// A value of the grant, keys included.
    pub(super) fn value(&mut self, value: &Value) -> Result<Value, Refusal> {
        let raw = Untrusted::new(value.to_string());
        let redacted =
            redact::json::redact_with_keys(self.redactor, &raw).map_err(|_| Refusal::Malformed)?;
        self.counts.add(&redacted.counts());
        serde_json::from_str(&redacted.text).map_err(|_| Refusal::Malformed)
    }
}

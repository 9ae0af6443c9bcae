//! Redaction of a JSON document: strings change in place, the shape survives, and so do keys, but for
//! [`redact_with_keys`].
//!
//! Secrets are looked for in the decoded strings, so no escape hides one. A string in which nothing
//! is found stays as it was written, byte for byte. A string under a sensitive key (`"password":
//! "hunter2"`) is hidden as a whole. A string that is a `data:image/…;base64,` URL passes untouched.
//! The output is always valid JSON.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use thiserror::Error;

use crate::evaluate::sensitive_value;
use crate::finding::{Counts, Finding, into_text};
use crate::redactor::Redactor;
use crate::stream::StreamRedactor;
use crate::untrusted::Untrusted;

/// The document was refused, because it is not JSON; the message holds a position and no content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the text is not valid JSON: line {line}, column {column}")]
pub struct InvalidJson {
    /// Counted from 1.
    pub line: usize,
    /// In bytes, counted from 1.
    pub column: usize,
    /// The same place, counted in bytes from the start of the text.
    pub offset_bytes: usize,
}

impl InvalidJson {
    fn at(document: &str, error: &serde_json::Error) -> Self {
        let lines = document.split_inclusive('\n').take(error.line() - 1);
        let before: usize = lines.map(str::len).sum();
        Self {
            line: error.line(),
            column: error.column(),
            // Behind a line break the column is 0.
            offset_bytes: (before + error.column()).saturating_sub(1),
        }
    }
}

/// A JSON document after redaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedJson {
    /// The document.
    pub text: String,
    /// Each secret: the offset is the one of the string's opening quote in the input, the length
    /// the one of the decoded secret.
    pub findings: Vec<Finding>,
}

impl RedactedJson {
    /// The findings, counted by rule.
    pub fn counts(&self) -> Counts {
        Counts::of_findings(&self.findings)
    }
}

/// Redacts every string value of a complete JSON document.
///
/// # Errors
/// [`InvalidJson`] for anything that is not one JSON value, nested at most 128 deep.
pub fn redact(redactor: &Redactor, document: &str) -> Result<RedactedJson, InvalidJson> {
    walk(redactor, document, Keys::Kept)
}

fn walk(redactor: &Redactor, document: &str, keys: Keys) -> Result<RedactedJson, InvalidJson> {
    serde_json::from_str::<IgnoredAny>(document)
        .map_err(|error| InvalidJson::at(document, &error))?;
    let mut walk = Walk {
        redactor,
        stream: redactor.stream(),
        document: document.as_bytes(),
        output: Vec::with_capacity(document.len()),
        copied: 0,
        keys,
        key: None,
        findings: Vec::new(),
        decoded: Vec::new(),
        redacted: Vec::new(),
    };
    walk.run();
    Ok(RedactedJson {
        text: into_text(walk.output),
        findings: walk.findings,
    })
}

/// Opens a raw document and redacts every string value of it.
///
/// # Errors
/// [`InvalidJson`], as [`redact`].
pub fn redact_untrusted(redactor: &Redactor, raw: &Untrusted) -> Result<RedactedJson, InvalidJson> {
    redact(redactor, raw.open())
}

/// Opens a raw document that is a result, whose keys mean nothing to who gets it, and redacts every
/// string value of it and every key. Keys of one object that would be the same behind that have a number
/// behind them.
///
/// # Errors
/// [`InvalidJson`], as [`redact`].
pub fn redact_with_keys(redactor: &Redactor, raw: &Untrusted) -> Result<RedactedJson, InvalidJson> {
    walk(redactor, raw.open(), Keys::Redacted(Vec::new()))
}

/// What becomes of keys.
enum Keys {
    Kept,
    /// Of each object that is open, the keys with a marker, each with the number for the next such key.
    Redacted(Vec<HashMap<Vec<u8>, usize>>),
}

impl Keys {
    fn open_object(&mut self) {
        if let Self::Redacted(objects) = self {
            objects.push(HashMap::new());
        }
    }

    fn close_object(&mut self) {
        if let Self::Redacted(objects) = self {
            objects.pop();
        }
    }

    /// Adds a number to a key that its object has already. Only one with a marker can have come to be the
    /// same as another.
    fn tell_apart(&mut self, key: &mut Vec<u8>) {
        let Self::Redacted(objects) = self else {
            return;
        };
        let Some(object) = objects.last_mut().filter(|_| has_marker(key)) else {
            return;
        };
        if let Some(next) = object.get(key) {
            let mut number = *next;
            let numbered = loop {
                let mut numbered = key.clone();
                numbered.extend_from_slice(format!("_{number}").as_bytes());
                number += 1;
                if !object.contains_key(&numbered) {
                    break numbered;
                }
            };
            object.insert(std::mem::replace(key, numbered), number);
        }
        object.insert(key.clone(), 2);
    }
}

fn has_marker(text: &[u8]) -> bool {
    text.windows(MARKER_HEAD.len())
        .any(|part| part == MARKER_HEAD)
}

const MARKER_HEAD: &[u8] = b"[REDACTED:";

/// One pass over a document that is known to be valid.
struct Walk<'a> {
    redactor: &'a Redactor,
    stream: StreamRedactor,
    document: &'a [u8],
    output: Vec<u8>,
    /// Up to where the document has been copied to the output.
    copied: usize,
    keys: Keys,
    /// The key whose value, or whose array of values, comes next.
    key: Option<Vec<u8>>,
    findings: Vec<Finding>,
    decoded: Vec<u8>,
    redacted: Vec<u8>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut position = 0;
        while let Some(byte) = self.document.get(position) {
            match byte {
                b'"' => {
                    let end = self.string_end(position + 1);
                    if self.is_key(end + 1) {
                        self.take_key(position, end);
                    } else {
                        self.redact_string(position, end);
                    }
                    position = end;
                }
                b'{' => {
                    self.key = None;
                    self.keys.open_object();
                }
                b'}' => {
                    self.key = None;
                    self.keys.close_object();
                }
                b']' => self.key = None,
                _ => {}
            }
            position += 1;
        }
        self.output.extend_from_slice(&self.document[self.copied..]);
    }

    /// Where the closing quote of the string stands whose content starts at `start`.
    fn string_end(&self, start: usize) -> usize {
        let mut position = start;
        while let Some(found) = self.document[position..]
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))
        {
            position += found;
            if self.document[position] == b'"' {
                return position;
            }
            position += 2;
        }
        self.document.len()
    }

    fn is_key(&self, after: usize) -> bool {
        let rest = self.document.get(after..).unwrap_or_default();
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
    }

    /// Takes the key between the quotes at `open` and `close`.
    fn take_key(&mut self, open: usize, close: usize) {
        let mut key = Vec::new();
        decode(&self.document[open + 1..close], &mut key);
        if matches!(self.keys, Keys::Redacted(_)) {
            self.redacted.clear();
            self.stream.feed_bytes(&key, &mut self.redacted);
            let found = self.stream.finish_bytes(&mut self.redacted);
            self.keys.tell_apart(&mut self.redacted);
            if self.redacted != key {
                self.replace(open, close, found);
            }
        }
        self.key = Some(key);
    }

    /// Redacts the string between the quotes at `open` and `close`.
    fn redact_string(&mut self, open: usize, close: usize) {
        let written = &self.document[open + 1..close];
        self.decoded.clear();
        decode(written, &mut self.decoded);
        if self.decoded.starts_with(b"data:image/") {
            return;
        }
        self.redacted.clear();
        self.stream.feed_bytes(&self.decoded, &mut self.redacted);
        let mut found = self.stream.finish_bytes(&mut self.redacted);
        if let Some(rule) = self.rule_of_key().filter(|_| !self.is_redacted_whole()) {
            self.redacted.clear();
            self.redacted
                .extend_from_slice(self.redactor.rule_set().marker(rule));
            let id = self.redactor.rule_set().id(rule).to_owned();
            found = vec![Finding {
                rule: id,
                offset_bytes: 0,
                len_bytes: self.decoded.len() as u64,
            }];
        }
        if !found.is_empty() {
            self.replace(open, close, found);
        }
    }

    /// Puts what was redacted between the quotes at `open` and `close`.
    fn replace(&mut self, open: usize, close: usize, found: Vec<Finding>) {
        self.output
            .extend_from_slice(&self.document[self.copied..=open]);
        encode(&self.redacted, &mut self.output);
        self.copied = close;
        for mut finding in found {
            finding.offset_bytes = open as u64;
            self.findings.push(finding);
        }
    }

    /// The rule that hides this string because of its key.
    fn rule_of_key(&self) -> Option<usize> {
        let key = self.key.as_ref()?;
        sensitive_value(self.redactor.rule_set(), key, &self.decoded)
    }

    /// Whether nothing but one marker is left: then its rule knows better than the key.
    fn is_redacted_whole(&self) -> bool {
        self.redacted.starts_with(MARKER_HEAD)
            && self.redacted.iter().position(|byte| *byte == b']') == Some(self.redacted.len() - 1)
    }
}

/// Appends what a JSON string stands for. A lone surrogate becomes the replacement character.
fn decode(written: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = written;
    while let Some(backslash) = rest.iter().position(|byte| *byte == b'\\') {
        decoded.extend_from_slice(&rest[..backslash]);
        let escape = &rest[backslash + 1..];
        let (character, length) = match escape {
            [b'u', ..] => unicode(escape),
            [b'n', ..] => ('\n', 1),
            [b'r', ..] => ('\r', 1),
            [b't', ..] => ('\t', 1),
            [b'b', ..] => ('\u{8}', 1),
            [b'f', ..] => ('\u{c}', 1),
            [byte, ..] => (char::from(*byte), 1),
            [] => return,
        };
        decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[length.min(escape.len())..];
    }
    decoded.extend_from_slice(rest);
}

/// The character of `uXXXX` or of a pair of them, and how many bytes it takes.
fn unicode(escape: &[u8]) -> (char, usize) {
    let unit = |bytes: &[u8]| {
        let digits = std::str::from_utf8(bytes.get(1..5)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(escape) else {
        return (char::REPLACEMENT_CHARACTER, 5);
    };
    if let Some(character) = char::from_u32(first) {
        return (character, 5);
    }
    let second = escape
        .get(5..)
        .filter(|rest| rest.starts_with(b"\\u"))
        .and_then(|rest| unit(&rest[1..]));
    match second {
        Some(low @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                11,
            )
        }
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}

/// Appends the text as the inside of a JSON string.
fn encode(text: &[u8], output: &mut Vec<u8>) {
    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
    for byte in text {
        match byte {
            b'"' | b'\\' => output.extend_from_slice(&[b'\\', *byte]),
            b'\n' => output.extend_from_slice(b"\\n"),
            b'\r' => output.extend_from_slice(b"\\r"),
            b'\t' => output.extend_from_slice(b"\\t"),
            0..=0x1f => {
                output.extend_from_slice(b"\\u00");
                output.push(HEXADECIMAL[usize::from(byte >> 4)]);
                output.push(HEXADECIMAL[usize::from(byte & 15)]);
            }
            _ => output.push(*byte),
        }
    }
}

use redact::Untrusted;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// One line of `rg --json`. What it says of a file's content is sealed while it is read.
#[derive(Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "lowercase")]
pub(super) enum Event {
    Begin(IgnoredAny),
    Match(FoundLine),
    Context(FoundLine),
    End(IgnoredAny),
    Summary(Summary),
}

/// A line of a file.
pub(super) struct FoundLine {
    pub(super) path: Untrusted,
    /// The same, to open it by.
    pub(super) name: Vec<u8>,
    /// Without its line break.
    pub(super) text: Untrusted,
    /// With its line break, in bytes.
    pub(super) length: usize,
    /// Where it begins in the file, in bytes.
    pub(super) offset: u64,
    pub(super) line_number: u64,
    /// Of the first match in it, counted in characters from 1; `None` for context.
    pub(super) column: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Summary {
    pub(super) stats: Stats,
}

/// Of the whole search.
#[derive(Deserialize, Serialize)]
pub(super) struct Stats {
    #[serde(rename(serialize = "files_searched"))]
    searches: u64,
    #[serde(rename(serialize = "files_matched"))]
    searches_with_match: u64,
    #[serde(rename(serialize = "lines_matched"))]
    matched_lines: u64,
    bytes_searched: u64,
}

#[derive(Deserialize)]
struct RawLine {
    path: RawPath,
    lines: Arbitrary,
    line_number: Option<u64>,
    absolute_offset: u64,
    submatches: Vec<Submatch>,
}

#[derive(Deserialize)]
struct Submatch {
    /// In bytes from the start of the line.
    start: usize,
}

/// Text, or bytes that are none: `{"text": "…"}`, `{"bytes": "base64"}`.
enum Arbitrary {
    Text(Untrusted),
    Bytes(Vec<u8>),
}

impl<'de> Deserialize<'de> for FoundLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawLine::deserialize(deserializer)?;
        let start = raw.submatches.first().map(|first| first.start);
        let column = start.map(|start| 1 + raw.lines.chars_within(start));
        let length = raw.lines.len_bytes();
        let mut text = raw.lines.into_untrusted();
        text.trim_line_break();
        Ok(Self {
            name: raw.path.name,
            path: raw.path.text,
            text,
            length,
            offset: raw.absolute_offset,
            line_number: raw.line_number.unwrap_or_default(),
            column,
        })
    }
}

/// A path is needed twice: to be shown, when it is redacted, and to open the file by.
struct RawPath {
    text: Untrusted,
    name: Vec<u8>,
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Either::<String>::deserialize(deserializer)?.into_bytes()?;
        let text = String::from_utf8_lossy(&name).into_owned();
        Ok(Self {
            text: Untrusted::new(text),
            name,
        })
    }
}

/// As ripgrep writes both.
#[derive(Deserialize)]
struct Either<T> {
    text: Option<T>,
    bytes: Option<String>,
}

impl Arbitrary {
    fn len_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len_bytes(),
            Self::Bytes(raw) => raw.len(),
        }
    }

    fn chars_within(&self, bytes: usize) -> usize {
        match self {
            Self::Text(text) => text.chars_within(bytes),
            Self::Bytes(raw) => {
                let head = raw.get(..bytes).unwrap_or(raw);
                String::from_utf8_lossy(head).chars().count()
            }
        }
    }

    fn into_untrusted(self) -> Untrusted {
        match self {
            Self::Text(text) => text,
            Self::Bytes(raw) => Untrusted::new(String::from_utf8_lossy(&raw).into_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Arbitrary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let either = Either::deserialize(deserializer)?;
        match either.text {
            Some(text) => Ok(Self::Text(text)),
            None => either.decoded().map(Self::Bytes),
        }
    }
}

impl<T> Either<T> {
    fn decoded<E: serde::de::Error>(self) -> Result<Vec<u8>, E> {
        let bytes = self
            .bytes
            .ok_or_else(|| E::custom("neither text nor bytes"))?;
        base64(&bytes).ok_or_else(|| E::custom("not base64"))
    }
}

impl Either<String> {
    fn into_bytes<E: serde::de::Error>(self) -> Result<Vec<u8>, E> {
        match self.text {
            Some(text) => Ok(text.into_bytes()),
            None => self.decoded(),
        }
    }
}

/// The standard alphabet with padding (RFC 4648, section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
        held &= 0xfff;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn bytes_are_decoded() {
        assert_eq!(base64("Yf9iIGZvbwo=").unwrap(), b"a\xffb foo\n");
        assert_eq!(base64("").unwrap(), b"");
        assert_eq!(base64("TWFu").unwrap(), b"Man");
        assert_eq!(base64("TWE=").unwrap(), b"Ma");
        assert_eq!(base64("TQ==").unwrap(), b"M");
        assert_eq!(base64("T-=="), None);
    }
}

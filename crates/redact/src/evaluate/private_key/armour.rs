//! The header lines of an armoured key: `Version: GnuPG v1`, `DEK-Info: …`, `Comment: "…"`.

use crate::bytes::{ALPHANUMERIC, BASE64, ByteSet};
use crate::window::{NeedMore, Window};

const LEAST_NAME_BYTES: usize = 4;
const NAME_LIMIT_BYTES: usize = 48;
/// RFC 4716, section 3.3, allows a value 1024 bytes.
const HEADERS_LIMIT_BYTES: usize = 2048;
/// A line of so many digits of base64 is the first of the body.
const BODY_LINE_BYTES: usize = 20;

/// What a line may begin with in quotations.
const MARGIN: ByteSet = ByteSet::of(b" \t>|#*");
/// The same in code.
const LEAD: ByteSet = ByteSet::of(b" \t>|#*\"'`+");
const LEAD_LIMIT_BYTES: usize = 32;

/// What a line of the armour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// A name and a colon.
    Header,
    Blank,
    Body,
    /// The end of a string in code.
    Nothing,
    Other,
}

/// Whether a name and a colon stand at `position`.
///
/// Source: RFC 9580, section 6.2.2; RFC 1421, section 4.6; RFC 4716, section 3.3.
pub(super) fn is_header(window: Window<'_>, position: usize) -> Result<bool, NeedMore> {
    Ok(line_at(window, position)? == Line::Header)
}

fn line_at(window: Window<'_>, position: usize) -> Result<Line, NeedMore> {
    let margin = window.run_end(position, MARGIN, LEAD_LIMIT_BYTES)?;
    let lead = window.run_end(position, LEAD, LEAD_LIMIT_BYTES)?;
    match window.at(lead)? {
        Some(b'\\') => return Ok(Line::Blank),
        Some(b'\n' | b'\r') if lead == margin => return Ok(Line::Blank),
        Some(b'\n' | b'\r') => return Ok(Line::Nothing),
        _ => {}
    }
    // `b"…"`
    let is_prefixed = matches!(window.at(lead + 1)?, Some(b'"' | b'\''));
    let start = if is_prefixed { lead + 2 } else { lead };
    if is_prefixed && window.at(start)? == Some(b'\\') {
        return Ok(Line::Blank);
    }
    let name = window.run_end(start, ALPHANUMERIC.with(b'-'), NAME_LIMIT_BYTES)?;
    let is_header = name - start >= LEAST_NAME_BYTES
        && window.at(name)? == Some(b':')
        && matches!(window.at(name + 1)?, Some(b' ' | b'\t' | b'\r' | b'\n'));
    let digits = window.run_end(start, BASE64, BODY_LINE_BYTES)? - start;
    Ok(match digits {
        _ if is_header => Line::Header,
        BODY_LINE_BYTES => Line::Body,
        _ => Line::Other,
    })
}

/// The headers of a key, from the first one to the blank line behind the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Armour {
    place: Place,
    length: usize,
    is_after_backslash: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    InLine,
    BetweenLines,
    Behind,
}

impl Armour {
    /// Looks at the line that starts at `position`.
    pub(super) fn begin_line(
        &mut self,
        window: Window<'_>,
        position: usize,
    ) -> Result<(), NeedMore> {
        if self.place == Place::Behind {
            return Ok(());
        }
        self.place = match line_at(window, position)? {
            Line::Header => Place::InLine,
            // A value over several lines.
            Line::Other if self.place == Place::BetweenLines => Place::InLine,
            Line::Body => Place::Behind,
            Line::Blank if self.place == Place::BetweenLines => Place::Behind,
            _ => self.place,
        };
        Ok(())
    }

    pub(super) fn is_in_line(&self) -> bool {
        self.place == Place::InLine
    }

    /// Takes the next byte of a header line; whether there may be so many.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.length += 1;
        let is_escaped = std::mem::replace(&mut self.is_after_backslash, byte == b'\\');
        if byte == b'\n' || (byte == b'n' && is_escaped) {
            self.place = Place::BetweenLines;
        }
        self.length <= HEADERS_LIMIT_BYTES
    }
}

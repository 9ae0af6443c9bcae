//! The body of a private key without its header: lines of a file that begin behind it, or what a search
//! found of it. Known by how the DER or OpenSSH structure of every such key begins.

use super::line_prefix::{KeyLines, LinePrefix};
use super::{Head, NeedMore, Span, Tail, Visibility, Window};
use crate::bytes::{ALPHANUMERIC, ByteSet};

/// The standard alphabet, without padding.
const DIGITS: ByteSet = ALPHANUMERIC.with(b'+').with(b'/');

/// The first bytes of the structures below.
const HEADS: [&str; 6] = [
    "MII",
    "MIG",
    "MIH",
    "MHcCAQEEI",
    "MC4CAQAwBQYDK2Vw",
    "b3BlbnNzaC1rZXktdjEA",
];

/// In base64, `?` being any digit.
///
/// A certificate, a public key or a request goes on otherwise: behind the outer length of a private key
/// stands its version. Sources: RFC 8017 (A.1.2), RFC 5958 (2 and 3), RFC 5915 (3), RFC 8410 (7), and
/// OpenSSH's PROTOCOL.key.
const BEGINNINGS: [&str; 9] = [
    // RSA and DSA as such, and any key in PKCS#8.
    "MII???IBAAK",
    "MII???IBADA",
    "MII???IBADC",
    "MI??AgEAM",
    // PKCS#8 behind a passphrase.
    "MII?????BgkqhkiG9w0BBQ0",
    // Elliptic curves as such.
    "MHcCAQEEI",
    "MI??AgEBB",
    "MC4CAQAwBQYDK2VwBCIEI",
    "b3BlbnNzaC1rZXktdjEA",
];

const LEAST_BYTES: usize = 40;
/// A shorter line is the last of a body.
const FULL_LINE_BYTES: usize = 60;
const LOOK_AHEAD_BYTES: usize = 64;

pub(super) fn heads(rule: usize) -> Vec<Head> {
    let heads = HEADS.iter().map(|head| Head {
        literal: head.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: true,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: DIGITS,
    });
    heads.collect()
}

pub(super) fn judge(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    let end = window.run_end(start, DIGITS, LOOK_AHEAD_BYTES)?;
    let text = window.slice(start, end);
    let begins = |beginning: &str| {
        let mut both = beginning.bytes().zip(text);
        both.all(|(expected, byte)| expected == b'?' || expected == *byte)
    };
    if text.len() < LEAST_BYTES || !BEGINNINGS.iter().any(|beginning| begins(beginning)) {
        return Ok(None);
    }
    let tail = BodyTail::new(text.len(), LinePrefix::before(window, start));
    Ok(Some(Span {
        start,
        end,
        tail: Some(Tail::Body(Box::new(tail))),
    }))
}

/// Follows the lines of a body to the first that is not full, or to what cannot be in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyTail {
    /// Of the current line.
    line_bytes: usize,
    is_padded: bool,
    /// Behind the backslash of an escaped line break.
    is_escaped: bool,
    prefix: LinePrefix,
    is_at_line_start: bool,
}

impl BodyTail {
    /// Behind the first `line_bytes` of a line.
    pub(super) fn new(line_bytes: usize, prefix: LinePrefix) -> Self {
        Self {
            line_bytes,
            prefix,
            ..Self::default()
        }
    }

    fn ends_line(&mut self) -> bool {
        let is_full = self.line_bytes >= FULL_LINE_BYTES && !self.is_padded;
        self.line_bytes = 0;
        self.is_at_line_start = is_full;
        is_full
    }
}

impl KeyLines for BodyTail {
    fn is_at_line_start(&mut self) -> &mut bool {
        &mut self.is_at_line_start
    }

    fn begin_line(&mut self, window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
        self.prefix.end(window, position)
    }

    fn take(&mut self, byte: u8) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            return match byte {
                b'n' => self.ends_line(),
                b'r' => true,
                // Escaped twice.
                b'\\' => {
                    self.is_escaped = true;
                    true
                }
                _ => false,
            };
        }
        let is_full = self.line_bytes >= FULL_LINE_BYTES && !self.is_padded;
        match byte {
            b'=' => {
                self.is_padded = true;
                true
            }
            b'\n' => self.ends_line(),
            b'\r' => is_full,
            b'\\' => {
                self.is_escaped = is_full;
                is_full
            }
            b' ' | b'\t' => self.line_bytes == 0,
            _ => {
                self.line_bytes += 1;
                DIGITS.has(byte) && !self.is_padded
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Redactor;

    const LINE: &str = "aB3dE5fG7haB3dE5fG7haB3dE5fG7haB3dE5fG7haB3dE5fG7haB3dE5fG7haB3d";

    /// Put together here, so that none stands in the source.
    fn body(beginning: &str, line_break: &str) -> String {
        let first = format!("{beginning}{}", &LINE[beginning.len()..]);
        [first.as_str(), LINE, LINE, "aB3dE5fG7hQ=="].join(line_break)
    }

    #[test]
    fn a_body_without_its_header_is_hidden_to_its_last_line() {
        let redactor = Redactor::with_default_rules();
        for beginning in [
            "MIIEpAIBAAKCAQEA",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
            "MIGHAgEAMBMGByqGSM49AgEG",
            "MIIFHDBOBgkqhkiG9w0BBQ0w",
            "MHcCAQEEI",
            "MIGkAgEBBD",
            "MC4CAQAwBQYDK2VwBCIEI",
            "b3BlbnNzaC1rZXktdjEA",
        ] {
            for line_break in ["\n", "\r\n", "\n    ", "\\n", "\\r\\n"] {
                let text = format!("12: {}\nthe end", body(beginning, line_break));
                let redacted = redactor.redact(&text);
                assert_eq!(
                    redacted.text, "12: [REDACTED:private_key]\nthe end",
                    "{beginning} {line_break:?}"
                );
                assert_eq!(redacted.findings.len(), 1);
            }
        }
    }

    #[test]
    fn what_is_public_is_left_alone() {
        let redactor = Redactor::with_default_rules();
        for beginning in [
            // A certificate, a public key in its two forms, a PKCS#12 file.
            "MIIDdzCCAl+gAwIBAgIEAgAAuTAN",
            "MIIBIjANBgkqhkiG9w0BAQEFAAOC",
            "MIIBCgKCAQEA",
            "MIIKPAIBAzCC",
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0D",
            "AAAAB3NzaC1yc2EAAAADAQAB",
        ] {
            let text = body(beginning, "\n");
            assert_eq!(redactor.redact(&text).text, text, "{beginning}");
        }
        for text in [
            "MIIEpAIBAAKCAQEA",
            "xMIIEpAIBAAKCAQEA",
            "MIIEpAIBAAKC and so on",
        ] {
            assert_eq!(redactor.redact(text).text, text);
        }
    }
}

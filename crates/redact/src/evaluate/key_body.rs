//! The body of a private key without its header: lines of a file that begin behind it, or what a search
//! found of it. Known by how the DER or OpenSSH structure of every such key begins.

use super::body_tail::{BodyTail, DIGITS};
use super::line_prefix::LinePrefix;
use super::{Head, NeedMore, Span, Tail, Visibility, Window};

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

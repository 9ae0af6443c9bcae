//! Private keys as files, logs, mails and code hold them: no line of a body may be left.

use std::sync::LazyLock;

use redact::{HOLD_BACK_LIMIT_BYTES, Redactor};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

const LABELS: [&str; 4] = ["PGP PRIV", "RSA PRIV", "OPENSSH PRIV", "PRIV"];

/// Of RFC 9580, RFC 1421 and RFC 4716.
const ARMOUR: [&[&str]; 6] = [
    &[],
    &["Version: GnuPG v2"],
    &[
        "Version: BCPG v1.68",
        "Comment: the (old) key, of <jo@example.org>",
    ],
    &[
        "Hash: SHA256, SHA512",
        "Charset: UTF-8",
        "MessageID: aB3dE5",
    ],
    &[
        "Proc-Type: 4,ENCRYPTED",
        "DEK-Info: AES-256-CBC,1F77CE6D2BB6B18537633EC3AD093B9C",
    ],
    &[
        "Comment: \"1024-bit RSA, converted by jo@example.org \\",
        "and so on\"",
        "x-own: yes",
    ],
];

/// How each line of a text is written, by its number.
type Writing = fn(usize, &str) -> String;

/// The last one is code.
const WRITINGS: [Writing; 14] = [
    |_, line| format!("{line}\n"),
    |_, line| format!("{line}\r\n"),
    |_, line| format!("    {line}\n"),
    |_, line| format!("> {line}\n"),
    |_, line| format!("{}\n", format!(">> {line}").trim_end()),
    |_, line| format!("-{line}\n"),
    |_, line| format!("│ {line}\n"),
    |_, line| format!("web-1  | {line}\n"),
    |number, line| format!("deploy/key.pem:{}:{line}\n", number + 8),
    |number, line| format!("Nov 25 06:12:{number:02} host app[212]: {line}\n"),
    |number, line| format!("2026-11-25T06:12:{number:02}.0{number}Z INFO [worker-3] {line}\n"),
    |_, line| format!("{}\\n", escaped(line)),
    |_, line| format!("{}\\\\n", escaped(&escaped(line))),
    |_, line| format!("  b'{}\\n'\n", escaped(line)),
];

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Lines of base64, each another one.
fn body() -> Vec<String> {
    let line = |seed: usize| -> String {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digit =
            |place: usize| char::from(digits[(seed * 37 + place * place * 11 + place * seed) % 64]);
        (0..64).map(digit).collect()
    };
    (1..6).map(line).collect()
}

/// Put together here, so that none stands in the source.
fn key(label: &str, armour: &[&str]) -> Vec<String> {
    let mut lines = vec![format!("-----BEGIN {label}ATE KEY-----")];
    lines.extend(armour.iter().map(|line| (*line).to_owned()));
    lines.extend((!armour.is_empty()).then(String::new));
    lines.extend(body());
    lines.push(format!("-----END {label}ATE KEY-----"));
    lines
}

fn in_pieces(text: &str, size: usize) -> String {
    let (mut stream, mut output) = (REDACTOR.stream(), Vec::new());
    for piece in text.as_bytes().chunks(size) {
        stream.feed_bytes(piece, &mut output);
        assert!(stream.held_bytes() <= HOLD_BACK_LIMIT_BYTES);
    }
    stream.finish_bytes(&mut output);
    String::from_utf8_lossy(&output).into_owned()
}

fn check(text: &str) {
    let redacted = REDACTOR.redact(text).text;
    for line in body() {
        let left = (0..line.len() - 8).find(|start| redacted.contains(&line[*start..start + 8]));
        assert_eq!(left, None, "of {line} in {text}\n{redacted}");
    }
    assert!(
        redacted.contains("before") && redacted.contains("after it all"),
        "{redacted}"
    );
    for size in [1, 7, 64] {
        assert_eq!(
            in_pieces(text, size),
            redacted,
            "{text} in pieces of {size}"
        );
    }
}

#[test]
fn a_key_is_hidden_whatever_stands_before_its_body_and_its_lines() {
    for label in LABELS {
        for armour in ARMOUR {
            for write in WRITINGS {
                let lines = key(label, armour);
                let lines = lines
                    .iter()
                    .enumerate()
                    .map(|(number, line)| write(number, line));
                check(&format!(
                    "before\n{}\nafter it all\n",
                    lines.collect::<String>()
                ));
            }
        }
    }
}

#[test]
fn a_key_of_putty_is_hidden_and_what_is_public_of_it_stays() {
    let public = "AAAAC3NzaC1lZDI1NTE5AAAAIB";
    for write in &WRITINGS[..13] {
        let mut lines = vec![
            String::from("before"),
            String::from("PuTTY-User-Key-File-3: ssh-ed25519"),
            String::from("Comment: my key"),
            format!("Public-Lines: 1\n{public}"),
            String::from("Private-Lines: 5"),
        ];
        lines.extend(body());
        lines.push(String::from("Private-MAC: 00"));
        lines.push(String::from("after it all"));
        let lines = lines
            .iter()
            .enumerate()
            .map(|(number, line)| write(number, line));
        let text: String = lines.collect();
        check(&text);
        assert!(REDACTOR.redact(&text).text.contains(public));
    }
}

#[test]
fn a_sentence_about_a_header_stays() {
    for text in [
        "-----BEGIN PGP PRIV\u{41}TE KEY BLOCK----- starts it, and Version: 2 may follow",
        "-----BEGIN PGP PRIV\u{41}TE KEY BLOCK-----\nand Version: 2 of it",
        "Private-Lines: 3 of them follow",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: GnuPG v2\n\nmQENBFaB3dE5fG7haB3dE5fG7haB3dE5fG7h",
    ] {
        assert_eq!(REDACTOR.redact(text).text, text);
    }
}

//! Texts to measure on: the same ones on every run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Size of one message: what the largest context and message of the gateway make together.
pub(crate) const MESSAGE_BYTES: usize = 208 * 1024;

/// A generator of numbers that needs no seed from outside.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    pub(crate) fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length)
            .map(|_| char::from(alphabet[self.next(alphabet.len())]))
            .collect()
    }
}

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEXADECIMAL: &[u8] = b"0123456789abcdef";

/// Rust sources of the registry's cache, or generated code where there is none.
pub(crate) fn code(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64 * 1024);
    #[expect(
        clippy::disallowed_methods,
        reason = "where cargo keeps the sources that are measured on"
    )]
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut files = Vec::new();
    if let Some(home) = home {
        list(&home.join("registry/src"), &mut files);
    }
    files.sort();
    let mut numbers = Numbers::new();
    while text.len() < bytes && files.len() > 50 {
        let file = files.swap_remove(numbers.next(files.len()));
        if let Ok(source) = std::fs::read_to_string(file) {
            text.push_str(&source[..source.floor_char_boundary(40_000)]);
        }
    }
    while text.len() < bytes {
        let (name, number) = (numbers.text(b"abcdefghijklmnop_", 9), numbers.next(1000));
        let _ = writeln!(
            text,
            "    let {name} = self.{name}_index.get({number}).copied().unwrap_or_default(); // keeps the {name}"
        );
    }
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Log lines: times, levels, ids, addresses, durations.
pub(crate) fn logs(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 512);
    let mut numbers = Numbers::new();
    let words = [
        "request finished",
        "connection reset by peer",
        "cache miss",
        "user signed in",
        "retrying in 250 ms",
        "worker started",
        "GET /api/v1/items",
        "POST /oauth/token",
    ];
    while text.len() < bytes {
        let number = numbers.next(86_400);
        let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
        let id = numbers.text(HEXADECIMAL, 32);
        let _ = writeln!(
            text,
            "2026-03-04T{hour:02}:{minute:02}:{second:02}.{:03}Z INFO [worker-{}] http.server: {} status={} duration_ms={} trace_id={id} client=10.{}.{}.{}:{} bytes={}",
            numbers.next(1000),
            numbers.next(16),
            words[numbers.next(words.len())],
            [200, 204, 301, 404, 500][numbers.next(5)],
            numbers.next(3000),
            numbers.next(256),
            numbers.next(256),
            numbers.next(256),
            1024 + numbers.next(60_000),
            numbers.next(1_000_000),
        );
    }
    text.truncate(bytes);
    text
}

/// English sentences.
pub(crate) fn prose(bytes: usize) -> String {
    let words = "the of and a to in is you that it he was for on are as with his they I at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part over new sound take only little work know place year live me back give most very after thing our just name good sentence man think say great where help through much before line right too mean old any same tell boy follow came want show also around form three small set put end does another well large must big even such because turn here why ask went men read need land different home us move try kind hand picture again change off play spell air away animal house point page letter mother answer found study still learn should password token secret key account card".split(' ').collect::<Vec<_>>();
    let mut text = String::with_capacity(bytes + 16);
    let mut numbers = Numbers::new();
    while text.len() < bytes {
        // Rare words are at the end: the squared number makes them rare.
        let index = numbers.next(words.len()).min(numbers.next(words.len()));
        text.push_str(words[index]);
        text.push_str(if numbers.next(12) == 0 { ". " } else { " " });
    }
    text.truncate(bytes);
    text
}

/// The text with a secret in one of a hundred lines.
pub(crate) fn with_secrets(text: &str) -> String {
    let mut numbers = Numbers::new();
    let mut output = String::with_capacity(text.len() + text.len() / 16);
    for (index, line) in text.lines().enumerate() {
        output.push_str(line);
        output.push('\n');
        if index % 100 == 99 {
            let _ = match numbers.next(5) {
                0 => writeln!(
                    output,
                    "export GITHUB_TOKEN=ghp_{}",
                    numbers.text(ALPHANUMERIC, 36)
                ),
                1 => writeln!(output, "password = \"{}!\"", numbers.text(ALPHANUMERIC, 11)),
                2 => writeln!(
                    output,
                    "Authorization: Bearer {}",
                    numbers.text(ALPHANUMERIC, 40)
                ),
                3 => writeln!(
                    output,
                    "aws_access_key_id = AKIA{}",
                    numbers.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
                ),
                _ => writeln!(
                    output,
                    "DATABASE_URL=postgres://app:{}@db:5432/app",
                    numbers.text(ALPHANUMERIC, 14)
                ),
            };
        }
    }
    output
}

/// Messages of [`MESSAGE_BYTES`], half code and half logs, with secrets.
pub(crate) fn messages(count: usize) -> Vec<String> {
    let bytes = count * MESSAGE_BYTES;
    let (code, logs) = (
        with_secrets(&code(bytes / 2)),
        with_secrets(&logs(bytes / 2)),
    );
    let cut = |text: &str| {
        let mut rest = text;
        let mut parts = Vec::new();
        while rest.len() > MESSAGE_BYTES / 2 {
            let (head, tail) = rest.split_at(rest.floor_char_boundary(MESSAGE_BYTES / 2));
            parts.push(head.to_owned());
            rest = tail;
        }
        parts
    };
    cut(&code)
        .into_iter()
        .zip(cut(&logs))
        .map(|(code, logs)| code + &logs)
        .collect()
}

//! Texts made to be slow: their time as a multiple of the time of prose.

use std::hint::black_box;
use std::time::{Duration, Instant};

use redact::Redactor;

use crate::corpus::{self, Numbers};

const BYTES: usize = 10_000_000;

/// The most that a repeated near-miss may take, in times of prose.
const LIMIT: f64 = 3.0;

/// Every text is measured this often, next to prose each time; the best of each counts.
const ROUNDS: usize = 5;

const UNITS: &[&str] = &[
    "a",
    "1",
    "eyJ",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "://",
    "://a:",
    "4111 ",
    "4012888888881882 ",
    "4111111111111112\n",
    "4012888888881882 4111111111111112 5555555555554445 4222222222222221 6011111111111118 5105105105105101 3530111333300001 4000056655665557 ",
    "password: ",
    "password ",
    "password=",
    "Bearer ",
    " -p",
    "key key_",
    "curl -u a",
    "token token ",
    "api_key=",
    "ghp_",
    "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW-",
    "sk-",
    "AKIA",
    "GB29 ",
    "[REDACTED:",
    "s.",
    "a-",
    "4-",
    "\u{1b}[1m",
    "%3D",
    "\\n",
];

/// Near-misses, each with something else behind it.
const STARTS: &[&str] = &[
    "://",
    "4111 ",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "password: ",
    "Bearer ",
    " -p",
    "key key_",
    "eyJ",
];

pub(crate) fn print(redactor: &Redactor) {
    let prose = corpus::prose(BYTES);
    println!("\n## Hostile texts of 10 MB: time as a multiple of prose\n");
    println!("| repeated | times prose | limit |\n|---|---|---|");
    for unit in UNITS {
        let ratio = ratio(redactor, &unit.repeat(BYTES / unit.len()), &prose);
        println!("| `{unit:?}` | {ratio:.2} | {LIMIT:.0} |");
    }
    println!(
        "\nThe same with one word behind each that is another each time, and numbers that fail their check:\n"
    );
    println!("| varied | times prose |\n|---|---|");
    for start in STARTS {
        let ratio = ratio(redactor, &varied(start), &prose);
        println!("| `{start:?}` | {ratio:.2} |");
    }
    println!(
        "| cards that fail | {:.2} |",
        ratio(redactor, &failing_cards(), &prose)
    );
}

fn ratio(redactor: &Redactor, text: &str, prose: &str) -> f64 {
    let mut output = Vec::with_capacity(BYTES * 2);
    let mut time = |text: &str| {
        output.clear();
        let start = Instant::now();
        black_box(redactor.redact_bytes(black_box(text.as_bytes()), &mut output));
        start.elapsed()
    };
    let (mut best, mut best_prose) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        best_prose = best_prose.min(time(prose));
        best = best.min(time(text));
    }
    best.as_secs_f64() / best_prose.as_secs_f64()
}

fn varied(start: &str) -> String {
    let mut numbers = Numbers::new();
    let mut text = String::with_capacity(BYTES + 64);
    while text.len() < BYTES {
        text.push_str(start);
        let length = 2 + numbers.next(6);
        text.push_str(&numbers.text(b"abcdefghijklmnopqrstuvwxyz", length));
        text.push(' ');
    }
    text
}

fn failing_cards() -> String {
    let mut numbers = Numbers::new();
    let mut text = String::with_capacity(BYTES + 64);
    while text.len() < BYTES {
        let card = format!("4{}", numbers.text(b"0123456789", 15));
        let sum: u32 = card
            .bytes()
            .rev()
            .zip([1, 2].iter().cycle())
            .map(|(byte, factor)| u32::from(byte - b'0') * factor)
            .map(|product| product / 10 + product % 10)
            .sum();
        if !sum.is_multiple_of(10) {
            text.push_str(&card);
            text.push(' ');
        }
    }
    text
}

//! Scores and speeds, printed. Run by `cargo bench -p redact`.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that prints figures for people"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use redact::Redactor;

mod corpus;
mod hostile;
mod labelled;

const MEASURED: Duration = Duration::from_millis(900);

fn main() {
    let redactor = Redactor::with_default_rules();
    // One part alone: `cargo bench -p redact --bench redaction -- speeds`.
    let part = std::env::args().nth(1).unwrap_or_default();
    let is_wanted = |name: &str| part.starts_with("--") || part.is_empty() || part == name;
    for (name, print) in [
        ("scores", print_scores as fn(&Redactor)),
        ("speeds", print_speeds),
        ("hold-back", print_hold_back),
        ("hostile", hostile::print),
    ] {
        if is_wanted(name) {
            print(&redactor);
        }
    }
}

fn print_scores(redactor: &Redactor) {
    let cases = labelled::load("public.jsonl");
    let half = |is_held_back: bool| {
        labelled::score(
            redactor,
            cases
                .iter()
                .filter(|case| labelled::is_held_back(case) == is_held_back),
        )
    };
    let (written, held_back) = (half(false), half(true));
    let all = labelled::score(redactor, cases.iter());
    println!(
        "## Scores by kind: the half that rules were written with, the half held back, both\n"
    );
    println!("| kind | written with | held back | both |\n|---|---|---|---|");
    for (kind, score) in &all {
        let show = |scores: &labelled::Scores| {
            scores.get(kind).map_or_else(
                || String::from("-"),
                |score| format!("{}/{}", score.right, score.cases),
            )
        };
        println!(
            "| {kind} | {} | {} | {:.3} |",
            show(&written),
            show(&held_back),
            score.ratio()
        );
    }
    let second_wave = labelled::load("wave2.jsonl");
    let second_wave = labelled::score(redactor, second_wave.iter());
    for (name, scores) in [
        ("written with", &written),
        ("held back", &held_back),
        ("both", &all),
        ("second wave", &second_wave),
    ] {
        let (hidden, negative) = (
            labelled::positives(scores),
            scores.get("negative").copied().unwrap_or_default(),
        );
        println!(
            "\n{name}: hidden {}/{} = {:.4}; negatives altered {}/{}",
            hidden.right,
            hidden.cases,
            hidden.ratio(),
            negative.cases - negative.right,
            negative.cases
        );
    }
}

/// Megabytes (10^6) a second over as many rounds as fit into the measured time; the best of three.
fn speed(bytes: usize, mut round: impl FnMut()) -> f64 {
    round();
    let once = || {
        let (start, mut rounds) = (Instant::now(), 0_u32);
        while start.elapsed() < MEASURED / 3 {
            rounds += 1;
            round();
        }
        f64::from(rounds) * bytes as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    std::iter::repeat_with(once).take(3).fold(0.0, f64::max)
}

fn batch_speed(redactor: &Redactor, texts: &[String]) -> f64 {
    let mut output = Vec::new();
    speed(texts.iter().map(String::len).sum(), || {
        for text in texts {
            output.clear();
            black_box(redactor.redact_bytes(black_box(text.as_bytes()), &mut output));
        }
    })
}

fn piece_speed(redactor: &Redactor, texts: &[String], size: usize) -> f64 {
    let mut output = Vec::new();
    let mut stream = redactor.stream();
    speed(texts.iter().map(String::len).sum(), || {
        for text in texts {
            output.clear();
            for piece in text.as_bytes().chunks(size) {
                stream.feed_bytes(black_box(piece), &mut output);
            }
            black_box(stream.finish_bytes(&mut output));
        }
    })
}

fn print_speeds(redactor: &Redactor) {
    println!("\n## Speed, one core, default rules (MB = 10^6 bytes)\n");
    let messages = corpus::messages(24);
    println!(
        "messages of {} kB, code and logs, a secret in 1 of 100 lines: {:.0} MB/s",
        corpus::MESSAGE_BYTES / 1024,
        batch_speed(redactor, &messages)
    );
    for (name, text) in [
        ("code", corpus::code(4 << 20)),
        ("logs", corpus::logs(4 << 20)),
        ("prose", corpus::prose(4 << 20)),
    ] {
        println!("{name} alone: {:.0} MB/s", batch_speed(redactor, &[text]));
    }
    println!(
        "pieces of 64 bytes: {:.0} MB/s",
        piece_speed(redactor, &messages, 64)
    );
    let tokens = piece_speed(redactor, &messages, 4);
    println!(
        "pieces of one token (4 bytes): {:.2} million a second",
        tokens / 4.0
    );
    let prose = vec![corpus::prose(2 << 20)];
    println!(
        "pieces of one token of prose: {:.2} million a second",
        piece_speed(redactor, &prose, 4) / 4.0
    );
}

fn print_hold_back(redactor: &Redactor) {
    println!("\n## Hold-back after each piece of 4 bytes, in bytes\n");
    let dense = corpus::with_secrets(&"x\n".repeat(100)).repeat(500);
    for (name, text) in [
        ("prose", corpus::prose(1 << 20)),
        ("code", corpus::code(1 << 20)),
        ("logs", corpus::logs(1 << 20)),
        ("dense with secrets", dense),
    ] {
        let mut stream = redactor.stream();
        let mut output = Vec::new();
        let mut held: Vec<usize> = Vec::new();
        for piece in text.as_bytes().chunks(4) {
            stream.feed_bytes(piece, &mut output);
            held.push(stream.held_bytes());
            output.clear();
        }
        held.sort_unstable();
        let at = |share: f64| held[((held.len() - 1) as f64 * share) as usize];
        let mean = held.iter().sum::<usize>() as f64 / held.len() as f64;
        println!(
            "{name}: mean {mean:.1}, p50 {}, p99 {}, max {}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

//! Holds the scores on the labelled cases.

#![allow(clippy::print_stderr, reason = "what is skipped must be seen")]

use redact::Redactor;

#[path = "../benches/labelled.rs"]
mod labelled;

const MUST_BE_WHOLE: [&str; 4] = ["aws_access_key", "bearer", "pan", "iban"];

#[test]
fn the_labelled_cases_are_hidden_and_the_others_left_alone() {
    let Some(cases) = labelled::load("public.jsonl") else {
        assert!(!is_ci(), "the labelled cases are missing");
        eprintln!("SKIPPED: the labelled cases are not there; set REDACTION_CASES");
        return;
    };
    let redactor = Redactor::with_default_rules();
    let (held_back, written): (Vec<_>, Vec<_>) =
        cases.iter().partition(|case| labelled::is_held_back(case));
    for half in [held_back, written, cases.iter().collect()] {
        let scores = labelled::score(&redactor, half.into_iter());
        let hidden = labelled::positives(&scores);
        assert!(
            hidden.ratio() >= 0.95,
            "{}/{} are hidden",
            hidden.right,
            hidden.cases
        );
        for (kind, score) in &scores {
            let least = match kind.as_str() {
                "negative" => 0.99,
                kind if MUST_BE_WHOLE.contains(&kind) => 1.0,
                _ if score.cases >= 20 => 0.9,
                _ => 0.0,
            };
            assert!(
                score.ratio() >= least,
                "{kind}: {}/{}",
                score.right,
                score.cases
            );
        }
    }
}

/// On CI nothing may be skipped.
#[expect(clippy::disallowed_methods, reason = "CI says so in the environment")]
fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

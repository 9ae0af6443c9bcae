//! Holds the scores on the labelled cases.

use redact::Redactor;

#[path = "../benches/labelled.rs"]
mod labelled;

const MUST_BE_WHOLE: [&str; 4] = ["aws_access_key", "bearer", "pan", "iban"];

#[test]
fn the_labelled_cases_are_hidden_and_the_others_left_alone() {
    let cases = labelled::load("public.jsonl");
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

/// What a case must be: where it is committed, no scanner takes it for a live secret, and it is all there.
#[test]
fn no_secret_stands_in_the_files_as_they_are_committed() {
    let redactor = Redactor::with_default_rules();
    for (file, positives, negatives) in [
        ("public.jsonl", 557, 509),
        ("pii_optional.jsonl", 137, 0),
        ("wave2.jsonl", 499, 467),
    ] {
        let stored = labelled::stored(file);
        assert_eq!(redactor.redact(&stored).findings, [], "{file}");
        let cases = labelled::load(file);
        for (line, case) in stored.lines().zip(&cases) {
            assert_eq!(case.secrets.is_empty(), case.kind == "negative");
            for secret in &case.secrets {
                assert!(!line.contains(secret), "{file}: a secret is in one piece");
            }
        }
        let found = cases.iter().filter(|case| !case.secrets.is_empty()).count();
        assert_eq!(
            (found, cases.len() - found),
            (positives, negatives),
            "{file}"
        );
    }
}

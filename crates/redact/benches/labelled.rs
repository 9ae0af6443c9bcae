//! The labelled cases and how they are scored; shared by the bench and the test.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "figures for people, and a broken case file must stop the run"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use redact::Redactor;
use serde::Deserialize;

/// In the texts as committed: stands where a text is cut, so that no scanner takes it for a live secret.
const CUT: char = '·';
/// The same: stand around a secret.
const SECRET_START: char = '⟦';
const SECRET_END: char = '⟧';

/// One labelled text.
pub(crate) struct Case {
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) secrets: Vec<String>,
}

/// A line of a file.
#[derive(Deserialize)]
struct Line {
    kind: String,
    text: String,
    /// Where the text has no marks.
    secrets: Option<Vec<String>>,
}

impl From<Line> for Case {
    fn from(line: Line) -> Self {
        if let Some(secrets) = line.secrets {
            return Self {
                kind: line.kind,
                text: line.text,
                secrets,
            };
        }
        let marked = line.text.replace(CUT, "");
        let mut secrets = Vec::new();
        for from_secret in marked.split(SECRET_START).skip(1) {
            let (secret, _) = from_secret
                .split_once(SECRET_END)
                .expect("the end of a secret");
            secrets.push(secret.to_owned());
        }
        Self {
            kind: line.kind,
            text: marked.replace([SECRET_START, SECRET_END], ""),
            secrets,
        }
    }
}

/// What became of the cases of one kind.
#[derive(Default, Clone, Copy)]
pub(crate) struct Score {
    pub(crate) cases: usize,
    pub(crate) right: usize,
}

impl Score {
    pub(crate) fn ratio(self) -> f64 {
        self.right as f64 / self.cases.max(1) as f64
    }
}

/// Scores by kind; negatives are the kind `negative`.
pub(crate) type Scores = BTreeMap<String, Score>;

/// A file of labelled cases, as it is stored.
pub(crate) fn stored(file: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "how a person names another folder of cases"
    )]
    let folder = std::env::var_os("REDACTION_CASES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases"),
        PathBuf::from,
    );
    std::fs::read_to_string(folder.join(file)).expect("a file of labelled cases")
}

/// The cases of a file.
pub(crate) fn load(file: &str) -> Vec<Case> {
    let lines = stored(file);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).expect("a labelled case"));
    lines.map(Case::from).collect()
}

/// Whether a case belongs to the half that was held back while the rules were written.
pub(crate) fn is_held_back(case: &Case) -> bool {
    let hash = case
        .text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    hash >> 40 & 1 == 1
}

/// Whether the output hides all secrets, or leaves a negative alone.
///
/// A secret is hidden when no run of max(8, 30 %) of its characters is left.
pub(crate) fn is_right(case: &Case, output: &str) -> bool {
    if case.secrets.is_empty() {
        return output == case.text;
    }
    case.secrets.iter().all(|secret| is_hidden(secret, output))
}

fn is_hidden(secret: &str, output: &str) -> bool {
    let characters: Vec<char> = secret.chars().collect();
    if characters.len() <= 8 {
        return !output.contains(secret);
    }
    let run = ((characters.len() as f64 * 0.3).ceil() as usize).max(8);
    !characters
        .windows(run)
        .any(|window| output.contains(&window.iter().collect::<String>()))
}

/// Scores the cases that `selected` picks.
pub(crate) fn score<'a>(redactor: &Redactor, cases: impl Iterator<Item = &'a Case>) -> Scores {
    let mut scores = Scores::new();
    for case in cases {
        let output = redactor.redact(&case.text).text;
        let score = scores.entry(case.kind.clone()).or_default();
        score.cases += 1;
        score.right += usize::from(is_right(case, &output));
    }
    scores
}

/// The positives of all kinds together.
pub(crate) fn positives(scores: &Scores) -> Score {
    let mut sum = Score::default();
    for (_, score) in scores.iter().filter(|(kind, _)| *kind != "negative") {
        sum.cases += score.cases;
        sum.right += score.right;
    }
    sum
}

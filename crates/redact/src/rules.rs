//! Rules: what a secret looks like, as data.
//!
//! The rules of the product live in `rules/*.toml` and are compiled into the binary. A company's own
//! file in the same format adds rules, changes them by id, or switches them off.

mod examples;
mod file;
mod problem;
mod shape;
#[cfg(test)]
mod tests;

pub use problem::{RuleProblem, RulesError};

pub(crate) use examples::{Example, check_examples};
pub(crate) use file::{built_in, merge_file};
pub(crate) use shape::{DigitRun, Shape};

/// What a user may know of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSummary {
    /// Stands in the marker.
    pub id: String,
    /// What it hides.
    pub description: String,
    /// Where the format is published.
    pub source: String,
    /// Whether it is applied.
    pub is_enabled: bool,
}

/// One rule, checked.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) description: String,
    /// Where the format is published.
    pub(crate) source: String,
    /// Whether it is applied.
    pub(crate) is_enabled: bool,
    /// On equal starts the higher one wins.
    pub(crate) priority: u8,
    pub(crate) kind: RuleKind,
    pub(crate) positive: Vec<Example>,
    pub(crate) negative: Vec<Example>,
}

/// How a rule finds its secret.
#[derive(Clone, Debug)]
pub(crate) enum RuleKind {
    /// A literal, then a shape; both together are the secret.
    Token(TokenRule),
    /// A name such as `password`, an operator, a value; the value is the secret.
    Assignment(AssignmentRule),
    /// A command-line option whose value is the secret, or whose value holds it behind a colon.
    Option(OptionRule),
    /// `scheme://user:password@`; the password is the secret.
    ///
    /// `schemes` limits the rule to some; none means any.
    UrlPassword { schemes: Vec<String> },
    /// `Bearer`, then a token.
    BearerToken,
    /// `Basic`, then base64 of `user:password`.
    BasicCredentials,
    /// A PEM private key, from its header to its footer.
    PrivateKey,
    /// A JSON Web Token.
    Jwt,
    /// A payment card number.
    Card,
    /// An international bank account number.
    Iban,
    /// A shape alone, of hexadecimal digits at first.
    Unanchored(TokenRule),
    /// A literal in front of the secret that stays; only the shape is the secret.
    Prefixed(TokenRule),
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
}

/// The data of a token rule.
#[derive(Clone, Debug)]
pub(crate) struct TokenRule {
    pub(crate) anchors: Vec<String>,
    pub(crate) shape: Shape,
    pub(crate) validator: Validator,
    /// Whether the token may start inside a word.
    pub(crate) starts_anywhere: bool,
}

/// The data of an assignment rule.
#[derive(Clone, Debug)]
pub(crate) struct AssignmentRule {
    /// Stems of sensitive names, in lower case; `Title` and `UPPER` spellings are implied.
    pub(crate) stems: Vec<String>,
    /// Words of which one must end right before the stem; none means any or nothing.
    pub(crate) qualifiers: Qualifiers,
    /// What such a value must look like to be hidden.
    pub(crate) value: ValuePolicy,
}

/// Words in front of a stem, by their last letter, which rules out nearly all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Qualifiers {
    by_last_letter: Vec<Vec<String>>,
}

impl Qualifiers {
    /// `words` are in lower case.
    pub(crate) fn new(words: Vec<String>) -> Self {
        let mut by_last_letter = Vec::new();
        if !words.is_empty() {
            by_last_letter.resize(LETTERS, Vec::new());
        }
        for word in words {
            if let Some(last) = word.bytes().next_back() {
                by_last_letter[usize::from(last) % LETTERS].push(word);
            }
        }
        Self { by_last_letter }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_last_letter.is_empty()
    }

    /// Those that may end with the letter, in lower case.
    pub(crate) fn ending_with(&self, last: u8) -> &[String] {
        self.by_last_letter
            .get(usize::from(last) % LETTERS)
            .map_or(&[], Vec::as_slice)
    }
}

/// Letters of both cases have the same low bits.
const LETTERS: usize = 32;

/// The data of a command-line rule.
#[derive(Clone, Debug)]
pub(crate) struct OptionRule {
    pub(crate) options: Vec<String>,
    /// Programs of which one must be named before the option on the same line; none means any.
    pub(crate) programs: Vec<String>,
    /// Whether the value is `user:password`, of which the password is the secret.
    pub(crate) holds_user: bool,
}

/// How strong a value must be to count as a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValuePolicy {
    /// People choose passwords: nearly anything that is not code and not a placeholder.
    Password,
    /// Secrets and tokens: something that is not a plain word.
    Secret,
    /// Keys and the like, of which most are harmless: only what looks random.
    Random,
    /// The value of an authorization header.
    Authorization,
}

/// What a match must pass besides its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Validator {
    /// It is not a placeholder such as `xxxx`.
    #[default]
    NotPlaceholder,
    /// It has letters and digits both, and is not a placeholder.
    Mixed,
    /// The checksum of GitHub's and npm's tokens; a right one outweighs the look of a placeholder,
    /// a wrong one changes nothing.
    Crc32Base62,
}

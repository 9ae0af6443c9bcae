//! What a caller may use. Nothing is allowed that no scope allows.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Scopes that mean something to the gateway itself; `skill:<name>` and `models:<name>` beside them.
const WORDS: [&str; 5] = ["chat", "jobs", "conversations", "images", "admin"];

const SKILL: &str = "skill:";
const MODELS: &str = "models:";
const ANY: &str = "*";

const MAX_CHARS: usize = 128;
const MAX_SCOPES: usize = 256;

/// A set of scopes. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Scopes(Granted);

#[derive(Clone, PartialEq, Eq)]
enum Granted {
    Everything,
    Words(Arc<BTreeSet<String>>),
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ScopeError {
    #[error(
        "{0:?} is no scope: write chat, skill:NAME, skill:*, models:NAME, models:*, jobs, conversations, images or admin, or a word that a skill's file asks for"
    )]
    Malformed(String),
    #[error("{given:?} is no scope; did you mean {meant:?}?")]
    Misspelt { given: String, meant: String },
    #[error("more than {MAX_SCOPES} scopes")]
    TooMany,
}

impl Scopes {
    /// Of a gateway without access control.
    pub fn everything() -> Self {
        Self(Granted::Everything)
    }

    pub fn nothing() -> Self {
        Self(Granted::Words(Arc::default()))
    }

    /// The scopes of a token. What is none of ours was meant for other services.
    pub fn of_token(words: &[String]) -> Self {
        let ours = words.iter().filter(|word| check(word).is_ok());
        Self(Granted::Words(Arc::new(
            ours.take(MAX_SCOPES).cloned().collect(),
        )))
    }

    /// Reads scopes as an operator writes them.
    pub fn parse<'word>(words: impl IntoIterator<Item = &'word str>) -> Result<Self, ScopeError> {
        let mut granted = BTreeSet::new();
        for word in words {
            check(word)?;
            granted.insert(word.to_owned());
            if granted.len() > MAX_SCOPES {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(Granted::Words(Arc::new(granted))))
    }

    pub fn allow_chat(&self) -> bool {
        self.has("chat")
    }

    /// Whether a skill of that name may be called whose file asks for `required` beside it.
    pub fn allow_skill(&self, name: &str, required: &[String]) -> bool {
        self.has_one_of(SKILL, name) && required.iter().all(|scope| self.has(scope))
    }

    /// Those of the gateway's models that may be named: the first, which is the configured one, by whoever
    /// may chat.
    pub fn models<'name>(&self, models: &'name [String]) -> Vec<&'name str> {
        let allowed = |(index, name): &(usize, &String)| {
            (*index == 0 && self.allow_chat()) || self.has_one_of(MODELS, name)
        };
        let models = models.iter().enumerate().filter(allowed);
        models.map(|(_, name)| name.as_str()).collect()
    }

    pub fn has(&self, scope: &str) -> bool {
        match &self.0 {
            Granted::Everything => true,
            Granted::Words(words) => words.contains(scope),
        }
    }

    fn has_one_of(&self, kind: &str, name: &str) -> bool {
        self.has(&format!("{kind}{name}")) || self.has(&format!("{kind}{ANY}"))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Granted::Everything => formatter.write_str("Everything"),
            Granted::Words(words) => formatter.debug_set().entries(words.iter()).finish(),
        }
    }
}

/// A word of a skill's own is any word; one that is nearly a scope of the gateway is a slip.
fn check(word: &str) -> Result<(), ScopeError> {
    let shown = || word.chars().take(MAX_CHARS).collect::<String>();
    let name = [SKILL, MODELS]
        .iter()
        .find_map(|kind| word.strip_prefix(kind));
    let is_visible =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if word.len() > MAX_CHARS || !is_visible(word) || name.is_some_and(|name| !is_visible(name)) {
        return Err(ScopeError::Malformed(shown()));
    }
    if name.is_some() || WORDS.contains(&word) {
        return Ok(());
    }
    let (kind, rest) = word
        .split_once(':')
        .map_or((word, None), |(kind, rest)| (kind, Some(rest)));
    let kinds: &[&str] = match rest {
        Some(_) => &["skill", "models"],
        None => &WORDS,
    };
    let meant = kinds
        .iter()
        .find(|known| strsim::damerau_levenshtein(known, kind) <= 1);
    match (meant, rest) {
        (Some(meant), Some(rest)) => Err(ScopeError::Misspelt {
            given: shown(),
            meant: format!("{meant}:{rest}"),
        }),
        (Some(meant), None) => Err(ScopeError::Misspelt {
            given: shown(),
            meant: (*meant).to_owned(),
        }),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(words: &[&str]) -> Scopes {
        Scopes::parse(words.iter().copied()).unwrap()
    }

    fn models() -> Vec<String> {
        ["gpt-4o-mini", "gpt-5", "gpt-5-pro"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn nothing_is_allowed_that_no_scope_allows() {
        let none = scopes(&[]);
        assert!(!none.allow_chat());
        assert!(!none.allow_skill("review", &[]));
        assert!(none.models(&models()).is_empty());
        assert!(!none.has("admin"));

        let some = scopes(&["chat", "skill:review", "models:gpt-5"]);
        assert!(some.allow_chat());
        assert!(some.allow_skill("review", &[]));
        assert!(!some.allow_skill("reviews", &[]));
        assert!(!some.allow_skill("review", &["deploy".to_owned()]));
        assert_eq!(some.models(&models()), ["gpt-4o-mini", "gpt-5"]);
    }

    #[test]
    fn a_star_stands_for_every_name_and_not_for_what_a_skill_asks_beside_it() {
        let all = scopes(&["skill:*", "models:*"]);
        assert!(all.allow_skill("review", &[]));
        assert!(!all.allow_skill("review", &["deploy".to_owned()]));
        assert!(scopes(&["skill:*", "deploy"]).allow_skill("review", &["deploy".to_owned()]));
        assert_eq!(all.models(&models()), models());
        assert!(!all.allow_chat());
    }

    #[test]
    fn a_slip_is_refused() {
        for (word, meant) in [
            ("skills:review", "skill:review"),
            ("model:gpt-5", "models:gpt-5"),
            ("chats", "chat"),
            ("job", "jobs"),
        ] {
            let misspelt = ScopeError::Misspelt {
                given: word.to_owned(),
                meant: meant.to_owned(),
            };
            assert_eq!(Scopes::parse([word]), Err(misspelt));
        }
        for word in [
            "",
            "two words",
            "skill:",
            "models:",
            "ünïcode",
            &"x".repeat(129),
        ] {
            assert!(
                matches!(Scopes::parse([word]), Err(ScopeError::Malformed(_))),
                "{word}"
            );
        }
        assert!(Scopes::parse(["deploy", "team:blue"]).is_ok());
    }
}

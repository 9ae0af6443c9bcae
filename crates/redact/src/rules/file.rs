//! Reading rules from TOML.

use serde::Deserialize;

use super::{
    AssignmentRule, Example, OptionRule, Qualifiers, Rule, RuleKind, RuleProblem, Shape, TokenRule,
    Validator, ValuePolicy,
};

const BUILT_IN: [(&str, &str); 9] = [
    (
        "artificial_intelligence.toml",
        include_str!("../../rules/artificial_intelligence.toml"),
    ),
    (
        "assignments.toml",
        include_str!("../../rules/assignments.toml"),
    ),
    ("cloud.toml", include_str!("../../rules/cloud.toml")),
    (
        "code_hosting.toml",
        include_str!("../../rules/code_hosting.toml"),
    ),
    (
        "credentials.toml",
        include_str!("../../rules/credentials.toml"),
    ),
    ("finance.toml", include_str!("../../rules/finance.toml")),
    ("messaging.toml", include_str!("../../rules/messaging.toml")),
    ("personal.toml", include_str!("../../rules/personal.toml")),
    ("services.toml", include_str!("../../rules/services.toml")),
];

/// The rules of the product, and what is wrong with them: nothing, as a test holds.
pub(crate) fn built_in() -> (Vec<Rule>, Vec<RuleProblem>) {
    let mut rules = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in BUILT_IN {
        problems.extend(merge_file(&mut rules, name, text));
    }
    (rules, problems)
}

/// Adds the rules of a file, changes those that exist under the same id, and returns every problem.
pub(crate) fn merge_file(rules: &mut Vec<Rule>, file: &str, text: &str) -> Vec<RuleProblem> {
    let problem = |rule: &str, reason: String| RuleProblem {
        file: file.to_owned(),
        rule: rule.to_owned(),
        reason,
    };
    let parsed: RawFile = match toml::from_str(text) {
        Ok(parsed) => parsed,
        Err(error) => return vec![problem("", error.to_string())],
    };
    let mut problems = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (index, value) in parsed.rule.into_iter().enumerate() {
        let name = value
            .get("id")
            .and_then(toml::Value::as_str)
            .map_or_else(|| format!("number {}", index + 1), str::to_owned);
        if seen.contains(&name) {
            problems.push(problem(
                &name,
                String::from("the id is used twice in this file"),
            ));
            continue;
        }
        seen.push(name.clone());
        let raw: RawRule = match value.try_into() {
            Ok(raw) => raw,
            Err(error) => {
                problems.push(problem(&name, error.to_string().trim().to_owned()));
                continue;
            }
        };
        let existing = rules.iter().position(|rule| rule.id == raw.id);
        match raw.into_rule(existing.map(|index| &rules[index])) {
            Ok(rule) => match existing {
                Some(index) => rules[index] = rule,
                None => rules.push(rule),
            },
            Err(reasons) => {
                problems.extend(reasons.into_iter().map(|reason| problem(&name, reason)));
            }
        }
    }
    problems
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    rule: Vec<toml::Value>,
}

/// A rule as written. In a file that changes a rule, only `id` and what changes are needed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    description: Option<String>,
    source: Option<String>,
    enabled: Option<bool>,
    priority: Option<u8>,
    evaluator: Option<EvaluatorName>,
    anchors: Option<Vec<String>>,
    shape: Option<String>,
    validator: Option<ValidatorName>,
    starts_anywhere: Option<bool>,
    stems: Option<Vec<String>>,
    qualifiers: Option<Vec<String>>,
    value: Option<ValueName>,
    schemes: Option<Vec<String>>,
    options: Option<Vec<String>>,
    programs: Option<Vec<String>>,
    holds_user: Option<bool>,
    positive: Option<Vec<RawExample>>,
    negative: Option<Vec<RawExample>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawExample {
    Whole(String),
    Parts(Vec<String>),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum EvaluatorName {
    Token,
    Prefixed,
    Unanchored,
    Assignment,
    Option,
    UrlPassword,
    BearerToken,
    BasicCredentials,
    PrivateKey,
    Jwt,
    Card,
    Iban,
    Email,
    Phone,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ValidatorName {
    NotPlaceholder,
    Mixed,
    Crc32Base62,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ValueName {
    Password,
    Secret,
    Random,
    Authorization,
}

impl RawRule {
    fn into_rule(self, existing: Option<&Rule>) -> Result<Rule, Vec<String>> {
        let mut reasons = Vec::new();
        if !is_id(&self.id) {
            reasons.push(String::from(
                "an id is 1 to 48 of a-z, 0-9 and _, and starts with a letter",
            ));
        }
        let positive = read_examples(self.positive.as_deref(), &mut reasons);
        let negative = read_examples(self.negative.as_deref(), &mut reasons);
        let changes_kind = self.evaluator.is_some()
            || self.anchors.is_some()
            || self.shape.is_some()
            || self.stems.is_some()
            || self.schemes.is_some()
            || self.options.is_some();
        let kind = match existing {
            Some(rule) if !changes_kind => Some(rule.kind.clone()),
            _ => self.kind(&mut reasons),
        };
        if existing.is_none() || changes_kind {
            for (what, count) in [
                ("positive", positive.as_ref()),
                ("negative", negative.as_ref()),
            ] {
                if count.is_none_or(|examples| examples.len() < 2) {
                    reasons.push(format!("at least two {what} examples are needed"));
                }
            }
        }
        for (what, is_missing) in [
            ("description", self.description.is_none()),
            ("source", self.source.is_none()),
        ] {
            if existing.is_none() && is_missing {
                reasons.push(format!("`{what}` is missing"));
            }
        }
        let Some(kind) = kind.filter(|_| reasons.is_empty()) else {
            return Err(reasons);
        };
        let keep = |new: Option<String>, old: fn(&Rule) -> &String| {
            new.unwrap_or_else(|| existing.map(|rule| old(rule).clone()).unwrap_or_default())
        };
        Ok(Rule {
            description: keep(self.description, |rule| &rule.description),
            source: keep(self.source, |rule| &rule.source),
            is_enabled: self
                .enabled
                .unwrap_or_else(|| existing.is_none_or(|rule| rule.is_enabled)),
            priority: self
                .priority
                .unwrap_or_else(|| existing.map_or(usual_priority(&kind), |rule| rule.priority)),
            kind,
            positive: positive.unwrap_or_else(|| {
                existing
                    .map(|rule| rule.positive.clone())
                    .unwrap_or_default()
            }),
            negative: negative.unwrap_or_else(|| {
                existing
                    .map(|rule| rule.negative.clone())
                    .unwrap_or_default()
            }),
            id: self.id,
        })
    }

    fn kind(&self, reasons: &mut Vec<String>) -> Option<RuleKind> {
        match self.evaluator.unwrap_or(EvaluatorName::Token) {
            EvaluatorName::Token => self.token(reasons).map(RuleKind::Token),
            EvaluatorName::Prefixed => self.token(reasons).map(RuleKind::Prefixed),
            EvaluatorName::Unanchored => self.token(reasons).map(RuleKind::Unanchored),
            EvaluatorName::Assignment => self.assignment(reasons).map(RuleKind::Assignment),
            EvaluatorName::Option => self.option(reasons).map(RuleKind::Option),
            EvaluatorName::UrlPassword => Some(RuleKind::UrlPassword {
                schemes: self.schemes.clone().unwrap_or_default(),
            }),
            EvaluatorName::BearerToken => Some(RuleKind::BearerToken),
            EvaluatorName::BasicCredentials => Some(RuleKind::BasicCredentials),
            EvaluatorName::PrivateKey => Some(RuleKind::PrivateKey),
            EvaluatorName::Jwt => Some(RuleKind::Jwt),
            EvaluatorName::Card => Some(RuleKind::Card),
            EvaluatorName::Iban => Some(RuleKind::Iban),
            EvaluatorName::Email => Some(RuleKind::Email),
            EvaluatorName::Phone => Some(RuleKind::Phone),
        }
    }

    fn token(&self, reasons: &mut Vec<String>) -> Option<TokenRule> {
        let needs_anchor = !matches!(self.evaluator, Some(EvaluatorName::Unanchored));
        let anchors = if needs_anchor {
            self.anchors(reasons)?
        } else {
            Vec::new()
        };
        let Some(source) = &self.shape else {
            reasons.push(String::from("`shape` is missing"));
            return None;
        };
        match Shape::parse(source) {
            Ok(shape) if !needs_anchor && !shape.starts_with_hexadecimal() => {
                reasons.push(String::from("a shape without an anchor must start with digits or hexadecimal digits in lower case"));
                None
            }
            Ok(shape) => Some(TokenRule {
                anchors,
                shape,
                validator: match self.validator {
                    None | Some(ValidatorName::NotPlaceholder) => Validator::NotPlaceholder,
                    Some(ValidatorName::Mixed) => Validator::Mixed,
                    Some(ValidatorName::Crc32Base62) => Validator::Crc32Base62,
                },
                starts_anywhere: self.starts_anywhere.unwrap_or(false),
            }),
            Err(reason) => {
                reasons.push(format!("`shape`: {reason}"));
                None
            }
        }
    }

    fn anchors(&self, reasons: &mut Vec<String>) -> Option<Vec<String>> {
        let anchors = self.anchors.clone().unwrap_or_default();
        if anchors.is_empty() {
            reasons.push(String::from(
                "`anchors` is missing: at least one literal is needed",
            ));
            return None;
        }
        if let Some(bad) = anchors
            .iter()
            .find(|anchor| !(2..=48).contains(&anchor.len()) || !anchor.is_ascii())
        {
            reasons.push(format!(
                "the anchor {bad:?} is not 2 to 48 ASCII characters long"
            ));
            return None;
        }
        Some(anchors)
    }

    fn assignment(&self, reasons: &mut Vec<String>) -> Option<AssignmentRule> {
        let stems = self.stems.clone().unwrap_or_default();
        if stems.is_empty() {
            reasons.push(String::from(
                "`stems` is missing: at least one name is needed",
            ));
        }
        for stem in &stems {
            if !(2..=32).contains(&stem.len()) || stem.bytes().any(|byte| byte.is_ascii_uppercase())
            {
                reasons.push(format!(
                    "the stem {stem:?} is not 2 to 32 bytes in lower case"
                ));
            }
        }
        let Some(value) = self.value else {
            reasons.push(String::from(
                "`value` is missing: password, secret, random or authorization",
            ));
            return None;
        };
        let value = match value {
            ValueName::Password => ValuePolicy::Password,
            ValueName::Secret => ValuePolicy::Secret,
            ValueName::Random => ValuePolicy::Random,
            ValueName::Authorization => ValuePolicy::Authorization,
        };
        let qualifiers = Qualifiers::new(self.qualifiers.clone().unwrap_or_default());
        reasons.is_empty().then_some(AssignmentRule {
            stems,
            qualifiers,
            value,
        })
    }

    fn option(&self, reasons: &mut Vec<String>) -> Option<OptionRule> {
        let options = self.options.clone().unwrap_or_default();
        if options.is_empty()
            || options
                .iter()
                .any(|option| !option.starts_with('-') || !(2..=32).contains(&option.len()))
        {
            reasons.push(String::from(
                "`options` needs at least one, each starting with `-` and 2 to 32 characters long",
            ));
            return None;
        }
        Some(OptionRule {
            options,
            programs: self.programs.clone().unwrap_or_default(),
            holds_user: self.holds_user.unwrap_or(false),
        })
    }
}

fn is_id(id: &str) -> bool {
    (1..=48).contains(&id.len())
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn read_examples(raw: Option<&[RawExample]>, reasons: &mut Vec<String>) -> Option<Vec<Example>> {
    let examples = raw?.iter().map(|example| match example {
        RawExample::Whole(text) => Example::parse(text),
        RawExample::Parts(parts) => Example::parse(&parts.concat()),
    });
    match examples.collect() {
        Ok(examples) => Some(examples),
        Err(reason) => {
            reasons.push(reason);
            None
        }
    }
}

/// A published format outweighs a name in front of a value, and the narrower one a wider one.
fn usual_priority(kind: &RuleKind) -> u8 {
    match kind {
        RuleKind::PrivateKey => 90,
        RuleKind::Token(_) | RuleKind::Prefixed(_) => 80,
        RuleKind::Jwt | RuleKind::Unanchored(_) => 70,
        RuleKind::Card | RuleKind::Iban => 60,
        RuleKind::BearerToken | RuleKind::BasicCredentials => 50,
        RuleKind::UrlPassword { .. } => 40,
        RuleKind::Option(_) => 30,
        RuleKind::Assignment(_) => 20,
        RuleKind::Email | RuleKind::Phone => 10,
    }
}

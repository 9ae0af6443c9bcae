//! The examples of the rules, and what a rules file may and may not say.

use super::{Example, built_in, check_examples, merge_file};
use crate::redactor::Redactor;

#[test]
fn the_built_in_rules_have_no_problems() {
    let (rules, problems) = built_in();
    assert_eq!(problems, []);
    assert!(rules.len() > 100);
}

#[test]
fn every_example_of_every_rule_holds() {
    let (mut rules, _) = built_in();
    for rule in &mut rules {
        rule.is_enabled = true;
    }
    let usual = Redactor::with_default_rules();
    let all = Redactor::compile(&rules);
    let mut failures = Vec::new();
    for (rule, summary) in rules.iter().zip(usual.rules()) {
        let redactor = if summary.is_enabled { &usual } else { &all };
        let redact = |text: &str| redactor.redact(text).text;
        for reason in check_examples(redact, &rule.id, &rule.positive, &rule.negative) {
            failures.push(format!("{}: {reason}", rule.id));
        }
        assert!(
            rule.positive.len() >= 2 && rule.negative.len() >= 2,
            "{} has too few examples",
            rule.id
        );
        assert!(
            !rule.source.is_empty() && !rule.description.is_empty(),
            "{} has no source",
            rule.id
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const COMPANY: &str = r#"
[[rule]]
id = "acme_key"
description = "Key of ACME"
source = "https://wiki.acme.example/keys"
anchors = ["acme:"]
shape = "[A-Z0-9]{6}"
positive = ["acme:{{upper*6}}", "x=acme:{{upper*6}};"]
negative = ["acme:short", "acme: {{upper*6}}"]

[[rule]]
id = "email"
enabled = true

[[rule]]
id = "iban"
enabled = false
"#;

#[test]
fn a_file_adds_changes_and_switches_off() {
    let redactor = Redactor::with_rules_file("company.toml", COMPANY).unwrap();
    let redacted = redactor.redact("acme:A1B2C3 alice.smith@example.com GB29NWBK60161331926819");
    assert_eq!(
        redacted.text,
        "[REDACTED:acme_key] [REDACTED:email] GB29NWBK60161331926819"
    );
    assert_eq!(redacted.counts().of("acme_key"), 1);
}

#[test]
fn a_bad_file_is_refused_with_all_its_problems() {
    let text = r#"
        [[rule]]
        id = "Bad Id"
        anchors = ["x"]
        [[rule]]
        id = "no_shape"
        description = "d"
        source = "s"
        anchors = ["abc_"]
        positive = ["a", "b"]
        negative = ["a", "b"]
        [[rule]]
        id = "odd"
        colour = "red"
    "#;
    let error = Redactor::with_rules_file("company.toml", text).unwrap_err();
    let message = error.to_string();
    for part in [
        "company.toml: rule Bad Id: an id is",
        "rule no_shape: `shape` is missing",
        "rule odd: unknown field `colour`",
        "rule Bad Id: the anchor",
    ] {
        assert!(message.contains(part), "{part} is not in\n{message}");
    }
    let missed = COMPANY.replace("\"x=acme:{{upper*6}};\"", "\"nothing\"");
    let error = Redactor::with_rules_file("company.toml", &missed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "company.toml: rule acme_key: positive example 2 is not found"
    );
    assert!(Redactor::with_rules_file("company.toml", "[[rule]").is_err());
}

#[test]
fn a_rule_may_come_in_a_second_file_only_once() {
    let (mut rules, _) = built_in();
    let problems = merge_file(
        &mut rules,
        "twice.toml",
        "[[rule]]\nid = \"jwt\"\n[[rule]]\nid = \"jwt\"\n",
    );
    assert_eq!(problems.len(), 1);
    assert!(Example::parse("plain").is_ok());
}

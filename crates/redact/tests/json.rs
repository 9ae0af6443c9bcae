//! Proves that JSON stays JSON, that escapes hide nothing, and that the rest is left alone.

#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "a test stops where it fails"
)]

use std::sync::LazyLock;

use proptest::prelude::*;
use redact::{Redactor, json};
use serde_json::Value;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

fn redact(document: &str) -> String {
    json::redact(&REDACTOR, document).unwrap().text
}

/// A token that is put together here, so that none stands in the source.
fn github_token() -> String {
    format!("ghp_{}", "aB3dE5fG7h".repeat(4))
}

#[test]
fn escapes_do_not_hide_a_secret() {
    let escaped: String = github_token()
        .chars()
        .map(|character| format!("\\u{:04x}", u32::from(character)))
        .collect();
    assert_eq!(
        redact(&format!(r#"{{"a":["x {escaped} y"]}}"#)),
        r#"{"a":["x [REDACTED:github_token] y"]}"#
    );
    let key = format!(
        "-----BEGIN {0}-----\\n{1}\\n-----END {0}-----\\n",
        "PRIVATE KEY", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\/"
    );
    assert_eq!(
        redact(&format!(r#"["{key}"]"#)),
        r#"["[REDACTED:private_key]\n"]"#
    );
}

#[test]
fn a_sensitive_key_hides_its_string_and_stays() {
    assert_eq!(
        redact(r#"{"password" : "hunter2", "n":1}"#),
        r#"{"password" : "[REDACTED:pwd_assignment]", "n":1}"#
    );
    assert_eq!(
        redact(r#"{"api_key":["8f14e45fceea167a5a36dedd4bea2543"]}"#),
        r#"{"api_key":["[REDACTED:key_assignment]"]}"#
    );
    let kept = r#"{"password":{"type":"string"},"token_url":"/oauth/token","password_hint":"dog 7","max_tokens":5}"#;
    assert_eq!(redact(kept), kept);
}

/// Of a result: what asks a provider for something must keep its keys.
#[test]
fn keys_of_a_result_are_redacted_and_stay_apart() {
    let redactor = Redactor::with_default_rules();
    let with_keys = |document: &str| {
        let raw = redact::Untrusted::new(document.to_owned());
        json::redact_with_keys(&redactor, &raw).unwrap()
    };
    let (one, other) = (github_token(), github_token().replace("aB", "Zz"));
    assert_ne!(one, other);
    let escaped = one.replacen('g', "\\u0067", 1);
    let marker = "[REDACTED:github_token]";
    let document = format!(
        r#"{{"{marker}_2": 0, "{one}": {{"{escaped}": 1}}, "{other}": [{{"{one}": "{one}"}}], "password": "hunter2"}}"#
    );
    let redacted = with_keys(&document);
    let value: Value = serde_json::from_str(&redacted.text).unwrap();
    let mut expected = serde_json::json!({
        format!("{marker}_2"): 0,
        marker: { marker: 1 },
        format!("{marker}_3"): [{ marker: marker }],
    });
    expected["password"] = value["password"].clone();
    assert_eq!(value, expected);
    assert!(!redacted.text.contains("hunter2"), "{}", redacted.text);
    assert_eq!(redacted.counts().of("github_token"), 5);
    assert!(redact(&document).contains(&other));

    // In time that is proportional, whatever becomes the same.
    let many: Vec<_> = (0..5000).map(|_| format!("\"{one}\":0")).collect();
    let many = with_keys(&format!("{{{}}}", many.join(",")));
    let value: Value = serde_json::from_str(&many.text).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 5000);
}

#[test]
fn images_and_texts_without_findings_keep_their_bytes() {
    let image = format!(
        r#"{{"image_url":"data:image/png;base64,{}{}"}}"#,
        "iVBORw0KGgo/",
        github_token()
    );
    assert_eq!(redact(&image), image);
    let odd = r#" { "caf\u00e9\/" : [ "\ud83d\ude00 \u0041" , null , 1e3 , "\t" ] } "#;
    assert_eq!(redact(odd), odd);
}

#[test]
fn what_is_not_json_is_refused_without_an_echo() {
    let error = json::redact(&REDACTOR, "{\"a\": hunter2}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the text is not valid JSON: line 1, column 7"
    );
}

#[test]
fn findings_name_the_string() {
    let document = format!(r#"{{"a":"{}"}}"#, github_token());
    let findings = json::redact(&REDACTOR, &document).unwrap().findings;
    assert_eq!(
        (
            findings[0].rule.as_str(),
            findings[0].offset_bytes,
            findings[0].len_bytes
        ),
        ("github_token", 5, 44)
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        ".{0,24}".prop_map(Value::from),
        Just(Value::from(github_token())),
        Just(Value::from("say \"hi\" \\ \u{1} 4111 1111 1111 1111")),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("password|token|[a-z\"]{0,6}", inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Keys, structure and everything but strings.
fn skeleton(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::from(""),
        Value::Array(items) => items.iter().map(skeleton).collect(),
        Value::Object(pairs) => Value::Object(
            pairs
                .iter()
                .map(|(key, value)| (key.clone(), skeleton(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn the_output_is_json_of_the_same_shape_without_the_secret(value in values()) {
        let output = redact(&value.to_string());
        let parsed: Value = serde_json::from_str(&output).unwrap();
        prop_assert_eq!(skeleton(&parsed), skeleton(&value));
        prop_assert!(!output.contains(&github_token()));
        prop_assert_eq!(redact(&output), output);
    }
}

#[test]
fn what_is_not_json_is_told_by_its_place() {
    for (document, offset_bytes) in [("", 0), ("{\n\"a\": }", 7), ("[1] x", 4), ("[1,", 2)] {
        let error = json::redact(&REDACTOR, document).unwrap_err();
        assert_eq!(error.offset_bytes, offset_bytes, "{document:?}");
    }
}

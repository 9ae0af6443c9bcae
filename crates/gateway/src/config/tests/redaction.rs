//! The file of redaction rules is checked with the other settings.

use super::*;

#[test]
fn a_file_of_rules_changes_the_built_in_ones() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.toml");
    std::fs::write(&file, "[[rule]]\nid = \"email\"\nenabled = true\n").unwrap();
    let changed = good(&[("PORTCULLIS_REDACT_RULES", file.to_str().unwrap())]).redactor;
    let text = "write to jane.doe@corp.example today";
    assert_eq!(good(&[]).redactor.redact(text).text, text);
    assert_ne!(changed.redact(text).text, text);
}

#[test]
fn every_bad_rule_is_reported_with_the_other_problems() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.toml");
    std::fs::write(
        &file,
        "[[rule]]\nid = \"no such id!\"\n[[rule]]\nid = \"\"\n",
    )
    .unwrap();
    let refused = problems(keyed(&[
        ("PORTCULLIS_REDACT_RULES", file.to_str().unwrap()),
        ("CODEX_TIMEOUT_SEC", "0"),
    ]))
    .join("\n");
    assert!(refused.contains("rules.toml"), "{refused}");
    assert!(refused.contains("no such id!"), "{refused}");
    assert!(refused.contains("CODEX_TIMEOUT_SEC"), "{refused}");
}

//! What a comma between two strings means.

use redact::Redactor;

#[test]
fn the_string_behind_the_name_is_a_value_in_calls_and_tuples() {
    let redactor = Redactor::with_default_rules();
    for text in [
        "setenv(\"DB_PASSWORD\", \"SECRET\")",
        "config.set('db', 'password', 'SECRET')",
        "headers = [('password', 'SECRET')]",
        "{\"password\", \"SECRET\"},",
        "f(\\\"password\\\", \\\"SECRET\\\")",
        "export(PASSWORD, \"SECRET\")",
        "[\"password\",\"SECRET\"]",
    ] {
        let text = text.replace("SECRET", "tr0ub4dor&3");
        assert!(!redactor.redact(&text).text.contains("tr0ub4dor"), "{text}");
    }
}

#[test]
fn the_next_key_and_the_next_word_are_none() {
    let redactor = Redactor::with_default_rules();
    for text in [
        "{\"name\":\"password\",\"type\":\"text\"}",
        "{\"name\": \"password\", \"type\": \"text\"}",
        "{\\\"name\\\":\\\"password\\\",\\\"type\\\":\\\"text\\\"}",
        "{'grant_type': 'password', 'client_id': 'x'}",
        "{\"kind\":\"token\",\"range\":[1,2]}",
        "[\"password\", \"autocomplete\": 1]",
        "type=\"password\", name=\"login\"",
        "array('type' => 'password', 'label' => 'x')",
        "['username', 'password', 'repository']",
        "choices=('pass', 'warn', 'fail')",
        "{label:\"Password:\",hint:\"At least 12\"}",
        "ok ? \"PASS\" : \"FAIL\"",
    ] {
        assert_eq!(redactor.redact(text).text, text);
    }
}

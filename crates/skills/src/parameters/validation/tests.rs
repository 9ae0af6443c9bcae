use serde_json::json;
use toml::de::DeTable;

use super::super::super::diagnostics::Diagnostics;
use super::*;

const PARAMETERS: &str = r#"
type = "object"
[properties.globs]
type = "array"
items = { type = "string", x-path = "glob" }
[properties.rows]
type = "array"
items = { type = "array", items = { type = "string" } }
[properties.options]
type = "object"
[properties.lines]
type = "integer"
minimum = 0
default = 2.0
"#;

fn validate(extra: &Value) -> Validated {
    let mut diagnostics = Diagnostics::new("test.toml".into(), PARAMETERS);
    let table = DeTable::parse(PARAMETERS).unwrap();
    let parameters = Parameters::read(Some(table), &mut diagnostics).unwrap();
    parameters.validate(extra.as_object().unwrap().clone(), None)
}

/// What is told of `extra`, and of how many mistakes.
fn problems(extra: &Value) -> (usize, String) {
    let errors = validate(extra).errors;
    let first = &errors.kept()[0];
    let detail = format!("{}: {}", first.pointer, first.detail);
    (errors.count(), detail)
}

#[test]
fn what_is_too_much_is_reported_once_and_not_looked_into() {
    let many = json!({ "globs": vec![0; 100_000] });
    let detail = "/extra/globs: has more than 256 items";
    assert_eq!(problems(&many), (1, detail.to_owned()));

    let nested = json!({ "rows": vec![vec![0; 256]; 256] });
    let detail = "/extra: has more than 4096 values altogether";
    assert_eq!(problems(&nested), (1, detail.to_owned()));

    let members = (0..100_000).map(|number| (number.to_string(), json!("\n")));
    let wide = json!({ "options": members.collect::<Map<String, Value>>() });
    let detail = "/extra/options: has more than 256 members";
    assert_eq!(problems(&wide), (1, detail.to_owned()));
}

#[test]
fn errors_are_kept_to_a_number_and_counted() {
    let errors = validate(&json!({ "globs": vec![0; 256], "rows": vec!["\n"; 200] })).errors;
    // Of the rows, the type and the character.
    assert_eq!((errors.kept().len(), errors.count()), (64, 656));
}

#[test]
fn names_that_mean_nothing_are_kept_to_a_number() {
    let extra = (0..1000).map(|number| (format!("name-{number}"), json!(1)));
    let validated = validate(&Value::Object(extra.collect()));
    assert!(validated.errors.is_empty());
    assert_eq!(validated.ignored.len(), 32);
}

#[test]
fn a_whole_number_is_an_integer_before_anything_uses_it() {
    for (given, used) in [
        (json!({ "lines": -0.0 }), "0"),
        (json!({ "lines": 3.0 }), "3"),
        (json!({}), "2"),
    ] {
        let validated = validate(&given);
        assert!(validated.errors.is_empty(), "{given}");
        assert_eq!(validated.arguments["lines"].to_string(), used, "{given}");
    }
    let (_, detail) = problems(&json!({ "lines": 1e300 }));
    assert_eq!(detail, "/extra/lines: has more than 64 bits");
}

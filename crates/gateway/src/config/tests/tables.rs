//! A table of tables (`[[keys]]`) is a `Vec` of a struct, and needs nothing else.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeTable;

use crate::config::declaration::{Form, Setting, settings_of};
use crate::config::documents::{defaults_of, reference_of};

#[derive(JsonSchema)]
struct Document {
    /// The keys that callers may use.
    #[serde(default)]
    #[expect(dead_code, reason = "only its schema is used")]
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Key {
    /// Whose it is.
    #[schemars(extend("format" = "model"))]
    label: String,

    /// Turns that it may run at once.
    #[schemars(range(min = 1, max = 64), extend("unit" = "turns"))]
    turns: Option<u32>,

    /// What it may name.
    #[serde(default)]
    #[schemars(extend("format" = "models"))]
    models: Vec<String>,
}

const TEXT: &str = r#"
[[keys]]
label = "ci"
turns = 4

[[keys]]
label = "people"
models = ["gpt-5", "o4-mini"]
"#;

const MISTAKES: &str = r#"
[[keys]]
label = 7
turns = 65

[[keys]]
lable = "ci"

[[keys]]
label = "people"
models = ["gpt-5", ""]
"#;

#[test]
fn a_table_of_tables_becomes_its_structs() {
    let value = read(TEXT).unwrap();
    let keys = Vec::<Key>::deserialize(value).unwrap();
    assert_eq!(
        keys,
        [
            Key {
                label: "ci".to_owned(),
                turns: Some(4),
                models: Vec::new(),
            },
            Key {
                label: "people".to_owned(),
                turns: None,
                models: vec!["gpt-5".to_owned(), "o4-mini".to_owned()],
            },
        ]
    );
}

#[test]
fn every_mistake_in_every_table_has_its_line() {
    assert_eq!(
        read(MISTAKES).unwrap_err(),
        [
            "3: entry 1: label: must be a name of 1 to 128 visible ASCII characters, as a string in quotes",
            "4: entry 1: turns: must be a whole number, 1 to 64 turns",
            "7: entry 2: unknown key lable; did you mean label?",
            "6: entry 2: label is missing; it must be a name of 1 to 128 visible ASCII characters",
            "11: entry 3: models: entry 2: must be a name of 1 to 128 visible ASCII characters, without \
             blanks and without a dash at its beginning",
        ]
    );
}

#[test]
fn a_table_of_tables_is_documented() {
    let settings = settings_of::<Document>();
    insta::assert_snapshot!(defaults_of(&settings) + &reference_of(&settings));
}

/// Each fault with its line.
fn read(text: &str) -> Result<serde_json::Value, Vec<String>> {
    let settings = settings_of::<Document>();
    let [Setting { form, .. }] = settings.as_slice() else {
        panic!("one setting");
    };
    assert!(matches!(form, Form::Tables(_)));
    let document = DeTable::parse(text).unwrap();
    let value = document.get_ref().get("keys").unwrap().get_ref();
    form.read_toml(value).map_err(|faults| {
        let line = |offset: usize| 1 + text[..offset].matches('\n').count();
        let faults = faults.iter();
        faults
            .map(|fault| format!("{}: {}", line(fault.offset.unwrap()), fault.detail))
            .collect()
    })
}

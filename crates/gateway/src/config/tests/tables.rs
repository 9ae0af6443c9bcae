//! A table of tables (`[[keys]]`) is a `Vec` of a struct, and needs nothing else.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::declaration::settings_of;
use crate::config::documents::{defaults_of, reference_of};
use crate::config::file;
use crate::config::layers::Layers;

#[derive(Deserialize, JsonSchema)]
struct Document {
    /// The keys that callers may use.
    #[serde(default)]
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

#[test]
fn a_table_of_tables_becomes_its_structs() {
    let text = r#"
[[keys]]
label = "ci"
turns = 4

[[keys]]
label = "people"
models = ["gpt-5", "o4-mini"]
"#;
    let mut layers = read(text);
    assert_eq!(layers.diagnostics.mistakes, []);
    let printed = layers.origins.render();
    assert!(
        printed.contains("keys.1.models  gpt-5,o4-mini"),
        "{printed}"
    );
    let document = Document::deserialize(layers.origins.take_document()).unwrap();
    let ci = Key {
        label: "ci".to_owned(),
        turns: Some(4),
        models: Vec::new(),
    };
    let people = Key {
        label: "people".to_owned(),
        turns: None,
        models: vec!["gpt-5".to_owned(), "o4-mini".to_owned()],
    };
    assert_eq!(document.keys, [ci, people]);
}

#[test]
fn no_table_is_an_empty_list() {
    let mut layers = read("");
    let document = Document::deserialize(layers.origins.take_document()).unwrap();
    assert_eq!(document.keys, []);
}

#[test]
fn every_mistake_in_every_table_has_its_line() {
    let text = r#"
[[keys]]
label = 7
turns = 65

[[keys]]
lable = "ci"

[[keys]]
label = "people"
models = ["gpt-5", ""]

[[keys]]
label = "good"
"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.toml");
    std::fs::write(&path, text).unwrap();
    let mut layers = read("");
    file::read_named(path.to_str().unwrap(), &mut layers).unwrap();
    let mistakes = layers.diagnostics.mistakes.iter();
    let shown: Vec<_> = mistakes
        .map(|one| {
            format!(
                "{}: {}: {}",
                one.origin.line().unwrap(),
                one.key.as_deref().unwrap_or("?"),
                one.detail
            )
        })
        .collect();
    insta::assert_debug_snapshot!(shown);
    let document = Document::deserialize(layers.origins.take_document()).unwrap();
    let labels: Vec<_> = document.keys.iter().map(|key| key.label.as_str()).collect();
    assert_eq!(
        labels,
        ["good"],
        "so that the other settings can be checked"
    );
}

#[test]
fn a_table_of_tables_is_documented() {
    let settings = settings_of::<Document>();
    insta::assert_snapshot!(defaults_of(&settings) + &reference_of(&settings));
}

fn read(text: &str) -> Layers {
    let settings = Vec::leak(settings_of::<Document>());
    let mut layers = Layers::of(settings);
    file::read_defaults(text, &mut layers);
    layers
}

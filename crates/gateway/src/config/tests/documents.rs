//! What people read: the commented defaults, `config print`, `docs/settings.md`.

use std::collections::BTreeSet;

use serde::Deserialize as _;

use super::*;
use crate::config::declaration::{Form, SETTINGS, Setting};
use crate::config::layers::Layers;
use crate::config::sections::Sections;
use crate::config::variables::{LATER_VARIABLES, OWN_PREFIXES};
use crate::config::{Origin, file, render_defaults, render_settings_markdown};

#[test]
fn the_defaults_are_a_file_without_a_mistake() {
    let mut layers = defaults();
    assert_eq!(layers.diagnostics.mistakes, []);
    assert!(Sections::deserialize(layers.origins.take_document()).is_ok());
    let defaults = render_defaults();
    assert!(defaults.lines().all(|line| line.chars().count() <= 100));
}

/// A variable cannot hold tables.
fn is_tables(setting: &Setting) -> bool {
    matches!(setting.form, Form::Tables(_))
}

#[test]
fn every_setting_is_declared_in_full() {
    for setting in SETTINGS.iter().filter(|one| !is_tables(one)) {
        let Setting { path, help, .. } = setting;
        assert!(path.contains('.') && help.ends_with('.'), "{path}: {help}");
        assert!(!setting.variable.is_empty(), "{path} has no variable");
        let has_default = setting.default.is_some();
        assert!(
            has_default != setting.is_optional,
            "{path} needs a default or an Option"
        );
        let is_known = match &setting.form {
            Form::Text(format) | Form::List(format) => !format.name.is_empty(),
            Form::Number { unit, .. } => !unit.is_empty(),
            _ => true,
        };
        assert!(is_known, "{path}: {:?}", setting.form);
    }
}

#[test]
fn every_choice_is_a_value_of_its_struct() {
    for setting in SETTINGS.iter() {
        let Form::Choice(options) = &setting.form else {
            continue;
        };
        for option in options {
            let mut layers = defaults();
            let value = Some(option.as_str().into());
            layers.set(setting, &setting.path, Origin::Default, value);
            let read = Sections::deserialize(layers.origins.take_document());
            assert!(
                read.is_ok(),
                "{} = {option}: {:?}",
                setting.path,
                read.err()
            );
        }
    }
}

#[test]
fn the_names_of_variables_are_unique() {
    let settings = || SETTINGS.iter().filter(|one| !is_tables(one));
    let variables: BTreeSet<_> = settings().map(|one| one.variable.as_str()).collect();
    assert_eq!(variables.len(), settings().count());
    for later in LATER_VARIABLES {
        assert!(!variables.contains(later), "{later} exists by now");
        assert!(OWN_PREFIXES.iter().any(|prefix| later.starts_with(prefix)));
    }
}

#[test]
fn print_shows_each_value_with_its_origin_and_masks_secrets() {
    let loaded = keyed(&[
        ("PORTCULLIS_DATA_DIR", "/var/lib/portcullis"),
        ("CODEX_BIN", "/bin/sh"),
        ("PORTCULLIS_SKILLS_DIR", "/usr"),
        ("CHAT_ALLOWED_MODELS", "o4-mini"),
        ("STREAM_ENABLED", "off"),
    ]);
    insta::assert_snapshot!(loaded.unwrap().render());
}

#[test]
fn print_helps_when_the_settings_are_refused_too() {
    let error = with(&[("PORTCULLIS_BIND", "0.0.0.0:80"), ("LLM_PROVIDER", "demo")]);
    let printed = error.expect_err("refused").origins.render();
    let row = |path: &str| {
        let row = printed.lines().find(|line| line.starts_with(path)).unwrap();
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("server.bind"), "server.bind (refused) PORTCULLIS_BIND");
    assert_eq!(row("provider.kind"), "provider.kind demo LLM_PROVIDER");
    assert_eq!(row("codex.bin"), "codex.bin (not set) default");
}

#[test]
fn the_documents_of_settings_are_up_to_date() {
    for (name, rendered) in [
        ("settings.md", render_settings_markdown()),
        ("portcullis.toml", render_defaults()),
    ] {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        #[expect(
            clippy::disallowed_methods,
            reason = "how a person asks for the file to be written"
        )]
        let update = std::env::var_os("UPDATE_DOCS").is_some();
        if update {
            std::fs::write(&path, &rendered).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == rendered,
            "docs/{name} has drifted: run UPDATE_DOCS=1 cargo test -p gateway config"
        );
    }
}

fn defaults() -> Layers {
    let mut layers = Layers::of(&SETTINGS);
    file::read_defaults(&render_defaults(), &mut layers);
    layers
}

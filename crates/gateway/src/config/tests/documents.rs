//! What people read: the commented defaults, `config print`, `docs/settings.md`.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::*;
use crate::config::file::DEFAULTS;
use crate::config::layers::gather;
use crate::config::names::{LATER_VARIABLES, OWN_PREFIXES};
use crate::config::render_settings_markdown;
use crate::config::table::SETTINGS;

#[test]
fn the_defaults_cover_the_table_and_nothing_else() {
    let document = DeTable::parse(DEFAULTS).unwrap();
    let mut keys = Vec::new();
    collect_keys("", document.get_ref(), &mut keys);
    let keys: BTreeSet<_> = keys.into_iter().collect();
    let table: BTreeSet<_> = SETTINGS.iter().map(|one| one.path.to_owned()).collect();
    assert_eq!(keys, table);
    let gathered = gather(&Environment::default(), Overrides::default());
    assert_eq!(gathered.problems, []);
}

#[test]
fn the_defaults_explain_each_key_in_the_words_of_the_table() {
    let mut section = String::new();
    let mut comments: Vec<&str> = Vec::new();
    let mut order = Vec::new();
    for line in DEFAULTS.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            comments.push(comment);
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            let path = format!("{section}.{key}");
            let setting = SETTINGS.iter().find(|one| one.path == path).unwrap();
            let says = comments.join(" ");
            let values = format!("{}: {}", setting.variable, setting.kind.describe());
            assert!(says.starts_with(setting.help), "{path}: {says}");
            assert_eq!(comments.last(), Some(&values.as_str()), "{path}");
            order.push(path);
        }
        comments.clear();
    }
    let table: Vec<_> = SETTINGS.iter().map(|one| one.path).collect();
    assert_eq!(order, table, "in the order of the table");
    assert!(DEFAULTS.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn names_in_the_table_are_unique() {
    let variables: BTreeSet<_> = SETTINGS.iter().map(|one| one.variable).collect();
    assert_eq!(variables.len(), SETTINGS.len());
    for (later, _) in LATER_VARIABLES {
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
fn the_reference_of_settings_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let rendered = render_settings_markdown();
    #[expect(
        clippy::disallowed_methods,
        reason = "how a person asks for the file to be written"
    )]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update {
        std::fs::write(path, &rendered).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == rendered,
        "docs/settings.md has drifted: run UPDATE_DOCS=1 cargo test -p gateway config"
    );
}

fn collect_keys(section: &str, table: &DeTable<'_>, keys: &mut Vec<String>) {
    for (key, value) in table {
        let path = format!("{section}{}", key.get_ref());
        match value.get_ref().as_table() {
            Some(inner) => collect_keys(&format!("{path}."), inner, keys),
            None => keys.push(path),
        }
    }
}

//! Secrets: where they may come from, and that they go nowhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use broker::ProviderSettings;
use secrecy::ExposeSecret;

use super::*;

#[test]
fn a_secret_file_loses_one_line_break() {
    let directory = tempfile::tempdir().unwrap();
    for ending in ["", "\n", "\r\n"] {
        let path = private_file(directory.path(), &format!("{KEY}{ending}"));
        let loaded = with(&[("OPENAI_API_KEY_FILE", &path)]).unwrap();
        assert_eq!(api_key(&loaded), KEY);
        assert_eq!(loaded.warnings, []);
        let origin = loaded.origins.origin("provider.openai.api_key").unwrap();
        assert_eq!(origin.to_string(), "OPENAI_API_KEY_FILE");
    }
}

#[test]
fn a_secret_file_that_holds_no_secret_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        (String::new(), "is empty"),
        ("\n".to_owned(), "is empty"),
        (format!("{KEY}\n\n"), "a line break"),
        (format!("\"two words {KEY}\""), "a blank"),
        ("k".repeat(64 * 1024 + 1), "is over 64 KiB"),
    ];
    for (content, expected) in cases {
        let path = private_file(directory.path(), &content);
        let problem = problem(with(&[("OPENAI_API_KEY_FILE", &path)]));
        assert!(problem.contains(expected), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    let missing = problem(with(&[("OPENAI_API_KEY_FILE", KEY)]));
    assert!(
        missing.contains("the path of a file that holds the key"),
        "{missing}"
    );
    assert!(!missing.contains("hunter2"), "{missing}");
}

#[test]
fn a_secret_and_its_file_together_are_refused() {
    let problem = problem(keyed(&[("OPENAI_API_KEY_FILE", "/nowhere/key")]));
    assert!(
        problem.contains("both OPENAI_API_KEY and OPENAI_API_KEY_FILE are set"),
        "{problem}"
    );
}

#[test]
fn a_secret_that_others_can_read_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let key = private_file(directory.path(), KEY);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let warnings = with(&[("OPENAI_API_KEY_FILE", &key)]).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].detail.contains("chmod 600"), "{warnings:?}");
}

#[test]
fn the_file_of_settings_may_hold_a_secret_or_name_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let key = private_file(directory.path(), KEY);
    let named = format!("[provider.openai]\napi_key = \"\"\napi_key_file = \"{key}\"\n");
    let inline = format!("[provider.openai]\napi_key = \"{KEY}\"\n");
    let both = format!("{inline}api_key_file = \"{key}\"\n");
    let path = directory.path().join("portcullis.toml");
    let config = path.to_str().unwrap();
    for (text, mode, expected_warnings) in
        [(&named, 0o644, 0), (&inline, 0o600, 0), (&inline, 0o644, 1)]
    {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let loaded = with(&[("PORTCULLIS_CONFIG", config)]).unwrap();
        assert_eq!(api_key(&loaded), KEY);
        assert_eq!(
            loaded.warnings.len(),
            expected_warnings,
            "{:?}",
            loaded.warnings
        );
    }
    fs::write(&path, both).unwrap();
    let problem = problem(with(&[("PORTCULLIS_CONFIG", config)]));
    assert!(problem.contains("take one of them out"), "{problem}");
    assert!(!problem.contains("hunter2"), "{problem}");
}

#[test]
fn a_secret_shows_nowhere() {
    let loaded = keyed(&[]).unwrap();
    let shown = format!("{loaded:?} {loaded:#?} {}", loaded.render());
    assert!(!shown.contains("hunter2"), "{shown}");
    let environment = environment(&[("OPENAI_API_KEY", KEY)]);
    assert!(!format!("{environment:?}").contains("hunter2"));
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_quoting_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.toml");
    for text in [
        format!("[provider.openai]\napi_key = {KEY}\n"),
        format!("[provider.openai]\napi_key = \"{KEY}\n"),
        format!("[provider.openai]\napi_key = \"a\"\napi_key = \"{KEY}\"\n"),
        format!("[provider.openai]\napi_key = \"\\{KEY}\"\n"),
        format!("{KEY}\n"),
    ] {
        fs::write(&path, text).unwrap();
        let error = with(&[("PORTCULLIS_CONFIG", path.to_str().unwrap())]).expect_err("refused");
        let report = format!("{error} {error:?}");
        assert!(report.contains("is not TOML"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
        assert!(
            !report.contains("needs it"),
            "a key may stand in the file: {report}"
        );
    }
}

fn private_file(directory: &Path, content: &str) -> String {
    let path = directory.join("key");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn api_key(loaded: &Loaded) -> &str {
    match &loaded.settings.provider {
        ProviderSettings::OpenAi(openai) => openai.api_key.expose_secret(),
        _ => panic!("openai is the default"),
    }
}

//! The operator's own file: each mistake with its line.

use std::fs;

use super::*;
use crate::config::declaration::SETTINGS;

#[test]
fn unknown_keys_are_refused_with_their_line_and_the_nearest() {
    let refused = refused_file(
        "bind = \"127.0.0.1:1\"\n\
         [servr]\n\
         bind = \"127.0.0.1:2\"\n\
         [server]\n\
         drian_sec = 3\n\
         CODEX_TIMEOUT_SEC = 4\n\
         queue_depth = 5\n\
         \"log.filter\" = \"info\"\n\
         colour = \"red\"\n\
         \"tab\\there\" = 1\n",
    );
    assert_eq!(
        refused,
        [
            "portcullis.toml:1: unknown key bind; did you mean server.bind?",
            "portcullis.toml:2: unknown key servr; did you mean server?",
            "portcullis.toml:5: unknown key server.drian_sec; did you mean server.drain_sec?",
            "portcullis.toml:6: unknown key server.CODEX_TIMEOUT_SEC; did you mean chat.timeout_sec?",
            "portcullis.toml:7: unknown key server.queue_depth; did you mean limits.queue_depth?",
            "portcullis.toml:8: unknown key server.\"log.filter\": take it out, or see docs/settings.md",
            "portcullis.toml:9: unknown key server.colour: take it out, or see docs/settings.md",
            "portcullis.toml:10: unknown key server.tab?here: take it out, or see docs/settings.md",
        ]
    );
}

#[test]
fn wrong_types_are_refused_with_what_is_right() {
    let refused = refused_file(
        "log = \"info\"\n\
         [chat]\n\
         timeout_sec = \"60\"\n\
         stream_enabled = \"yes\"\n\
         max_input_chars = 8e3\n\
         max_context_chars = -1\n\
         allowed_models = \"gpt-5\"\n\
         [server]\n\
         bind = 8000\n\
         allowed_hosts = [\"a\", 1]\n\
         allowed_origins = [\"https://a\", \"b\"]\n\
         [server.data_dir]\n\
         path = \"/tmp\"\n",
    );
    assert_eq!(
        refused,
        [
            "portcullis.toml:1: log is a section, not a key: write [log] and its keys below it",
            "portcullis.toml:3: chat.timeout_sec: must be a whole number, 1 to 120 seconds, without quotes",
            "portcullis.toml:4: chat.stream_enabled: must be true or false, without quotes",
            "portcullis.toml:5: chat.max_input_chars: must be a whole number, 1 to 10000000 characters",
            "portcullis.toml:6: chat.max_context_chars: must be a whole number, 1 to 10000000 characters",
            "portcullis.toml:7: chat.allowed_models: must be a list of strings: [\"…\", \"…\"]",
            "portcullis.toml:9: server.bind: must be an IP address with a port, as a string in quotes",
            "portcullis.toml:10: server.allowed_hosts: must be a list of strings, each in quotes",
            "portcullis.toml:11: server.allowed_origins: entry 2: must be a URL that begins with https:// or http://",
            "portcullis.toml:12: server.data_dir: must be the path of a directory, made if it is missing, as a string in quotes",
        ]
    );
}

#[test]
fn one_wrong_type_is_exactly_one_problem_for_every_setting() {
    for setting in SETTINGS.iter() {
        let refused = refused_file(&format!("{} = 1979-05-27\n", setting.path));
        assert_eq!(refused.len(), 1, "{refused:#?}");
        let start = format!("portcullis.toml:1: {}: must be ", setting.path);
        assert!(refused[0].starts_with(&start), "{refused:#?}");
    }
}

#[test]
fn every_break_of_the_syntax_is_reported() {
    let refused = refused_file("[chat]\ntimeout_sec = \nstream_enabled = maybe\n");
    assert_eq!(refused.len(), 2, "{refused:#?}");
    assert!(
        refused[0].starts_with("portcullis.toml:2: is not TOML: "),
        "{refused:#?}"
    );
    assert!(
        refused[1].starts_with("portcullis.toml:3: is not TOML: "),
        "{refused:#?}"
    );
}

#[test]
fn a_file_too_large_or_not_text_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.toml");
    for (content, expected) in [
        (vec![b'#'; 1024 * 1024 + 1], "is over 1024 KiB"),
        (vec![b'#', 0xff], "is not UTF-8 text"),
    ] {
        fs::write(&path, content).unwrap();
        let problem = problem(with(&[("PORTCULLIS_CONFIG", path.to_str().unwrap())]));
        assert!(problem.contains(expected), "{problem}");
    }
}

/// The problems of a file with this text, with the file's name alone.
fn refused_file(text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.toml");
    fs::write(&path, text).unwrap();
    // With `--demo` nothing is missing, so that only the file is at fault.
    let environment = environment(&[("PORTCULLIS_CONFIG", path.to_str().unwrap())]);
    let result = load(&environment, &Overrides { demo: true });
    let prefix = format!("{}/", directory.path().display());
    let problems = problems(result).into_iter();
    problems
        .map(|problem| problem.replace(&prefix, ""))
        .collect()
}

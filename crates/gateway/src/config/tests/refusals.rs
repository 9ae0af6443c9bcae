//! What is refused: each thing by its own message, all of them at once.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::config::declaration::{SETTINGS, Setting};

/// Wrong for every kind of setting, and to be repeated by no message.
const BAD: &str = "hunter2 canary=\u{1}[";

/// Tables stand in files alone.
fn with_variables() -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(|setting| !setting.variable.is_empty())
}

#[test]
fn one_bad_value_is_exactly_one_problem_and_hides_no_other() {
    for setting in with_variables() {
        let variable = setting.variable.as_str();
        let mut variables = vec![("PORTCULLIS_NO_SUCH_THING", "1"), (variable, BAD)];
        if variable != "OPENAI_API_KEY" {
            variables.push(("OPENAI_API_KEY", KEY));
        }
        let error = with(&variables).expect_err(variable);
        let keys: Vec<_> = error
            .mistakes
            .iter()
            .map(|one| one.key.as_deref())
            .collect();
        assert_eq!(keys, [Some(setting.path.as_str()), None], "{error}");
        let everything = format!("{error} {error:?} {}", error.origins.render());
        assert!(!everything.contains("hunter2"), "{everything}");
    }
}

#[test]
fn all_bad_values_are_reported_at_once_and_in_order() {
    let variables: Vec<_> = with_variables()
        .map(|setting| (setting.variable.as_str(), BAD))
        .collect();
    let error = with(&variables).expect_err("refused");
    let keys: Vec<_> = error
        .mistakes
        .iter()
        .map(|one| one.key.as_deref())
        .collect();
    let expected: Vec<_> = with_variables()
        .map(|setting| Some(setting.path.as_str()))
        .collect();
    assert_eq!(keys, expected);
}

#[test]
fn the_report_names_every_problem_and_where_to_see_more() {
    let error = with(&[
        ("PORTCULLIS_BIND", "0.0.0.0:8000"),
        ("CODEX_TIMEOUT_SEC", "121"),
        ("PORTCULLIS_BNID", "127.0.0.1:1"),
        ("PORTCULLIS_AUTH", "keys"),
    ]);
    insta::assert_snapshot!(error.expect_err("refused").to_string());
}

#[test]
fn an_unknown_variable_of_ours_is_refused_with_the_nearest() {
    let cases = [
        ("PORTCULLIS_BNID", "did you mean PORTCULLIS_BIND?"),
        (
            "PORTCULLIS_LOG_FROMAT",
            "did you mean PORTCULLIS_LOG_FORMAT?",
        ),
        ("PORTCULLIS_CONFG", "did you mean PORTCULLIS_CONFIG?"),
        ("CODEX_POOL_MAX_RSS", "did you mean CODEX_POOL_MAX_RSS_MB?"),
        ("CHAT_MAX_CONTEXT_CHARS", "did you mean CHAT_MAX_CTX_CHARS?"),
        ("CHAT_ALLOWED_MODEL", "did you mean CHAT_ALLOWED_MODELS?"),
        ("CODEX_TIMEOUT_SECS", "did you mean CODEX_TIMEOUT_SEC?"),
        ("CODEX_TIMEOUT", "did you mean CODEX_TIMEOUT_SEC?"),
        ("CODEX_DRIVR", "did you mean CODEX_DRIVER?"),
        ("CHAT_MAXINPUT_CHARS", "did you mean CHAT_MAX_INPUT_CHARS?"),
        ("PORTCULLIS_COLOUR_OF_THE_GATE", "see docs/settings.md"),
    ];
    for (name, expected) in cases {
        let problem = problem(keyed(&[(name, "x")]));
        assert!(
            problem.starts_with(&format!("{name}: unknown variable")),
            "{problem}"
        );
        assert!(problem.ends_with(expected), "{problem}");
    }
}

#[test]
fn a_name_that_is_nearly_a_setting_is_a_warning_wherever_it_begins() {
    for (name, meant) in [
        ("OPENAI_MODLE", "OPENAI_MODEL"),
        ("OPENAI_MODEL_NAME", "OPENAI_MODEL"),
        ("AZURE_OPENAI_KEY", "AZURE_OPENAI_API_KEY"),
        ("AZURE_OPENAI_DEPLOYMENT_NAME", "AZURE_OPENAI_DEPLOYMENT"),
        ("LLM_PROVIDR", "LLM_PROVIDER"),
        ("STREAM_ENABLE", "STREAM_ENABLED"),
        ("PORTCULIS_BIND", "PORTCULLIS_BIND"),
    ] {
        let warnings = keyed(&[(name, "x")]).unwrap().warnings;
        let [warning] = warnings.as_slice() else {
            panic!("{name}: {warnings:?}");
        };
        assert!(warning.detail.ends_with(&format!("did you mean {meant}?")));
    }
    for foreign in [
        "CODEX_HOME",
        "CODEX_CI",
        "CODEX_CLI",
        "CODEX_API_KEY",
        "CODEX_SANDBOX",
        "CODEX_THREAD_ID",
        "CHAT_ID",
        "OPENAI_ORG_ID",
        "HOME",
        "HTTPS_PROXY",
    ] {
        assert_eq!(keyed(&[(foreign, "x")]).unwrap().warnings, [], "{foreign}");
    }
}

#[test]
fn quotes_around_a_value_are_not_part_of_it() {
    for name in [
        "OPENAI_API_KEY",
        "OPENAI_MODEL",
        "PORTCULLIS_BIND",
        "STREAM_ENABLED",
        "CHAT_ALLOWED_MODELS",
    ] {
        for quoted in ["\"x\"", "'x'", "`x`"] {
            let problem = problem(keyed(&[(name, quoted)]));
            assert!(problem.contains("stands in quotes"), "{problem}");
        }
    }
    let item = problem(keyed(&[("CHAT_ALLOWED_MODELS", "a,\"b\"")]));
    assert!(item.contains("entry 2: stands in quotes"), "{item}");
    for half in ["\"hunter2", "hunter2'"] {
        let problem = problem(with(&[("OPENAI_API_KEY", half)]));
        assert!(problem.contains("begins or ends with a quote"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn plain_http_is_for_hosts_that_are_named() {
    let url = ("OPENAI_BASE_URL", "http://Models.internal:8080/v1");
    let refused = problem(keyed(&[url]));
    assert!(refused.contains("PORTCULLIS_PLAIN_HTTP_HOSTS"), "{refused}");
    let other = ("PORTCULLIS_PLAIN_HTTP_HOSTS", "other.internal");
    assert!(keyed(&[url, other]).is_err());
    let named = ("PORTCULLIS_PLAIN_HTTP_HOSTS", "models.internal");
    let warnings = keyed(&[url, named]).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].detail.contains("in the clear"));
}

#[test]
fn an_api_version_that_cannot_be_is_refused() {
    for (version, word) in [
        ("2025-13-45", "a date"),
        ("2025-4-1-preview", "a date"),
        ("v2", "a date"),
        ("2024-10-21", "older than the Responses API"),
    ] {
        let problem = problem(keyed(&[("AZURE_OPENAI_API_VERSION", version)]));
        assert!(problem.contains(word), "{version}: {problem}");
    }
    for version in [
        "v1",
        "latest",
        "preview",
        "2025-04-01-preview",
        "2026-01-01",
    ] {
        assert!(keyed(&[("AZURE_OPENAI_API_VERSION", version)]).is_ok());
    }
}

#[test]
fn workspaces_are_named_once_and_their_tests_are_known() {
    let paths = "PORTCULLIS_WORKSPACES";
    let tests = "PORTCULLIS_WORKSPACE_TESTS";
    for (variables, expected) in [
        (&[(paths, "/usr")][..], "entry 1: must have the form name=…"),
        (&[(paths, "a b=/usr")], "entry 1: a workspace is named with"),
        (
            &[(paths, "a=usr")],
            "entry 1: the path must be an absolute path",
        ),
        (
            &[(paths, "a=/usr,b=/no/such")],
            "entry 2: the path must be an absolute path",
        ),
        (
            &[(paths, "a=/bin/sh")],
            "entry 1: the path is not a directory",
        ),
        (&[(paths, "a=/usr,a=/bin")], "a stands in it twice"),
        (
            &[(paths, "a=/usr"), (tests, "a=ant")],
            "one of cargo, npm, pytest, go, make",
        ),
        (
            &[(paths, "a=/usr"), (tests, "b=go")],
            "b is no workspace of skills.workspaces",
        ),
    ] {
        let problem = problem(keyed(variables));
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn skills_that_are_named_and_not_there_are_a_warning() {
    let warnings = keyed(&[("PORTCULLIS_SKILLS_DIR", "/no/such")])
        .unwrap()
        .warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn a_variable_of_a_later_version_is_refused_by_that_name() {
    for name in ["PORTCULLIS_ADMIN_BIND", "PORTCULLIS_JOB_TTL_SEC"] {
        let problem = problem(keyed(&[(name, "x")]));
        assert!(
            problem.contains("this version does not have this setting"),
            "{problem}"
        );
    }
}

#[test]
fn access_needs_what_it_rests_on() {
    let said = problem(keyed(&[("PORTCULLIS_AUTH", "jwt")]));
    assert!(said.contains("PORTCULLIS_JWT_ISSUER"), "{said}");
    for url in ["mysql://host/db", "sqlite:", "postgres://user:hunter2@host"] {
        let said = problem(keyed(&[("PORTCULLIS_DATABASE_URL", url)]));
        assert!(
            said.contains("cannot be used") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn what_belongs_to_others_is_left_alone() {
    let loaded = keyed(&[
        ("CODEX_HOME", "/home/somebody/.codex"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OPENAI_ORG_ID", "org"),
        ("PORTCULLIS_PORT", "tcp://10.0.0.1:8000"),
        ("PORTCULLIS_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("PORTCULLIS_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("PORTCULLIS_PORT_8000_TCP_PORT", "8000"),
        ("PORTCULLIS_SERVICE_HOST", "10.0.0.1"),
        ("PORTCULLIS_SERVICE_PORT_HTTP", "8000"),
        ("PORTCULLIS_ADMIN_SERVICE_HOST", "10.0.0.2"),
    ]);
    assert_eq!(loaded.unwrap().warnings, []);
    let meant_for_us = problem(keyed(&[("PORTCULLIS_PORT", "9000")]));
    assert!(meant_for_us.contains("unknown variable"), "{meant_for_us}");
}

#[test]
fn openai_without_a_key_says_the_three_ways_out() {
    let problem = problem(with(&[]));
    assert_eq!(
        problem,
        "not set: provider.openai.api_key: LLM_PROVIDER=openai needs it: set OPENAI_API_KEY or \
         OPENAI_API_KEY_FILE, or run with --demo"
    );
}

#[test]
fn azure_lists_all_that_is_missing_and_nothing_that_is_there() {
    let all = problems(with(&[("LLM_PROVIDER", "azure"), ("OPENAI_API_KEY", KEY)]));
    let names = ["API_KEY", "ENDPOINT", "DEPLOYMENT", "API_VERSION"];
    assert_eq!(all.len(), names.len());
    for (problem, name) in all.iter().zip(names) {
        assert!(
            problem.contains(&format!("set AZURE_OPENAI_{name}")),
            "{problem}"
        );
    }
    let some = problem(with(&[
        ("LLM_PROVIDER", "azure"),
        ("AZURE_OPENAI_API_KEY", KEY),
        ("AZURE_OPENAI_DEPLOYMENT", "mini"),
        ("AZURE_OPENAI_API_VERSION", "v1"),
    ]));
    assert!(some.contains("provider.azure.endpoint"), "{some}");
}

#[test]
fn a_refused_provider_or_key_is_not_called_missing_as_well() {
    let provider = problem(with(&[("LLM_PROVIDER", "opnai")]));
    assert!(provider.ends_with("did you mean openai?"), "{provider}");
    let key = problem(with(&[("OPENAI_API_KEY_FILE", "/nowhere/key")]));
    assert!(key.contains("cannot be read"), "{key}");
    let file = problem(with(&[("PORTCULLIS_CONFIG", "/nowhere/portcullis.toml")]));
    assert!(
        file.starts_with("PORTCULLIS_CONFIG: the file it names cannot be read"),
        "{file}"
    );
}

#[test]
fn numbers_have_bounds_on_both_sides() {
    let bounds = [
        ("CODEX_TIMEOUT_SEC", ["1", "120"], ["0", "121"]),
        ("CODEX_KILL_GRACE_SEC", ["1", "30"], ["0", "31"]),
        (
            "PORTCULLIS_MAX_BODY_BYTES",
            ["1024", "67108864"],
            ["1023", "67108865"],
        ),
        (
            "CHAT_MAX_INPUT_CHARS",
            ["1", "10000000"],
            ["0", "99999999999999999999"],
        ),
        ("CODEX_POOL_MAX_PROCESSES", ["1", "64"], ["0", "1e3"]),
        ("PORTCULLIS_QUEUE_DEPTH", ["1", "10000"], ["1.5", "0x10"]),
    ];
    for (name, within, beyond) in bounds {
        for value in within {
            keyed(&[(name, value)]).expect(value);
        }
        for value in beyond {
            let problem = problem(keyed(&[(name, value)]));
            assert!(
                problem.contains("must be a whole number"),
                "{name}={value}: {problem}"
            );
        }
    }
}

#[test]
fn settings_that_contradict_each_other_are_warned_of() {
    let cases = [
        (
            vec![
                ("CODEX_TIMEOUT_SEC", "2"),
                ("PORTCULLIS_QUEUE_WAIT_SEC", "1"),
            ],
            "codex.kill_grace_sec",
        ),
        (
            vec![("OPENAI_BASE_URL", "https://models.example/")],
            "provider.openai.base_url",
        ),
        (vec![("CODEX_TIMEOUT_SEC", "10")], "limits.queue_wait_sec"),
        (
            vec![("CODEX_POOL_MAX_PROCESSES", "3")],
            "limits.max_concurrent_turns",
        ),
        (
            vec![("PORTCULLIS_MAX_BODY_BYTES", "8000")],
            "server.max_body_bytes",
        ),
        (vec![("PORTCULLIS_LOG", "inof")], "log.filter"),
        (vec![("PORTCULLIS_LOG", "gateway=debug,wran")], "log.filter"),
    ];
    for (variables, key) in cases {
        let warnings = keyed(&variables).unwrap().warnings;
        let keys: Vec<_> = warnings
            .iter()
            .map(|warning| warning.key.as_str())
            .collect();
        assert_eq!(keys, [key], "{warnings:?}");
    }
    for filter in ["WARN", "hyper=off,info", "gateway[chat]=trace,error", "off"] {
        assert_eq!(
            warnings(&[("PORTCULLIS_LOG", filter)]),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_a_problem_and_not_a_panic() {
    for name in [
        "PORTCULLIS_CONFIG",
        "OPENAI_API_KEY",
        "OPENAI_API_KEY_FILE",
        "CODEX_BIN",
    ] {
        let value = OsString::from_vec(vec![b'a', 0xff]);
        let environment: Environment = [
            (OsString::from(name), value),
            (OsString::from("LLM_PROVIDER"), OsString::from("demo")),
            (OsString::from_vec(vec![0xff]), OsString::from("not ours")),
        ]
        .into_iter()
        .collect();
        let problem = problem(load(&environment, &Overrides::default()));
        assert!(problem.starts_with(&format!("{name}: ")), "{problem}");
        assert!(problem.contains("is not UTF-8 text"), "{problem}");
    }
}

#[test]
fn paths_must_be_what_they_are_for() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "nothing").unwrap();
    let plain = plain.to_str().unwrap();
    let cases = [
        ("CODEX_BIN", plain, "is not an executable file"),
        ("CODEX_BIN", "/tmp", "is not an executable file"),
        ("CODEX_BIN", "codex-nowhere", "not its name alone"),
        ("CODEX_BIN", "~/codex", "write the path out"),
        ("CODEX_STATE_DIR", plain, "is not a directory"),
        ("PORTCULLIS_DATA_DIR", plain, "is not a directory"),
        ("PORTCULLIS_CA_FILE", plain, "holds no PEM certificate"),
        ("PORTCULLIS_CA_FILE", "/nowhere/ca.pem", "cannot be read"),
        ("PORTCULLIS_CA_FILE", "/dev/zero", "is not a regular file"),
    ];
    for (name, value, expected) in cases {
        let problem = problem(keyed(&[(name, value)]));
        assert!(problem.contains(expected), "{problem}");
    }
    std::fs::write(plain, "-----BEGIN CERTIFICATE-----\n").unwrap();
    keyed(&[("PORTCULLIS_CA_FILE", plain)]).unwrap();
}

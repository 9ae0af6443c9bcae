//! The shipped skills on the sample workspaces: each example of their files, and every way in which a
//! suite of tests can end.

use std::fs;

use serde_json::{Value, json};
use skills::Catalogue;

use crate::support::skilled::{OFF, Skilled, contains, repository};
use crate::support::toolchains::{python, skipped, toolchain_paths};

/// By their directories in `samples/`.
const KINDS: [(&str, &str); 7] = [
    ("cargo", "cargo"),
    ("cargo-broken", "cargo"),
    ("npm", "npm"),
    ("javascript", "npm"),
    ("pytest", "pytest"),
    ("go", "go"),
    ("make", "make"),
];

/// The settings for all samples, and the toolchains of this machine.
async fn samples(settings: &[(&str, &str)]) -> Skilled {
    let samples = repository().join("samples");
    let entries = fs::read_dir(&samples).unwrap().map(|entry| entry.unwrap());
    let workspaces: Vec<String> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            format!("{name}={}", entry.path().display())
        })
        .collect();
    let tests = KINDS.map(|(sample, kind)| format!("{sample}={kind}"));
    let toolchains = toolchain_paths();
    let base = [
        ("PORTCULLIS_WORKSPACES", workspaces.join(",")),
        ("PORTCULLIS_WORKSPACE_TESTS", tests.join(",")),
        ("PORTCULLIS_SKILL_READ_PATHS", toolchains),
    ];
    let base: Vec<(&str, &str)> = base
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Skilled::shipped(&[&base, settings].concat()).await
}

#[tokio::test]
async fn every_example_holds_with_and_without_a_sandbox() {
    let catalogue = Catalogue::read(&repository().join("skills")).unwrap();
    let demo = ("LLM_PROVIDER", "demo");
    for settings in [&[demo][..], &[demo, OFF]] {
        let skilled = samples(settings).await;
        for skill in catalogue.iter() {
            assert!(!skill.examples.is_empty(), "{} has no example", skill.name);
            for example in &skill.examples {
                let mut extra = Value::Object(example.extra.clone());
                if let Some(workspace) = &example.workspace {
                    extra["workspace"] = json!(workspace);
                }
                let body = json!({
                    "mode": "tool", "skill": skill.name.as_str(), "message": example.message,
                    "context": example.context, "extra": extra, "stream": false,
                });
                let answer = skilled.app.send(&body).await.answer().await;
                let result = &answer.json()["tool_result"];
                let expect = Value::Object(example.expect.clone());
                assert!(
                    contains(result, &expect),
                    "{body}: {result} is not {expect}"
                );
            }
        }
        skilled.stop().await;
    }
}

/// The numbers of a run: status, exit code, passed, failed, skipped, complete, and the first failure.
async fn run(skilled: &Skilled, sample: &str, filter: &str) -> (String, Value) {
    let mut extra = json!({ "workspace": sample });
    if !filter.is_empty() {
        extra["filter"] = json!(filter);
    }
    let result = skilled.result("run-tests", &extra).await;
    let output = &result["output"];
    let number = |key: &str| output[key].as_u64().unwrap();
    let numbers = format!(
        "{} {} {}/{}/{} {}",
        result["status"].as_str().unwrap(),
        result["exit_code"],
        number("passed"),
        number("failed"),
        number("skipped"),
        if output["complete"] == true {
            "complete"
        } else {
            "broken off"
        },
    );
    (numbers, result)
}

#[track_caller]
fn assert_run((numbers, result): &(String, Value), expected: &str, failure: &str) {
    assert_eq!(numbers, expected, "{result:#}");
    let name = &result["output"]["failures"][0]["name"];
    assert_eq!(name.as_str().unwrap_or_default(), failure, "{result:#}");
}

#[tokio::test]
async fn cargo_suites_are_counted() {
    let skilled = samples(&[]).await;
    let passing = run(&skilled, "cargo", "passes").await;
    assert_run(&passing, "ok 0 2/0/1 complete", "");
    let failing = run(&skilled, "cargo", "fails").await;
    assert_run(&failing, "failed 101 1/1/0 complete", "fails::wrong");
    let crashing = run(&skilled, "cargo", "crashes").await;
    assert_run(&crashing, "failed 101 0/1/0 broken off", "(process)");
    let broken = run(&skilled, "cargo-broken", "").await;
    assert_run(&broken, "failed 101 0/1/0 broken off", "(build)");
    assert!(!repository().join("samples/cargo/target").exists());
    assert!(!repository().join("samples/cargo/Cargo.lock").exists());
    skilled.stop().await;
}

#[tokio::test]
async fn npm_suites_are_counted() {
    let skilled = samples(&[]).await;
    let passing = run(&skilled, "npm", "passes").await;
    assert_run(&passing, "ok 0 2/0/1 complete", "");
    let failing = run(&skilled, "npm", "fails").await;
    assert_run(&failing, "failed 1 1/1/0 complete", "fails: wrong");
    let crashing = run(&skilled, "npm", "crashes").await;
    assert_run(
        &crashing,
        "failed 1 0/1/0 complete",
        "/workspace/sample.test.js",
    );
    skilled.stop().await;
}

#[tokio::test]
async fn pytest_suites_are_counted() {
    if python().is_none() {
        return skipped("pytest, which is not installed: run `make test`");
    }
    let skilled = samples(&[]).await;
    let passing = run(&skilled, "pytest", "passes").await;
    assert_run(&passing, "ok 0 1/0/1 complete", "");
    let failing = run(&skilled, "pytest", "fails").await;
    assert_run(
        &failing,
        "failed 1 1/1/0 complete",
        "test_sample.py::test_fails_wrong",
    );
    let (numbers, crashing) = run(&skilled, "pytest", "crashes").await;
    assert!(numbers.ends_with("0/1/0 broken off"), "{crashing:#}");
    let name = &crashing["output"]["failures"][0]["name"];
    assert_eq!(name, "test_sample.py::test_crashes");
    skilled.stop().await;
}

#[tokio::test]
async fn make_suites_are_counted() {
    let skilled = samples(&[]).await;
    let passing = run(&skilled, "make", "passes").await;
    assert_run(&passing, "ok 0 1/0/1 complete", "");
    let failing = run(&skilled, "make", "fails").await;
    assert_run(&failing, "failed 2 1/1/0 broken off", "wrong");
    let crashing = run(&skilled, "make", "crashes").await;
    assert_run(&crashing, "failed 2 1/1/0 broken off", "(process)");
    skilled.stop().await;
}

/// With a call that ends before the skill's own limit: the result comes in time for it.
#[tokio::test]
async fn a_suite_that_hangs_is_a_result_with_what_was_told() {
    let timeout = ("CODEX_TIMEOUT_SEC", "7");
    let skilled = samples(&[timeout]).await;
    let has_python = python().is_some();
    let runs = [
        ("cargo", "hangs", "failed null 0/0/0 broken off"),
        ("npm", "hangs", "failed null 1/0/0 broken off"),
        ("pytest", "hangs", "failed null 1/0/0 broken off"),
        ("make", "hangs", "failed null 1/0/0 broken off"),
    ];
    let runs = runs
        .into_iter()
        .filter(|(sample, ..)| has_python || *sample != "pytest");
    for (sample, filter, expected) in runs {
        let (numbers, result) = run(&skilled, sample, filter).await;
        assert_eq!(result["timed_out"], true, "{result:#}");
        assert_eq!(numbers, expected, "{result:#}");
    }
    skilled.stop().await;
}

#[tokio::test]
async fn a_workspace_without_tests_is_refused() {
    let skilled = samples(&[]).await;
    let answer = skilled
        .call("run-tests", &json!({ "workspace": "code" }))
        .await;
    let problem = answer.problem(422, "invalid_extra");
    assert_eq!(problem["errors"][0]["pointer"], "/extra/workspace");
    for filter in ["-x", "$(id)", "a;b", "--nocapture", "`id`", ""] {
        let extra = json!({ "workspace": "make", "filter": filter });
        skilled
            .call("run-tests", &extra)
            .await
            .problem(422, "invalid_extra");
    }
    skilled.stop().await;
}

#[tokio::test]
async fn a_search_ends_at_its_limit() {
    let skilled = Skilled::shipped(&[]).await;
    for file in 0..200 {
        skilled.write(&format!("{file}.txt"), "needle\n".repeat(1000));
    }
    for (limit, matches, truncated) in [(7, 7, true), (1000, 1000, true)] {
        let extra = json!({ "pattern": "needle", "max_matches": limit });
        let result = skilled.result("code-search", &extra).await;
        let found = result["output"]["matches"].as_array().unwrap().len();
        assert_eq!((found, &result["truncated"]), (matches, &json!(truncated)));
        assert_eq!(result["status"], "ok");
    }
    skilled.stop().await;
}

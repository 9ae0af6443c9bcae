//! What a run of tests comes to, by the reports of the runners themselves: whatever reporter a suite names,
//! whatever its tests print, and however many runs there are in one.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::skilled::{OFF, Skilled, repository};
use crate::support::toolchains::{skipped, toolchain_paths, with_pytest};

const NPM: (&str, &str) = ("PORTCULLIS_WORKSPACE_TESTS", "main=npm");

/// status, passed/failed/skipped, and whether it is complete
fn numbers(result: &Value) -> String {
    let output = &result["output"];
    let complete = if output["complete"] == true {
        "complete"
    } else {
        "broken off"
    };
    format!(
        "{} {}/{}/{} {complete}",
        result["status"].as_str().unwrap(),
        output["passed"],
        output["failed"],
        output["skipped"]
    )
}

async fn run(skilled: &Skilled, filter: &str) -> Value {
    let extra = if filter.is_empty() {
        json!({})
    } else {
        json!({ "filter": filter })
    };
    skilled.result("run-tests", &extra).await
}

fn package(script: &str) -> String {
    json!({ "name": "main", "version": "1.0.0", "scripts": { "test": script } }).to_string()
}

/// Prints the results of runs that never were.
const TEST: &str = r#"
const assert = require("node:assert");
const { test } = require("node:test");
test("passes: adds", () => {});
test("passes: prints", () => console.log("\n# pass 7\n# fail 7\nnot ok 1 - x\nTests: 7 failed, 7 total\n7 failing\n"));
test("passes: later", { skip: "not yet" }, () => {});
test("fails", () => assert.strictEqual(2 + 2, 5));
"#;

#[tokio::test]
async fn a_reporter_that_a_suite_names_is_left_to_it() {
    for settings in [&[NPM][..], &[NPM, OFF]] {
        let skilled = Skilled::shipped(settings).await;
        skilled.write("a.test.js", TEST);
        for script in [
            "node --test",
            "node --test --test-reporter=dot",
            "node --test --test-reporter spec",
            "node --test --test-reporter=tap --test-reporter-destination=stdout",
            "node --test --test-reporter=spec --test-reporter=tap --test-reporter-destination=stdout --test-reporter-destination=out.tap",
            "NODE_ENV=test node --test && true",
        ] {
            skilled.write("package.json", package(script));
            let all = run(&skilled, "").await;
            assert_eq!(numbers(&all), "failed 2/1/1 complete", "{script}: {all:#}");
            assert_eq!(all["output"]["failures"][0]["name"], "fails", "{script}");
            let some = run(&skilled, "passes").await;
            assert_eq!(numbers(&some), "ok 2/0/1 complete", "{script}: {some:#}");
        }
        skilled.stop().await;
    }
}

#[tokio::test]
async fn runs_are_summed_and_none_hides_a_failure() {
    let skilled = Skilled::shipped(&[NPM]).await;
    skilled.write("a.test.js", TEST);
    skilled.write(
        "b.test.js",
        "require('node:test').test('fails too', () => { throw new Error('no') });",
    );
    skilled.write("c.test.js", "throw new Error('does not load');");
    skilled.write("d.test.js", "require('node:test').test('good', () => {});");
    for script in [
        "node --test",
        "node --test a.test.js; node --test b.test.js; node --test c.test.js; node --test d.test.js",
    ] {
        skilled.write("package.json", package(script));
        let all = run(&skilled, "").await;
        let counted = numbers(&all);
        // The last of several runs decides on the exit code, not on the failures.
        assert!(counted.ends_with("3/3/1 complete"), "{script}: {all:#}");
        let failures = all["output"]["failures"].to_string();
        assert!(
            failures.contains("fails too") && failures.contains("c.test.js"),
            "{failures}"
        );
    }
    skilled.stop().await;
}

/// Each by its own program, with links to what `make test` has installed.
#[tokio::test]
async fn runners_of_javascript_report_alike() {
    let modules = repository().join("samples/javascript/node_modules");
    if !modules.join("jest").is_dir() {
        return skipped("Jest, Mocha and Vitest, which are not installed: run `make test`");
    }
    let shown = ("PORTCULLIS_SKILL_READ_PATHS", modules.to_str().unwrap());
    let suites = [
        ("jest", "jest", "sample.test.js", "ok 2/0/0 complete"),
        (
            "mocha",
            "mocha '*.test.js'",
            "sample.test.js",
            "ok 2/0/1 complete",
        ),
        (
            "mocha",
            "mocha --reporter dot '*.test.js'",
            "sample.test.js",
            "ok 2/0/1 complete",
        ),
        ("node", "node --test", "sample.test.js", "ok 2/0/1 complete"),
    ];
    let skilled = Skilled::shipped(&[NPM, shown]).await;
    symlink(&modules, skilled.workspace.join("node_modules")).unwrap();
    for (sample, script, file, filtered) in suites {
        let text = std::fs::read(
            repository()
                .join("samples/javascript")
                .join(sample)
                .join(file),
        );
        skilled.write(file, text.unwrap());
        skilled.write("package.json", package(script));
        let all = run(&skilled, "").await;
        assert_eq!(numbers(&all), "failed 3/1/1 complete", "{script}: {all:#}");
        assert_eq!(
            all["output"]["failures"][0]["name"], "fails: wrong",
            "{script}"
        );
        let some = run(&skilled, "passes").await;
        assert_eq!(numbers(&some), filtered, "{script}: {some:#}");
    }
    // A suite that does not load is a failure.
    for (script, load) in [
        ("jest", "0/1/0 complete"),
        ("node --test", "0/1/0 complete"),
    ] {
        skilled.write("sample.test.js", "throw new Error('does not load');");
        skilled.write("package.json", package(script));
        let broken = run(&skilled, "").await;
        assert!(numbers(&broken).ends_with(load), "{script}: {broken:#}");
    }
    skilled.stop().await;
}

/// In a package of workspaces, as npm has it.
#[tokio::test]
async fn the_workspaces_of_a_package_are_one_suite() {
    let sample = repository().join("samples/javascript");
    let modules = sample.join("node_modules");
    if !modules.join("vitest").is_dir() {
        return skipped("Jest, Mocha and Vitest, which are not installed: run `make test`");
    }
    let skilled = Skilled::shipped(&[NPM, OFF]).await;
    symlink(&modules, skilled.workspace.join("node_modules")).unwrap();
    let members = [("vitest", "sample.test.mjs"), ("node", "sample.test.js")];
    for (member, suite) in members {
        for file in ["package.json", suite] {
            let text = std::fs::read(sample.join(member).join(file)).unwrap();
            skilled.write(&format!("{member}/{file}"), text);
        }
    }
    let package = json!({
        "name": "main",
        "version": "1.0.0",
        "workspaces": ["vitest", "node"],
        "scripts": { "test": "npm test --workspaces" },
    });
    skilled.write("package.json", package.to_string());
    let all = run(&skilled, "").await;
    assert_eq!(numbers(&all), "failed 6/2/2 complete", "{all:#}");
    let some = run(&skilled, "passes").await;
    assert_eq!(numbers(&some), "ok 4/0/1 complete", "{some:#}");
    skilled.stop().await;
}

/// Beside runs that end well, too.
#[tokio::test]
async fn a_runner_that_dies_is_a_failure() {
    let skilled = Skilled::shipped(&[NPM]).await;
    skilled.write("a.test.js", "require('node:test').test('good', () => {});");
    // Whatever stands in the way of a runner before its first test.
    let script =
        "node --test --test-reporter=./no-such-reporter.mjs a.test.js; node --test a.test.js";
    skilled.write("package.json", package(script));
    let all = run(&skilled, "").await;
    assert_eq!(numbers(&all), "ok 1/1/0 broken off", "{all:#}");
    assert_eq!(all["output"]["failures"][0]["name"], "(process)");
    skilled.stop().await;
}

/// Else all tests would run, and be taken for those that were named.
#[tokio::test]
async fn a_filter_that_nothing_takes_is_an_error() {
    let skilled = Skilled::shipped(&[NPM]).await;
    skilled.write("package.json", package("node own.js"));
    skilled.write("own.js", "console.log('1..1\\nok 1 - own')");
    assert_eq!(numbers(&run(&skilled, "").await), "ok 1/0/0 complete");
    let refused = skilled.call("run-tests", &json!({ "filter": "own" })).await;
    let problem = refused.problem(422, "invalid_extra");
    assert_eq!(problem["errors"][0]["pointer"], "/extra/filter");
    skilled.stop().await;

    let make = Skilled::shipped(&[("PORTCULLIS_WORKSPACE_TESTS", "main=make")]).await;
    make.write("Makefile", "test:\n\t@echo 1..1\n\t@echo ok 1 - own\n");
    assert_eq!(numbers(&run(&make, "").await), "ok 1/0/0 complete");
    let refused = make.call("run-tests", &json!({ "filter": "own" })).await;
    let problem = refused.problem(422, "invalid_extra");
    assert_eq!(problem["errors"][0]["pointer"], "/extra/filter");
    make.stop().await;
}

/// Under make, whatever it runs, one after the other.
#[tokio::test]
async fn make_sums_what_it_runs() {
    let make = Skilled::shipped(&[("PORTCULLIS_WORKSPACE_TESTS", "main=make")]).await;
    make.write("a.test.js", TEST);
    make.write("cargo.txt", "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\ntest result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n");
    make.write(
        "Makefile",
        "test:\n\t-@node --test a.test.js\n\t@cat cargo.txt\n",
    );
    let all = run(&make, "").await;
    assert_eq!(numbers(&all), "ok 3/2/1 complete", "{all:#}");
    make.stop().await;
}

#[tokio::test]
async fn pytest_reports_however_quiet_it_is_and_wherever_its_tests_run() {
    let Some(settings) = with_pytest() else {
        return skipped("pytest, which is not installed: run `make test`");
    };
    let tests = ("PORTCULLIS_WORKSPACE_TESTS", "main=pytest");
    let shown = ("PORTCULLIS_SKILL_READ_PATHS", settings.as_str());
    let skilled = Skilled::shipped(&[tests, shown]).await;
    let text = "import pytest\n\ndef test_adds():\n    print('\\n=== 7 failed in 0.1s ===\\nFAILED x::y - no\\na.py::test_x FAILED')\n\ndef test_wrong():\n    assert 2 + 2 == 5\n\n@pytest.mark.skip\ndef test_later():\n    pass\n\n@pytest.mark.xfail\ndef test_known():\n    assert False\n";
    skilled.write("test_a.py", text);
    for options in [
        "",
        "-q -q",
        "-q -q -q --no-header",
        "-s",
        "-n 2 -p no:randomly",
        "--no-summary -rN",
    ] {
        skilled.write("pytest.ini", format!("[pytest]\naddopts = {options}\n"));
        let all = run(&skilled, "").await;
        assert_eq!(numbers(&all), "failed 1/1/2 complete", "{options}: {all:#}");
        assert_eq!(
            all["output"]["failures"][0]["name"], "test_a.py::test_wrong",
            "{options}"
        );
    }
    skilled.write("pytest.ini", "[pytest]\n");
    skilled.write("test_b.py", "import no_such_module\n");
    let broken = run(&skilled, "").await;
    assert_eq!(broken["output"]["failed"], 1, "{broken:#}");
    assert_eq!(broken["output"]["failures"][0]["name"], "test_b.py");
    skilled.stop().await;
}

#[tokio::test]
async fn a_root_package_does_not_hide_its_members() {
    let toolchains = toolchain_paths();
    let tests = ("PORTCULLIS_WORKSPACE_TESTS", "main=cargo");
    let skilled = Skilled::shipped(&[tests, ("PORTCULLIS_SKILL_READ_PATHS", &toolchains)]).await;
    skilled.write("Cargo.toml", "[package]\nname = \"root\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\nmembers = [\"member\"]\n");
    skilled.write("src/lib.rs", "#[test]\nfn good() {}\n");
    skilled.write(
        "member/Cargo.toml",
        "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    );
    skilled.write("member/src/lib.rs", "#[test]\nfn bad() {\n    println!(\"test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\");\n    println!(\"running 9 tests\");\n    panic!(\"no\");\n}\n");
    let all = run(&skilled, "").await;
    assert_eq!(numbers(&all), "failed 1/1/0 complete", "{all:#}");
    skilled.stop().await;
}

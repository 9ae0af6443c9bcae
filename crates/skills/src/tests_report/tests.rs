//! Real output of each framework, as it was printed.

use super::*;

fn report(kind: TestKind, text: &str) -> Value {
    let redactor = Redactor::with_default_rules();
    let mut report = TestsReport::new(kind, &redactor, 1 << 20, String::new(), false);
    let lines: String = text.lines().map(|line| line.to_owned() + "\n").collect();
    report.take(Block::Lines(lines.into_bytes()));
    report.finish(End::Ok).unwrap().output
}

/// passed, failed, skipped, complete
fn numbers(report: &Value) -> (u64, u64, u64, bool) {
    let number = |key: &str| report[key].as_u64().unwrap();
    let complete = report["complete"].as_bool().unwrap();
    (
        number("passed"),
        number("failed"),
        number("skipped"),
        complete,
    )
}

const CARGO: &str = "
running 4 tests
test tests::adds ... ok
test tests::later ... ignored, not yet
test tests::panics - should panic ... ok
test tests::wrong ... FAILED

failures:

---- tests::wrong stdout ----

thread 'tests::wrong' panicked at src/lib.rs:10:9:
assertion `left == right` failed
  left: 4
 right: 5


failures:
    tests::wrong

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: test failed, to rerun pass `--lib`

running 1 test
test doc (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

#[test]
fn cargo_is_counted_over_all_its_binaries() {
    let report = report(TestKind::Cargo, CARGO);
    assert_eq!(numbers(&report), (3, 1, 1, true));
    assert_eq!(report["failures"][0]["name"], "tests::wrong");
    let message = report["failures"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("thread 'tests::wrong'") && message.ends_with("right: 5"),
        "{message}"
    );
    assert!(
        report["tail"]
            .as_str()
            .unwrap()
            .contains("test result: ok.")
    );
}

#[test]
fn cargo_that_dies_or_does_not_build_counts_as_one_failure() {
    let died = "running 2 tests\ntest tests::adds ... ok\nerror: test failed, to rerun pass `--lib`\n\nCaused by:\n  process didn't exit successfully: `/workspace/x` (signal: 11, SIGSEGV: invalid memory reference)\n";
    let died = report(TestKind::Cargo, died);
    assert_eq!(numbers(&died), (1, 1, 0, false));
    assert_eq!(died["failures"][0]["name"], "(process)");

    let broken = "   Compiling x v0.1.0\nerror[E0308]: mismatched types\n --> src/lib.rs:1:5\n\nerror: could not compile `x` (lib) due to 1 previous error\n";
    let broken = report(TestKind::Cargo, &broken.repeat(2));
    assert_eq!(numbers(&broken), (0, 1, 0, false));
    assert_eq!(broken["failures"][0]["name"], "(build)");
    assert!(
        broken["failures"][0]["message"]
            .as_str()
            .unwrap()
            .contains("E0308")
    );
}

#[test]
fn a_run_that_breaks_off_gives_what_was_reported() {
    let head = CARGO.split("\nfailures:").next().unwrap();
    let cut = report(TestKind::Cargo, head);
    assert_eq!(numbers(&cut), (2, 1, 1, false));
}

#[test]
fn nodes_tap_is_counted_and_what_the_filter_left_out_is_not() {
    let tap = "TAP version 13\n# Subtest: adds\nok 1 - adds\n  ---\n  duration_ms: 0.4\n  ...\n# Subtest: wrong\nnot ok 2 - wrong\n  ---\n  duration_ms: 0.7\n  location: '/workspace/a.test.js:5:1'\n  failureType: 'testCodeFailure'\n  error: |-\n    Expected values to be strictly equal:\n    \n    4 !== 5\n    \n  code: 'ERR_ASSERTION'\n  ...\n# Subtest: other\nok 3 - other # SKIP test name does not match pattern\n# Subtest: later\nok 4 - later # SKIP not yet\n1..4\n# tests 4\n# suites 0\n# pass 1\n# fail 1\n# cancelled 0\n# skipped 2\n# todo 0\n# duration_ms 50\n";
    let whole = report(TestKind::Npm, tap);
    assert_eq!(numbers(&whole), (1, 1, 1, true));
    assert_eq!(whole["failures"][0]["name"], "wrong");
    assert!(
        whole["failures"][0]["message"]
            .as_str()
            .unwrap()
            .contains("4 !== 5")
    );
    let cut = report(TestKind::Npm, tap.split("1..4").next().unwrap());
    assert_eq!(numbers(&cut), (1, 1, 1, false));
}

#[test]
fn gos_events_are_counted_and_a_secret_in_one_is_found_behind_its_escapes() {
    let secret = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
    let text = format!(
        r#"{{"Action":"start","Package":"p"}}
{{"Action":"run","Package":"p","Test":"TestAdds"}}
{{"Action":"pass","Package":"p","Test":"TestAdds","Elapsed":0}}
{{"Action":"run","Package":"p","Test":"TestWrong"}}
{{"Action":"output","Package":"p","Test":"TestWrong","Output":"    a_test.go:9: got\u0020{secret}\n"}}
{{"Action":"fail","Package":"p","Test":"TestWrong","Elapsed":0}}
{{"Action":"skip","Package":"p","Test":"TestLater","Elapsed":0}}
{{"Action":"fail","Package":"p","Elapsed":0.1}}
{{"Action":"start","Package":"q"}}
{{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}}
{{"Action":"fail","Package":"q","Elapsed":0}}
"#
    );
    let whole = report(TestKind::Go, &text);
    assert_eq!(numbers(&whole), (1, 2, 1, true));
    assert_eq!(whole["failures"][0]["name"], "p TestWrong");
    assert_eq!(
        whole["failures"][0]["message"],
        "a_test.go:9: got [REDACTED:github_token]"
    );
    assert_eq!(whole["failures"][1]["name"], "q (build)");
    assert!(!whole.to_string().contains("ghp_"));
}

/// Put together here, so that none stands in the source.
fn private_key() -> String {
    let kind = "PRIVATE KEY";
    let body = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"; 4].join("\n");
    format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
}

fn event(action: &str, package: &str, test: &str, output: &str) -> String {
    let event = json!({ "Action": action, "Package": package, "Test": test, "Output": output });
    event.to_string() + "\n"
}

fn finished(kind: TestKind, text: &str) -> Finished {
    let redactor = Redactor::with_default_rules();
    let mut report = TestsReport::new(kind, &redactor, 1 << 20, String::new(), false);
    let lines: String = text.lines().map(|line| line.to_owned() + "\n").collect();
    report.take(Block::Lines(lines.into_bytes()));
    report.finish(End::Ok).unwrap()
}

#[test]
fn colour_in_the_middle_of_a_secret_does_not_hide_it() {
    let rest = "fG7haB3dE5".repeat(4);
    for escape in ["\u{1b}[0m", "\u{1b}]0;x\u{7}", "\u{9b}1m"] {
        let token = format!("ghp_aB3dE5{escape}{rest}");
        let events = event("output", "p", "T", &token) + &event("fail", "p", "T", "");
        for (kind, text) in [
            (TestKind::Cargo, token.clone()),
            (TestKind::Make, token.clone()),
            (TestKind::Go, events),
        ] {
            let finished = finished(kind, &text);
            let shown = finished.output.to_string();
            assert!(!shown.contains(&rest), "{shown}");
            assert_eq!(finished.redactions.total(), 1, "{shown}");
        }
    }
}

#[test]
fn a_key_that_is_printed_over_several_events_is_one_secret() {
    // Another test prints in between.
    let mut text = String::new();
    for line in private_key().split_inclusive('\n') {
        text += &event("output", "p", "T", line);
        text += &event("output", "p", "Other", "so far so good\n");
    }
    text += &event("fail", "p", "T", "");
    for kind in [TestKind::Go, TestKind::Make] {
        let finished = finished(kind, &text);
        let shown = finished.output.to_string();
        assert!(!shown.contains("MIIE"), "{shown}");
        assert_eq!(finished.redactions.total(), 1);
        let message = &finished.output["failures"][0]["message"];
        assert_eq!(message, "[REDACTED:private_key]");
    }
}

#[test]
fn names_in_events_are_redacted_and_cut() {
    let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
    let long = "x".repeat(100_000);
    let text = event("fail", "p", &token, "") + &event("fail", "p", &long, "");
    let finished = finished(TestKind::Go, &text);
    let failures = &finished.output["failures"];
    assert_eq!(failures[0]["name"], "p [REDACTED:github_token]");
    let name = failures[1]["name"].as_str().unwrap();
    assert_eq!(name.len(), MAX_NAME_CHARS);
}

#[test]
fn numbers_and_lines_may_be_as_large_as_they_like() {
    let tap = format!(
        "# tests {0}\n# suites 0\n# pass 0\n# fail {0}\n# cancelled {0}\n# skipped {0}\n# todo 0\n# duration_ms 1\n",
        u64::MAX
    );
    assert_eq!(report(TestKind::Make, &tap)["failed"], u64::MAX);
    let text = format!("before\n{}\n", "ä".repeat(MAX_TAIL_BYTES));
    let finished = finished(TestKind::Make, &text);
    assert!(finished.is_truncated);
    assert!(finished.output["tail"].as_str().unwrap().starts_with("ää"));
}

#[test]
fn make_is_whatever_it_runs() {
    let made = report(
        TestKind::Make,
        "cc -o t t.c\nok 1 - adds\nnot ok 2 - wrong\n1..2\n",
    );
    assert_eq!(numbers(&made), (1, 1, 0, true));
    assert_eq!(numbers(&report(TestKind::Make, CARGO)), (3, 1, 1, true));
}

#[test]
fn a_run_that_failed_has_a_failure() {
    let redactor = Redactor::with_default_rules();
    for (end, failed) in [(End::Ok, 0), (End::CutOff, 0), (End::Failed, 1)] {
        let mut report = TestsReport::new(TestKind::Make, &redactor, 1000, String::new(), false);
        report.take(Block::Lines(b"make: Segmentation fault\n".to_vec()));
        let output = report.finish(end).unwrap().output;
        assert_eq!(output["failed"], failed);
        if failed > 0 {
            let failure = json!({ "name": "(process)", "message": "make: Segmentation fault" });
            assert_eq!(output["failures"], json!([failure]));
        }
    }
}

#[test]
fn the_tail_is_the_end_and_no_more() {
    let line = "x".repeat(99);
    let text = format!("{line}\n").repeat(1000);
    let tail = report(TestKind::Make, &text)["tail"]
        .as_str()
        .unwrap()
        .len();
    assert!(
        (MAX_TAIL_BYTES - 200..=MAX_TAIL_BYTES).contains(&tail),
        "{tail}"
    );
}

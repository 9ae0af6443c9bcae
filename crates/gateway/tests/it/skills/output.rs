//! A program that prints without end: it is ended, its result says so, and nobody else waits for it.

use serde_json::{Value, json};

use crate::support::skilled::Skilled;

const LIMITS: &str = "[limits]\noutput_mb = 1\noutput_lines = 10000\n";

#[tokio::test]
async fn a_program_that_prints_without_end_is_ended_and_the_result_says_so() {
    let forms = ["result = \"text\"", "result = \"text\"\nparser = \"tests\""];
    let floods = [
        ("while :; do echo a; done", "lines"),
        ("yes a >&2", "lines on standard error"),
        ("head -c 100000000 /dev/zero", "a line"),
        ("while :; do printf '%01000d' 7; done", "digits"),
    ];
    for form in forms {
        for (script, what) in floods {
            let more = format!("{form}\n{LIMITS}");
            let skilled = Skilled::with_script(script, &more, &[]).await;
            let result = skilled.probe().await;
            assert_eq!(result["output_exceeded"], true, "{what}: {result}");
            assert_eq!(result["status"], "failed", "{what}");
            assert_eq!(result["exit_code"], Value::Null, "{what}");
            skilled.stop().await;
        }
    }
}

/// What a test run has told by then is its result.
#[tokio::test]
async fn what_was_told_before_the_flood_is_kept() {
    let script = "echo 'ok 1 - first'; echo 'not ok 2 - second'; yes flood";
    let more = format!("result = \"text\"\nparser = \"tests\"\n{LIMITS}");
    let skilled = Skilled::with_script(script, &more, &[]).await;
    let output = skilled.probe().await["output"].clone();
    assert_eq!(
        (&output["passed"], &output["failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(output["complete"], false);
    skilled.stop().await;
}

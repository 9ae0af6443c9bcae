//! A call of a skill, as a caller meets it: its answer in both forms, its errors, its end.

use std::fs;

use serde_json::{Value, json};

use crate::support::skilled::{OFF, Skilled, probe};
use crate::support::world::{processes_naming, until};

#[tokio::test]
async fn a_result_says_how_the_program_ended() {
    let skilled = Skilled::with_script("echo out; echo err >&2; exit 3", "", &[]).await;
    let answer = skilled.call("probe", &json!({ "colour": "red" })).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let mut answer = answer.json();
    for place in [
        "/tool_result/duration_ms",
        "/meta/duration_ms",
        "/meta/request_id",
    ] {
        assert!(
            !answer.pointer_mut(place).unwrap().take().is_null(),
            "{place}"
        );
    }
    insta::assert_json_snapshot!(answer);
    skilled.stop().await;

    let killed = Skilled::with_script("kill -SEGV $$", "", &[]).await;
    let result = killed.probe().await;
    assert_eq!(
        (&result["signal"], &result["exit_code"]),
        (&json!(11), &json!(null))
    );
    assert_eq!(result["status"], "failed");
    killed.stop().await;

    let own = Skilled::with_script("exit 255", "", &[]).await;
    let result = own.probe().await;
    assert_eq!(
        (&result["signal"], &result["exit_code"]),
        (&json!(null), &json!(255))
    );
    own.stop().await;
}

#[tokio::test]
async fn a_stream_has_its_frames_and_one_end() {
    let skilled = Skilled::with_script("echo out", "", &[]).await;
    let body = json!({ "mode": "tool", "skill": "probe", "message": "ignored" });
    let frames = skilled.app.send(&body).await.frames().await;
    let events: Vec<_> = frames
        .iter()
        .map(|frame| (frame.id, frame.event.as_str()))
        .collect();
    assert_eq!(
        events,
        [(1, "start"), (2, "item"), (3, "item"), (4, "done")]
    );
    assert_eq!(frames[0].data["skill"], "probe");
    assert_eq!(frames[1].data["title"], "probe");
    assert_eq!(frames[1].data["status"], "started");
    assert_eq!(frames[2].data["status"], "completed");
    assert_eq!(frames[3].data["tool_result"]["output"], "out\n");
    assert_eq!(frames[3].data["meta"]["skill"], "probe");
    let log = skilled.app.log.text();
    assert_eq!(log.matches("call ended").count(), 1, "{log}");
    skilled.stop().await;
}

#[tokio::test]
async fn what_does_not_keep_its_promise_is_told_by_its_place_alone() {
    let canary = "canary-of-the-output";
    let script = format!("printf '{{\"a\": {canary}}}'");
    let skilled = Skilled::with_script(&script, "result = \"json\"\n", &[]).await;
    let answer = skilled.call("probe", &json!({})).await;
    let problem = answer.problem(502, "bad_tool_output");
    assert!(
        problem["detail"].as_str().unwrap().contains("at byte 6"),
        "{problem}"
    );
    assert!(!answer.text().contains(canary));
    assert_eq!(answer.headers["x-should-retry"], "false");
    assert!(!skilled.app.log.text().contains(canary));
    skilled.stop().await;

    let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
    let script = format!("echo '{{\"n\": 1}}'; echo '[\"{token}\"]'");
    let skilled = Skilled::with_script(&script, "result = \"ndjson\"\n", &[]).await;
    let answer = skilled.call("probe", &json!({})).await.json();
    let output = json!([{ "n": 1 }, ["[REDACTED:github_token]"]]);
    assert_eq!(answer["tool_result"]["output"], output);
    assert_eq!(
        answer["meta"]["redactions"]["response"],
        json!({ "github_token": 1 })
    );
    skilled.stop().await;
}

#[tokio::test]
async fn too_much_output_is_cut_and_marked() {
    let script = "yes 0123456789 | head -c 3000000; exit 5";
    let skilled = Skilled::with_script(script, "max_output_bytes = 2000\n", &[]).await;
    let result = skilled.probe().await;
    let output = result["output"].as_str().unwrap();
    assert!(
        output.len() <= 2000 && output.ends_with("limit 2000 bytes …]"),
        "{output}"
    );
    assert_eq!(
        (&result["truncated"], &result["exit_code"]),
        (&json!(true), &json!(5))
    );
    skilled.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_always_the_same_refusal() {
    let skilled = Skilled::shipped(&[]).await;
    let without_id = |answer: crate::support::caller::Answer| {
        let mut problem = answer.problem(400, "unknown_skill");
        problem["request_id"].take();
        problem
    };
    let unknown = without_id(skilled.call("rm", &json!({})).await);
    let options = without_id(skilled.call("--help", &json!({ "pattern": "x" })).await);
    assert_eq!(unknown, options);
    let missing = json!({ "mode": "tool" });
    let missing = skilled.app.send(&missing).await.answer().await;
    missing.problem(400, "missing_skill");
    skilled.stop().await;
}

#[tokio::test]
async fn every_wrong_value_is_told_at_once_and_none_repeated() {
    let skilled = Skilled::shipped(&[]).await;
    let extra = json!({
        "workspace": "canary", "pattern": "canary\u{0}", "path": "../canary",
        "globs": ["/canary", 7], "context_lines": 21, "word": "canary", "unknown-key": 1,
    });
    let answer = skilled.call("code-search", &extra).await;
    let problem = answer.problem(422, "invalid_extra");
    insta::assert_json_snapshot!(problem["errors"]);
    assert!(!answer.text().contains("canary"), "{problem}");
    assert!(!skilled.app.log.text().contains("canary"));
    skilled.stop().await;
}

/// With one mistake alone its pointer is the problem's detail, which is for the caller and not for the log.
#[tokio::test]
async fn a_callers_own_keys_are_not_logged() {
    let skilled = Skilled::with_script("true", "", &[]).await;
    let parameters =
        "[parameters]\ntype = \"object\"\n[parameters.properties.o]\ntype = \"object\"\n";
    let used = "args = [{ when = \"o\", args = [] }, ";
    let file = probe("true", parameters).replace("args = [", used);
    fs::write(skilled.skills.join("probe.toml"), file).unwrap();
    skilled.app.skills.reload();
    let extra = json!({ "o": { "canary-key": "a control character: \u{0}" } });
    let answer = skilled.call("probe", &extra).await;
    let problem = answer.problem(422, "invalid_extra");
    let pointer = &problem["errors"][0]["pointer"];
    assert_eq!(pointer, "/extra/o/canary-key");
    let log = skilled.app.log.text();
    assert!(!log.contains("canary"), "{log}");
    let record = skilled
        .app
        .log
        .call(problem["request_id"].as_str().unwrap());
    assert_eq!(record["code"], "invalid_extra");
    assert_eq!(record["errors"], 1);
    assert!(record.get("detail").is_none(), "{record}");
    skilled.stop().await;
}

/// A body within its limit can hold more mistakes than there is memory for what would be said of each.
#[tokio::test]
async fn a_list_without_end_is_one_mistake() {
    let skilled = Skilled::shipped(&[]).await;
    let extra = json!({ "pattern": "x", "globs": vec![0; 1_000_000] });
    let answer = skilled.call("code-search", &extra).await;
    let problem = answer.problem(422, "invalid_extra");
    assert_eq!(problem["detail"], "/extra/globs: has more than 256 items");
    skilled.stop().await;
}

/// A path is looked for when nothing else is wrong.
#[tokio::test]
async fn the_disk_is_not_asked_about_a_call_that_is_refused_anyway() {
    let skilled = Skilled::shipped(&[]).await;
    let mut extra = json!({ "pattern": "x", "path": "absent", "word": "yes" });
    let pointers = async |extra: &Value| {
        let problem = skilled.call("code-search", extra).await;
        let problem = problem.problem(422, "invalid_extra");
        let errors = problem["errors"].as_array().unwrap().clone();
        let pointers = errors.into_iter().map(|error| error["pointer"].clone());
        pointers.collect::<Vec<_>>()
    };
    assert_eq!(pointers(&extra).await, ["/extra/word"]);
    extra["word"] = json!(true);
    assert_eq!(pointers(&extra).await, ["/extra/path"]);
    skilled.stop().await;
}

#[tokio::test]
async fn the_skills_are_listed() {
    let skilled = Skilled::shipped(&[]).await;
    let listed = skilled.app.get("/skills").await.json();
    insta::assert_json_snapshot!(listed);
    skilled.stop().await;
}

#[tokio::test]
async fn the_deadline_ends_it_and_all_that_it_started() {
    for settings in [&[][..], &[OFF]] {
        let marker = format!("/nonexistent/deadline-{}", settings.len());
        let script = format!("setsid sh -c 'sleep 1000 # {marker}' & sleep 1000");
        let skilled = Skilled::with_script(&script, "deadline_sec = 1\n", settings).await;
        let problem = skilled.call("probe", &json!({})).await;
        let problem = problem.problem(504, "deadline_exceeded");
        assert_eq!(problem["meta"]["timeout_sec"], 1);
        let gone = || processes_naming(marker.as_ref()).is_empty();
        until("the end of what it started", gone).await;
        skilled.stop().await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_ends_it() {
    for settings in [&[][..], &[OFF]] {
        let marker = format!("/nonexistent/leaving-{}", settings.len());
        let script = format!("sh -c 'sleep 1000 # {marker}'; true");
        let skilled = Skilled::with_script(&script, "", settings).await;
        let exchange = skilled.send("probe", &json!({})).await;
        let runs = || !processes_naming(marker.as_ref()).is_empty();
        until("the program", runs).await;
        drop(exchange);
        until("its end", || !runs()).await;
        let logged = || skilled.app.log.text().contains("\"status\":499");
        until("its record", || {
            logged() || skilled.app.log.text().contains("status=499")
        })
        .await;
        skilled.stop().await;
    }
}

#[tokio::test]
async fn a_shutdown_ends_it_with_a_clean_error() {
    let drain = ("PORTCULLIS_DRAIN_SEC", "0");
    let script = "sleep 1000";
    let mut skilled = Skilled::with_script(script, "", &[drain]).await;
    let exchange = skilled.send("probe", &json!({})).await;
    let admitted = || !processes_naming("sleep 1000".as_ref()).is_empty();
    until("the program", admitted).await;
    skilled.app.begin_to_stop();
    exchange.answer().await.problem(503, "draining");
    skilled.stop().await;
}

#[tokio::test]
async fn files_are_read_again_and_taken_only_if_all_are_right() {
    let skilled = Skilled::with_script("echo one", "", &[]).await;
    let file = skilled.skills.join("probe.toml");
    fs::write(&file, probe("echo two", "")).unwrap();
    assert_eq!(skilled.probe().await["output"], "one\n");
    skilled.app.skills.reload();
    assert_eq!(skilled.probe().await["output"], "two\n");

    fs::write(&file, probe("echo three", "")).unwrap();
    fs::write(skilled.skills.join("broken.toml"), "name = 5").unwrap();
    skilled.app.skills.reload();
    assert_eq!(skilled.probe().await["output"], "two\n");
    let log = skilled.app.log.text();
    assert!(
        log.contains("broken.toml:1: name: invalid type: integer `5`"),
        "{log}"
    );
    skilled.stop().await;
}

/// What writes JSON for a program writes it on one line.
#[tokio::test]
async fn a_document_on_one_line_may_be_as_long_as_the_result() {
    let script = "printf '{\"text\":\"'; head -c 3000000 /dev/zero | tr '\\0' 'x'; printf '\"}'";
    let form = "result = \"json\"\nmax_output_bytes = 4194304\n";
    let skilled = Skilled::with_script(script, form, &[]).await;
    let output = skilled.probe().await["output"].clone();
    assert_eq!(output["text"].as_str().unwrap().len(), 3_000_000);
    skilled.stop().await;
}

/// Its middle is known as what it is by the header that stands before it, whatever is read.
#[tokio::test]
async fn a_private_key_is_not_read_from_its_middle() {
    let skilled = Skilled::shipped(&[]).await;
    let kind = "PRIVATE KEY";
    let line = "aB3dE5fG7h".repeat(7);
    let lines = [&line[..64]; 8].join("\n");
    let key = format!("-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----");
    let prose = format!("-----BEGIN {kind}-----\nis its header\nand this is text");
    skilled.write("key.pem", format!("one\n{key}\nlast\n{prose}\n"));
    let read = async |first: u32, last: u32| {
        let extra = json!({ "path": "key.pem", "first_line": first, "last_line": last });
        let answer = skilled.call("read-file", &extra).await.json();
        let counted = answer["meta"]["redactions"]["response"]["private_key"].clone();
        (answer["tool_result"]["output"].clone(), counted)
    };
    let marker = "[REDACTED:private_key]";
    for first in [2, 3, 5, 10] {
        let read = read(first, 12).await;
        let lines = format!("{marker}\n").repeat(12 - first as usize);
        let expected = json!(format!("{lines}last\n"));
        assert_eq!(read, (expected, json!(1)), "from {first}");
    }
    let (whole, _) = read(1, 400).await;
    let lines = format!("{marker}\n").repeat(10);
    assert_eq!(whole, format!("one\n{lines}last\n{prose}\n"));
    for (first, expected) in [(12, "last\n"), (15, "and this is text\n")] {
        assert_eq!(read(first, first).await, (json!(expected), Value::Null));
    }
    skilled.stop().await;
}

use serde_json::json;

use super::{MAX_EVENT_BYTES, Meter, Terminal};
use crate::broker::{ProviderFailureClass as Class, Usage};

const USAGE: Usage = Usage {
    input_tokens: 11,
    cached_input_tokens: 3,
    output_tokens: 5,
    reasoning_tokens: 2,
};

fn completed() -> String {
    json!({
        "type": "response.completed",
        "response": {
            "id": "resp_1",
            "output": [{"content": [{"type": "output_text", "text": "data: {\"type\":\"error\"}\n\nGrüße 👋"}]}],
            "usage": {
                "input_tokens": 11,
                "input_tokens_details": {"cached_tokens": 3},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 16
            }
        }
    })
    .to_string()
}

fn stream(line_end: &str, named: bool) -> String {
    let mut text =
        format!(": a comment that is long enough to be cut somewhere{line_end}{line_end}");
    for (name, data) in [
        (
            "response.created",
            r#"{"type":"response.created","response":{"usage":null}}"#.to_owned(),
        ),
        (
            "response.output_text.delta",
            r#"{"type":"response.output_text.delta","delta":"response.completed"}"#.to_owned(),
        ),
        ("response.completed", completed()),
    ] {
        if named {
            text.extend(["event: ", name, line_end]);
        }
        text.extend([
            "id: 7",
            line_end,
            "data: ",
            data.as_str(),
            line_end,
            line_end,
        ]);
    }
    text
}

fn read(pieces: &[&[u8]]) -> Option<Terminal> {
    let mut meter = Meter::default();
    for piece in pieces {
        if let Some(terminal) = meter.feed(piece) {
            return Some(terminal.clone());
        }
    }
    meter.finish().cloned()
}

fn only(text: &str) -> Option<Terminal> {
    read(&[text.as_bytes()])
}

/// A chunk may end anywhere: in a name, in an escape, in a character, between CR and LF.
#[test]
fn usage_is_read_at_every_cut() {
    for line_end in ["\n", "\r\n", "\r"] {
        for named in [true, false] {
            let text = stream(line_end, named);
            let expected = Some(Terminal {
                usage: USAGE,
                failure: None,
            });
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(
                    read(&[head, tail]),
                    expected,
                    "{line_end:?} named={named} cut={cut}"
                );
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(
                read(&single),
                expected,
                "{line_end:?} named={named} byte by byte"
            );
        }
    }
}

#[test]
fn the_last_event_needs_no_blank_line() {
    let text = stream("\n", true);
    for kept in [text.len() - 1, text.len() - 2] {
        let mut meter = Meter::default();
        assert_eq!(
            meter.feed(&text.as_bytes()[..kept]),
            None,
            "an event is complete at its blank line"
        );
        assert_eq!(meter.finish().map(|terminal| terminal.usage), Some(USAGE));
    }
}

#[test]
fn a_cut_stream_and_garbage_have_no_terminal_event() {
    let text = stream("\n", true);
    let mut meter = Meter::default();
    assert_eq!(meter.feed(&text.as_bytes()[..text.len() - 20]), None);
    // What is left is a `response.completed` whose JSON broke off.
    let failure = meter.finish().and_then(|terminal| terminal.failure.clone());
    assert_eq!(
        failure.and_then(|failure| failure.code),
        Some("unreadable_event")
    );

    let mut meter = Meter::default();
    meter.feed(b"event: response.created\ndata: {\"type\":\"response.created\"}\n\n");
    assert_eq!(meter.finish(), None);
    assert!(meter.saw_event());

    for garbage in [
        "",
        "<html>502</html>",
        "data: [DONE]\n\n",
        "data: {\"choices\":[]}\n\n",
        "\0\u{1}\n\n\n",
    ] {
        let mut meter = Meter::default();
        meter.feed(garbage.as_bytes());
        assert_eq!(meter.finish(), None, "{garbage:?}");
        assert!(!meter.saw_event(), "{garbage:?}");
    }
}

#[test]
fn members_may_stand_in_any_order_and_data_on_several_lines() {
    let text = "data: {\"response\": {\"usage\": {\"input_tokens\": 7}},\ndata: \"type\": \"response.completed\"}\n\n";
    assert_eq!(
        only(text).map(|terminal| terminal.usage.input_tokens),
        Some(7)
    );
    let text = "data:{ \"type\" : \"response.completed\", \"response\": {}}\n\n";
    assert_eq!(
        only(text),
        Some(Terminal {
            usage: Usage::default(),
            failure: None
        })
    );
    // The type in the data decides, as it does for the CLI.
    let text = "event: response.completed\ndata: {\"type\":\"response.output_text.delta\"}\n\n";
    assert_eq!(only(text), None);
    let text = "event: message\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n";
    assert!(only(text).is_some());
}

#[test]
fn failures_inside_a_stream_have_their_class() {
    let failed = |code: &str| json!({"type": "response.failed", "response": {"error": {"code": code, "message": "words"}}});
    let error = |code: &str| json!({"type": "error", "code": code, "message": "words"});
    let cases = [
        (
            failed("insufficient_quota"),
            Class::Quota,
            "insufficient_quota",
        ),
        (
            failed("rate_limit_exceeded"),
            Class::Rate,
            "rate_limit_exceeded",
        ),
        (
            failed("context_length_exceeded"),
            Class::TooLong,
            "context_length_exceeded",
        ),
        (failed("model_not_found"), Class::Model, "model_not_found"),
        (failed("invalid_prompt"), Class::Policy, "invalid_prompt"),
        (failed("server_error"), Class::Server, "server_error"),
        (failed("something_new"), Class::Server, "other"),
        (error("server_error"), Class::Server, "server_error"),
        (
            error("rate_limit_exceeded"),
            Class::Rate,
            "rate_limit_exceeded",
        ),
        (
            json!({"type": "error", "error": {"type": "insufficient_quota", "code": null}}),
            Class::Quota,
            "insufficient_quota",
        ),
        (
            json!({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}),
            Class::TooLong,
            "max_output_tokens",
        ),
    ];
    for (data, class, code) in cases {
        let terminal = only(&format!("data: {data}\n\n")).expect("a terminal event");
        let failure = terminal.failure.expect("a failure");
        assert_eq!(
            (failure.class(), failure.code),
            (class, Some(code)),
            "{data}"
        );
    }
}

/// The whole answer stands in the last event; it is read, and deltas before it are not kept.
#[test]
fn a_long_answer_is_read_and_an_endless_event_is_not() {
    let data = json!({
        "type": "response.completed",
        "response": {"output": "\u{1}".repeat(400_000), "usage": {"output_tokens": 9}}
    });
    let text = format!("event: response.completed\ndata: {data}\n\n");
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(8_192).collect();
    assert_eq!(
        read(&pieces).map(|terminal| terminal.usage.output_tokens),
        Some(9)
    );

    let mut meter = Meter::default();
    let delta = vec![b'x'; 1 << 20];
    meter.feed(b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"");
    for _ in 0..32 {
        assert_eq!(meter.feed(&delta), None);
    }
    assert!(meter.line.capacity() <= 3 << 20, "a delta is not kept");

    let mut meter = Meter::default();
    meter.feed(b"data: {\"type\":\"response.completed\",\"response\":\"");
    let fed = (0..64).take_while(|_| meter.feed(&delta).is_none()).count();
    assert_eq!(fed, MAX_EVENT_BYTES / delta.len() - 1);
    let failure = meter.finish().and_then(|terminal| terminal.failure.clone());
    assert_eq!(
        failure.and_then(|failure| failure.code),
        Some("event_too_large")
    );
}

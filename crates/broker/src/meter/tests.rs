use serde_json::{Value, json};

use super::{Meter, Terminal};
use crate::events::MAX_EVENT_BYTES;
use crate::{Finish, ProviderFailureClass as Class, Usage};

const USAGE: Usage = Usage {
    input_tokens: 11,
    cached_input_tokens: 3,
    output_tokens: 5,
    reasoning_tokens: 2,
};

fn usage() -> Value {
    json!({
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 16
    })
}

fn message(text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
}

fn completed(output: &Value) -> Value {
    let response =
        json!({"id": "resp_1", "status": "completed", "output": output, "usage": usage()});
    json!({"type": "response.completed", "response": response})
}

fn done(item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": 0, "item": item})
}

/// As a provider writes them.
fn stream(events: &[Value]) -> String {
    let event = |data: &Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    events.iter().map(event).collect()
}

/// What the child gets, and how the stream ended.
fn read(pieces: &[&[u8]]) -> (String, Option<Terminal>) {
    let mut meter = Meter::default();
    let mut passed = Vec::new();
    for piece in pieces {
        let metered = meter.feed(piece);
        passed.extend_from_slice(&metered.bytes);
        if metered.terminal.is_some() {
            return (String::from_utf8(passed).unwrap(), metered.terminal);
        }
    }
    let metered = meter.finish();
    passed.extend_from_slice(&metered.bytes);
    (String::from_utf8(passed).unwrap(), metered.terminal)
}

fn read_events(events: &[Value]) -> (Vec<Value>, Option<Terminal>) {
    let (text, terminal) = read(&[stream(events).as_bytes()]);
    (data_of(&text), terminal)
}

fn data_of(text: &str) -> Vec<Value> {
    let lines = text
        .split(['\n', '\r'])
        .filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is compared with what may be none"
)]
fn ended(finish: Finish) -> Option<Terminal> {
    Some(Terminal {
        usage: Some(USAGE),
        outcome: Ok(finish),
    })
}

/// A chunk may end anywhere: in a name, in an escape, in a character, between CR and LF.
#[test]
fn the_same_comes_out_at_every_cut() {
    let answer = message("data: {\"type\":\"error\"}\n\nGrüße 👋");
    let text = stream(&[
        json!({"type": "response.created", "response": {"usage": null}}),
        json!({"type": "response.output_text.delta", "delta": "response.completed"}),
        done(&answer),
        completed(&json!([answer])),
    ]);
    for line_end in ["\n", "\r\n", "\r"] {
        let text = format!(": a comment\n\n\n{text}").replace('\n', line_end);
        let bytes = text.as_bytes();
        let (whole, terminal) = read(&[bytes]);
        assert_eq!(terminal, ended(Finish::Stop), "{line_end:?}");
        assert_eq!(data_of(&whole).len(), 4);
        assert!(!whole.contains("a comment"));
        let trimmed = |text: &str| text.replace(['\n', '\r'], "");
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            let (passed, terminal) = read(&[head, tail]);
            assert_eq!(terminal, ended(Finish::Stop), "{line_end:?} cut={cut}");
            assert_eq!(trimmed(&passed), trimmed(&whole), "{line_end:?} cut={cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single).1, ended(Finish::Stop));
    }
}

#[test]
fn deltas_pass_as_they_came() {
    let deltas = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
        .repeat(3);
    let mut meter = Meter::default();
    assert_eq!(meter.feed(deltas.as_bytes()).bytes, deltas.as_bytes());
    assert!(meter.saw_event());
}

#[test]
fn the_last_event_needs_no_blank_line() {
    let text = stream(&[completed(&json!([]))]);
    for kept in [text.len() - 1, text.len() - 2] {
        let mut meter = Meter::default();
        let metered = meter.feed(&text.as_bytes()[..kept]);
        assert_eq!(
            metered.terminal, None,
            "an event is complete at its blank line"
        );
        let metered = meter.finish();
        assert_eq!(metered.terminal, ended(Finish::Stop));
        assert!(metered.bytes.ends_with(b"}\n\n"));
    }
}

#[test]
fn a_cut_stream_and_garbage_have_no_terminal_event() {
    let text = stream(&[completed(&json!([message("Hello")]))]);
    let (_, terminal) = read(&[&text.as_bytes()[..text.len() - 20]]);
    assert_eq!(terminal, None);
    for garbage in [
        "",
        "<html>502</html>",
        "data: [DONE]\n\n",
        "data: {\"choices\":[]}\n\n",
        "data: {\"type\":7}\n\n",
        "\0\u{1}\n\n\n",
    ] {
        let mut meter = Meter::default();
        let metered = meter.feed(garbage.as_bytes());
        assert!(metered.bytes.is_empty(), "{garbage:?}");
        assert_eq!(meter.finish().terminal, None, "{garbage:?}");
        assert!(!meter.saw_event(), "{garbage:?}");
    }
}

#[test]
fn members_may_stand_in_any_order_and_data_on_several_lines() {
    for text in [
        "data: {\"response\": {\"usage\": {\"input_tokens\": 7}},\ndata: \"type\": \"response.completed\"}\n\n",
        "data:{ \"type\" : \"response.completed\", \"response\": {\"usage\": {\"prompt_tokens\": 7}}}\n\n",
        // The type in the data decides, as it does for the CLI.
        "event: message\ndata: {\"type\":\"response.completed\",\"usage\":{\"input_tokens\":7.0}}\n\n",
        "data: {\"\\u0074ype\":\"response.completed\",\"usage\":{\"input_tokens\":7}}\n\n",
    ] {
        let terminal = read(&[text.as_bytes()]).1.expect(text);
        assert_eq!(terminal.usage.unwrap().input_tokens, 7, "{text}");
    }
    let text = "event: response.completed\ndata: {\"type\":\"response.output_text.delta\"}\n\n";
    assert_eq!(read(&[text.as_bytes()]).1, None);
}

/// The CLI refuses a usage that lacks a member, and with it the answer.
#[test]
fn the_usage_is_written_as_the_cli_reads_it() {
    for (sent, expected) in [
        (usage(), usage()),
        (json!(null), json!(null)),
        (json!("none"), json!(null)),
        (
            json!({"input_tokens": 11, "output_tokens": 5}),
            json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 16}),
        ),
        (
            json!({"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2}}),
            usage(),
        ),
        (
            json!({"input_tokens": 11.0, "output_tokens": "5", "input_tokens_details": {}, "total_tokens": -1}),
            json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 0,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 11}),
        ),
    ] {
        let mut event = completed(&json!([]));
        event["response"]["usage"] = sent.clone();
        event["response"]["end_turn"] = json!(true);
        let (events, _) = read_events(&[event]);
        let response = &events[0]["response"];
        assert_eq!(response["usage"], expected, "{sent}");
        assert_eq!(
            (&response["id"], &response["end_turn"]),
            (&json!("resp_1"), &json!(true))
        );
    }
}

#[test]
fn what_stands_only_at_the_end_gets_an_event_of_its_own() {
    let (one, two) = (message("One."), message("Two."));
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"});
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    for (before, output, missing) in [
        (vec![], json!([one]), vec![&one]),
        (vec![&one], json!([one]), vec![]),
        (vec![&one], json!([reasoning, one]), vec![]),
        (vec![&one], json!([one, two]), vec![&two]),
        (vec![&one], json!([one, call]), vec![&call]),
        (vec![&one, &call], json!([one, call]), vec![]),
        (vec![], json!([]), vec![]),
        (vec![], json!("none"), vec![]),
    ] {
        let mut events: Vec<Value> = before.iter().map(|item| done(item)).collect();
        events.push(completed(&output));
        let (events, terminal) = read_events(&events);
        assert_eq!(terminal, ended(Finish::Stop));
        let items: Vec<&Value> = events[before.len()..events.len() - 1]
            .iter()
            .map(|event| &event["item"])
            .collect();
        assert_eq!(items.len(), missing.len(), "{output}");
        for (item, expected) in items.iter().zip(missing) {
            assert_eq!(item["type"], expected["type"]);
            for place in ["/content/0/text", "/call_id", "/id"] {
                assert_eq!(item.pointer(place), expected.pointer(place), "{output}");
            }
        }
    }
}

/// The CLI passes over a message with a part that it does not know.
#[test]
fn items_that_the_cli_could_not_read_are_mended() {
    let refusal = json!([{"type": "refusal", "refusal": "No."}]);
    for (item, text, finish) in [
        (
            json!({"type": "message", "role": "assistant", "content": refusal}),
            "No.",
            Finish::Refusal,
        ),
        (
            json!({"type": "message", "content": [{"type": "output_text", "text": "a"}]}),
            "a",
            Finish::Stop,
        ),
        (
            json!({"type": "message", "role": "assistant", "content": "a"}),
            "a",
            Finish::Stop,
        ),
        (
            json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]}),
            "a",
            Finish::Stop,
        ),
        (
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "x"}]}),
            "a",
            Finish::Stop,
        ),
    ] {
        let (events, terminal) = read_events(&[done(&item), completed(&json!([item]))]);
        assert_eq!(terminal, ended(finish));
        let mended = json!([{"type": "output_text", "text": text, "annotations": []}]);
        assert_eq!(events[0]["item"]["content"], mended, "{item}");
        assert_eq!(events[0]["item"]["role"], "assistant");
        assert_eq!(events.len(), 2, "and it does not come twice");
    }
    let call = json!({"type": "function_call", "id": "fc_1", "name": "f", "arguments": {"a": 1}});
    let (events, _) = read_events(&[done(&call)]);
    assert_eq!(events[0]["item"]["arguments"], "{\"a\":1}");
    assert_eq!(events[0]["item"]["call_id"], "fc_1");
}

#[test]
fn an_answer_that_is_cut_short_is_an_answer() {
    for (name, status, reason, finish) in [
        (
            "response.incomplete",
            "incomplete",
            "max_output_tokens",
            Finish::Length,
        ),
        (
            "response.incomplete",
            "incomplete",
            "content_filter",
            Finish::ContentFilter,
        ),
        (
            "response.completed",
            "incomplete",
            "max_output_tokens",
            Finish::Length,
        ),
        ("response.incomplete", "", "", Finish::Length),
    ] {
        let response = json!({"id": "r", "status": status, "incomplete_details": {"reason": reason},
            "output": [message("Hal")], "usage": usage()});
        let (events, terminal) = read_events(&[json!({"type": name, "response": response})]);
        assert_eq!(terminal, ended(finish), "{name} {reason}");
        assert_eq!(events[0]["item"]["content"][0]["text"], "Hal");
        assert_eq!(events[1]["type"], "response.completed");
    }
}

#[test]
fn failures_inside_a_stream_have_their_class() {
    let failed = |error: Value| json!({"type": "response.failed", "response": {"error": error, "usage": usage()}});
    for (data, class, code) in [
        (
            failed(json!({"code": "insufficient_quota", "message": "canary"})),
            Class::Quota,
            Some("insufficient_quota"),
        ),
        (
            failed(json!({"code": 429, "type": "rate_limit_error"})),
            Class::Rate,
            Some("rate_limit_error"),
        ),
        (
            failed(json!({"code": "context_length_exceeded"})),
            Class::TooLong,
            Some("context_length_exceeded"),
        ),
        (
            failed(json!({"code": "invalid_prompt"})),
            Class::Policy,
            Some("invalid_prompt"),
        ),
        (
            failed(json!({"code": "canary"})),
            Class::Server,
            Some("other"),
        ),
        (failed(json!(null)), Class::Server, None),
        (
            json!({"type": "response.completed", "response": {"status": "failed", "error": {"code": "server_error"}}}),
            Class::Server,
            Some("server_error"),
        ),
        (
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "canary"}),
            Class::Rate,
            Some("rate_limit_exceeded"),
        ),
        (
            json!({"type": "error", "error": {"type": "insufficient_quota", "code": null}}),
            Class::Quota,
            Some("insufficient_quota"),
        ),
    ] {
        let (text, terminal) = read(&[stream(std::slice::from_ref(&data)).as_bytes()]);
        let failure = terminal
            .expect("a terminal event")
            .outcome
            .expect_err("a failure");
        assert_eq!((failure.class(), failure.code), (class, code), "{data}");
        assert!(!text.contains("canary"), "{text}");
    }
    let untyped =
        "data: {\"error\":{\"code\":429,\"type\":\"insufficient_quota\"}}\n\ndata: [DONE]\n\n";
    let failure = read(&[untyped.as_bytes()]).1.unwrap().outcome.unwrap_err();
    assert_eq!(failure.class(), Class::Quota);
}

/// The CLI reads on behind an `error` event, and takes the answer that follows.
#[test]
fn an_error_event_is_no_end_where_an_answer_follows() {
    let error = json!({"type": "error", "code": "server_error"});
    let (events, terminal) = read_events(&[error, completed(&json!([]))]);
    assert_eq!(terminal, ended(Finish::Stop));
    assert_eq!(events.len(), 1);
}

/// The whole answer stands in the last event; it is read, and noise has a bound.
#[test]
fn a_long_answer_is_read_and_an_endless_one_is_not() {
    let text = stream(&[completed(&json!([message(&"\u{1}".repeat(400_000))]))]);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(8_192).collect();
    assert_eq!(read(&pieces).1, ended(Finish::Stop));

    let code_after = |piece: &[u8], most: usize| {
        let mut meter = Meter::default();
        let fed = (0..most).find_map(|_| meter.feed(piece).terminal);
        fed.map(|terminal| terminal.outcome.unwrap_err().code)
    };
    let spaces = [b' '; 1024];
    let mut meter = Meter::default();
    meter.feed(b"data:");
    let fed = (0..MAX_EVENT_BYTES)
        .take_while(|_| meter.feed(&spaces).terminal.is_none())
        .count();
    assert_eq!(fed, MAX_EVENT_BYTES / 1024 - 1);
    for noise in [
        ": x\n\n".repeat(100),
        "\n".repeat(1000),
        "\r\n\r".repeat(100),
        "data: [DONE]\n\n".repeat(50),
        "data:\n\n".repeat(50),
    ] {
        assert_eq!(
            code_after(noise.as_bytes(), 20_000),
            Some(Some("answer_too_large")),
            "{noise:?}"
        );
    }
    // An answer of many deltas is none of that.
    let delta = stream(&[json!({"type": "response.output_text.delta", "delta": "a"})]);
    assert_eq!(code_after(delta.as_bytes(), 50_000), None);
}

/// Some servers bring a finished text in an event of its own, and no item that repeats it.
#[test]
fn a_text_that_no_item_brings_comes_as_one() {
    let text = |name: &str, index: u64, member: Value| {
        let mut data = json!({"type": name, "output_index": index, "content_index": 0});
        data.as_object_mut()
            .unwrap()
            .extend(member.as_object().unwrap().clone());
        data
    };
    let part = |kind: &str, text: &str| json!({"part": {"type": "output_text", kind: text}});
    for (texts, expected, finish) in [
        (
            vec![text(
                "response.output_text.done",
                0,
                json!({"text": "Hello"}),
            )],
            vec!["Hello"],
            Finish::Stop,
        ),
        (
            vec![
                text("response.output_text.done", 0, json!({"text": "Hello"})),
                text("response.content_part.done", 0, part("text", "Hello")),
                text("response.output_text.done", 2, json!({"text": "again"})),
            ],
            vec!["Hello", "again"],
            Finish::Stop,
        ),
        (
            vec![text("response.content_part.done", 1, part("text", "Hello"))],
            vec!["Hello"],
            Finish::Stop,
        ),
        (
            vec![text("response.refusal.done", 0, json!({"refusal": "No."}))],
            vec!["No."],
            Finish::Refusal,
        ),
        (
            vec![
                text("response.output_text.done", 0, json!({"text": ""})),
                text(
                    "response.content_part.done",
                    0,
                    json!({"part": {"type": "reasoning_text", "text": "Hm."}}),
                ),
            ],
            vec![],
            Finish::Stop,
        ),
    ] {
        let sent = texts.len();
        let events = [texts, vec![completed(&json!([]))]].concat();
        let (passed, terminal) = read_events(&events);
        assert_eq!(terminal, ended(finish));
        let made = &passed[sent..passed.len() - 1];
        let made: Vec<_> = made
            .iter()
            .map(|event| &event["item"]["content"][0]["text"])
            .collect();
        assert_eq!(made, expected);
    }
}

#[test]
fn a_text_that_an_item_brings_is_not_said_twice() {
    let text = json!({"type": "response.output_text.done", "output_index": 0, "text": "Hello"});
    let events = [text.clone(), done(&message("Hello")), completed(&json!([]))];
    assert_eq!(read_events(&events).0.len(), 3);
    let events = [text, completed(&json!([message("Hello")]))];
    let (passed, _) = read_events(&events);
    assert_eq!(passed.len(), 3, "{passed:?}");
    assert_eq!(passed[1]["item"]["content"][0]["text"], "Hello");
}

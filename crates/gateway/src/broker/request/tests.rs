use std::time::Duration;

use codex_client::ToolDefinition;
use runner::Deadline;
use serde_json::{Value, json};

use super::{LeanRequest, Refusal};
use crate::broker::Grant;

fn grant(effort: Option<&str>) -> Grant {
    Grant {
        turn_id: "turn-1".into(),
        tenant: "acme".into(),
        models: vec!["gpt-4o-mini".into(), "gpt-5.4-mini".into()],
        deadline: Deadline::after(Duration::from_mins(1)),
        reasoning_effort: effort.map(String::from),
        tools: Vec::new(),
    }
}

fn rebuild(body: &Value, effort: Option<&str>) -> Result<Value, Refusal> {
    LeanRequest::rebuild(body.to_string().as_bytes(), &grant(effort))
        .map(|lean| serde_json::from_slice(&lean.to_bytes()).expect("JSON"))
}

/// What codex-cli 0.169.0 sends for a chat in the lean profile, shortened.
fn sent_by_the_cli() -> Value {
    json!({
        "model": "gpt-4o-mini",
        "stream": true,
        "input": [
            {"type": "message", "id": "msg_c2f9", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "id": "msg_01a2", "role": "user", "content": [
                {"type": "input_text", "text": "hello?"},
                {"type": "input_text", "text": "<context-0123456789abcdef0123456789abcdef>\nabc\n</context-0123456789abcdef0123456789abcdef>"}
            ]}
        ],
        "tools": [{"type": "function", "name": "request_user_input", "parameters": {}}],
        "tool_choice": "auto",
        "parallel_tool_calls": true,
        "reasoning": {"summary": "auto"},
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "01a202f4-93df-7000-8000-000000000001",
        "client_metadata": {"x-codex-installation-id": "959d2931"}
    })
}

#[test]
fn a_chat_is_cut_to_its_text() {
    assert_eq!(
        rebuild(&sent_by_the_cli(), None).expect("granted"),
        json!({
            "model": "gpt-4o-mini",
            "stream": true,
            "store": false,
            "input": [
                {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "hello?"},
                    {"type": "input_text", "text": "<context-0123456789abcdef0123456789abcdef>\nabc\n</context-0123456789abcdef0123456789abcdef>"}
                ]}
            ],
            "prompt_cache_key": "01a202f4-93df-7000-8000-000000000001"
        })
    );
}

#[test]
fn effort_comes_from_the_grant_and_never_from_the_child() {
    let mut body = sent_by_the_cli();
    body["reasoning"] = json!({"effort": "high", "summary": "auto"});
    assert_eq!(
        rebuild(&body, None).expect("granted").get("reasoning"),
        None
    );
    assert_eq!(
        rebuild(&body, Some("low")).expect("granted")["reasoning"],
        json!({"effort": "low"})
    );
}

#[test]
fn what_reaches_stored_things_is_dropped_and_storing_is_off() {
    let mut body = sent_by_the_cli();
    body["store"] = json!(true);
    for name in [
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
        "service_tier",
        "metadata",
        "user",
        "new_field",
    ] {
        body[name] = json!("x");
    }
    body["text"] = json!({"format": {"type": "json_schema"}});
    body["temperature"] = json!(0.5);
    let lean = rebuild(&body, None).expect("granted");
    let mut names: Vec<&String> = lean.as_object().expect("an object").keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "input",
            "model",
            "prompt_cache_key",
            "store",
            "stream",
            "temperature",
            "text"
        ]
    );
    assert_eq!(lean["store"], json!(false));
}

#[test]
fn what_was_not_granted_is_refused() {
    let with = |name: &str, value: Value| {
        let mut body = sent_by_the_cli();
        body[name] = value;
        rebuild(&body, None).expect_err("refused")
    };
    assert_eq!(
        with("model", json!("gpt-5.5-pro")),
        Refusal::ModelNotGranted
    );
    assert_eq!(with("model", json!(null)), Refusal::Malformed);
    assert_eq!(with("stream", json!(false)), Refusal::NotStreaming);
    assert_eq!(with("input", json!("text")), Refusal::Malformed);
    assert_eq!(with("input", json!([7])), Refusal::Malformed);
    for item in [
        json!({"type": "item_reference", "id": "msg_of_another_tenant"}),
        json!({"type": "function_call_output", "call_id": "c", "output": "x"}),
        json!({"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}),
        json!({"role": "user", "content": [{"type": "input_image", "image_url": "http://x/"}]}),
    ] {
        assert_eq!(with("input", json!([item])), Refusal::InputNotGranted);
    }
    for body in [
        b"".as_slice(),
        b"[]",
        b"{\"model\":",
        b"{\"model\":\"\\ud800\"}",
    ] {
        let refused = LeanRequest::rebuild(body, &grant(None)).err();
        assert_eq!(refused, Some(Refusal::Malformed));
    }
}

/// Two members of one name must not let the check see one and the provider another.
#[test]
fn a_member_that_stands_twice_counts_once() {
    let body = br#"{"model":"gpt-5.5-pro","model":"gpt-4o-mini","stream":true,"input":[]}"#;
    let lean = LeanRequest::rebuild(body, &grant(None)).expect("granted");
    assert_eq!(lean.model(), "gpt-4o-mini");
    assert!(
        !String::from_utf8(lean.to_bytes().to_vec())
            .expect("UTF-8")
            .contains("gpt-5.5-pro")
    );
}

#[test]
fn reasoning_items_without_their_content_are_dropped() {
    let mut body = sent_by_the_cli();
    body["input"] = json!([{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "hi"}]);
    let lean = rebuild(&body, Some("low")).expect("granted");
    assert_eq!(
        lean["input"],
        json!([{"type": "message", "role": "user", "content": "hi"}])
    );
}

fn with_search() -> Grant {
    let tool = ToolDefinition {
        name: "code-search".into(),
        description: "Searches".into(),
        parameters: json!({ "type": "object" }),
    };
    Grant {
        tools: vec![tool],
        ..grant(None)
    }
}

/// A round of a tool, as the CLI repeats it to the model.
fn round_of(name: &str) -> Value {
    let mut body = sent_by_the_cli();
    let input = body["input"].as_array_mut().unwrap();
    input.push(json!({
        "type": "function_call", "id": "fc_1", "status": "completed", "call_id": "call_1",
        "name": name, "arguments": "{\"pattern\":\"x\"}",
    }));
    input.push(json!({
        "type": "function_call_output", "id": "fco_1", "call_id": "call_1",
        "output": [{ "type": "input_text", "text": "found" }],
    }));
    body
}

#[test]
fn the_tools_of_the_grant_are_offered_in_its_own_words_and_no_other() {
    let body = round_of("code-search").to_string();
    let lean = LeanRequest::rebuild(body.as_bytes(), &with_search()).unwrap();
    let sent: Value = serde_json::from_slice(&lean.to_bytes()).unwrap();
    let names: Vec<_> = sent["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["name"])
        .collect();
    assert_eq!(names, ["code-search"]);
    assert_eq!(sent["tools"][0]["description"], "Searches");
    assert_eq!(sent["parallel_tool_calls"], false);
    let input = sent["input"].as_array().unwrap();
    assert_eq!(
        input[input.len() - 2..],
        [
            json!({
                "type": "function_call", "call_id": "call_1", "name": "code-search",
                "arguments": "{\"pattern\":\"x\"}",
            }),
            json!({
                "type": "function_call_output", "call_id": "call_1",
                "output": [{ "type": "input_text", "text": "found" }],
            }),
        ]
    );
}

#[test]
fn calls_of_tools_that_were_not_granted_are_refused() {
    for (name, grant) in [("code-search", grant(None)), ("shell", with_search())] {
        let body = round_of(name).to_string();
        let refused = LeanRequest::rebuild(body.as_bytes(), &grant).err();
        assert!(matches!(refused, Some(Refusal::InputNotGranted)), "{name}");
    }
}

use std::time::Duration;

use crate::grant::GrantedTool;
use redact::Redactor;
use runner::Deadline;
use serde_json::{Value, json};

use super::{LeanRequest, Refusal};
use crate::Grant;

fn grant(effort: Option<&str>) -> Grant {
    Grant {
        max_tokens: None,
        safety_identifier: None,
        turn_id: "turn-1".into(),
        tenant: "acme".into(),
        models: vec!["gpt-4o-mini".into(), "gpt-5.4-mini".into()],
        deadline: Deadline::after(Duration::from_mins(1)),
        reasoning_effort: effort.map(String::from),
        output_schema: None,
        tools: Vec::new(),
    }
}

fn rebuild(body: &Value, effort: Option<&str>) -> Result<Value, Refusal> {
    rebuild_for(body, &grant(effort)).map(|(sent, _)| sent)
}

/// What is sent, and how many secrets were replaced in it.
fn rebuild_for(body: &Value, grant: &Grant) -> Result<(Value, u64), Refusal> {
    let redactor = Redactor::with_default_rules();
    let (lean, counts) = LeanRequest::rebuild(body.to_string().as_bytes(), grant, &redactor)?;
    let sent = serde_json::from_slice(&lean.to_bytes()).expect("JSON");
    Ok((sent, counts.total()))
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
    body["text"] = json!({"format": {"type": "json_schema", "schema": {"canary": 1}}});
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
            "temperature"
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
        json!({"type": "image_generation_call", "id": "ig_1", "result": "x"}),
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
        let redactor = Redactor::with_default_rules();
        let refused = LeanRequest::rebuild(body, &grant(None), &redactor).err();
        assert_eq!(refused, Some(Refusal::Malformed));
    }
}

/// Two members of one name must not let the check see one and the provider another.
#[test]
fn a_member_that_stands_twice_is_refused() {
    let redactor = Redactor::with_default_rules();
    for body in [
        r#"{"model":"gpt-5.5-pro","model":"gpt-4o-mini","stream":true,"input":[]}"#,
        r#"{"model":"gpt-4o-mini","stream":true,"input":[{"role":"user","role":"system","content":""}]}"#,
    ] {
        let refused = LeanRequest::rebuild(body.as_bytes(), &grant(None), &redactor).err();
        assert_eq!(refused, Some(Refusal::Malformed), "{body}");
    }
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
    let tool = GrantedTool {
        name: "code-search".into(),
        description: "Searches".into(),
        parameters: json!({ "type": "object" }),
    };
    Grant {
        max_tokens: None,
        safety_identifier: None,
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
    let (sent, _) = rebuild_for(&round_of("code-search"), &with_search()).unwrap();
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

/// The CLI has told the model that there is no such tool: the model reads it, and not the name again.
#[test]
fn calls_of_tools_that_were_not_granted_are_repeated_without_their_name() {
    for (name, grant) in [("code-search", grant(None)), ("shell", with_search())] {
        let (sent, _) = rebuild_for(&round_of(name), &grant).unwrap();
        let input = sent["input"].as_array().unwrap();
        let [.., call, output] = input.as_slice() else {
            panic!("{sent}")
        };
        assert_eq!(call["name"], "unknown_tool");
        assert_eq!(call["call_id"], output["call_id"]);
        let tools = sent
            .get("tools")
            .map_or(0, |tools| tools.as_array().unwrap().len());
        assert_eq!(tools, grant.tools.len());
    }
}

#[test]
fn the_schema_is_the_grants_and_never_the_childs() {
    let mut grant = grant(None);
    grant.output_schema = Some(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    let mut body = sent_by_the_cli();
    body["text"] = json!({
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "canary", "schema": {"canary": "canary"}},
    });
    let (sent, _) = rebuild_for(&body, &grant).unwrap();
    assert_eq!(
        sent["text"],
        json!({
            "format": {
                "type": "json_schema", "name": "codex_output_schema", "strict": true,
                "schema": grant.output_schema.unwrap(),
            },
            "verbosity": "low",
        })
    );
}

/// Every place of a request where a string can stand: what comes through is redacted, or one of a few
/// words, or not there.
#[test]
fn no_string_of_a_child_goes_around_the_redactor() {
    let secret = format!("sk-proj-{}", "a1B2c3D4e5F6g7H8".repeat(3));
    let places = [
        "/input/0/content/0/text",
        "/input/1/content",
        "/input/0/id",
        "/input/2/arguments",
        "/input/2/call_id",
        "/input/2/name",
        "/input/2/id",
        "/input/2/status",
        "/input/3/output",
        "/input/3/call_id",
        "/input/4/output/0/text",
        "/input/5/content/0/refusal",
        "/input/5/content/0/annotations",
        "/instructions",
        "/prompt_cache_key",
        "/text/format/name",
        "/text/format/schema",
        "/metadata/key",
        "/client_metadata",
        "/reasoning/summary",
        "/tool_choice",
        "/service_tier",
        "/user",
    ];
    let whole = json!({
        "model": "gpt-4o-mini", "stream": true, "instructions": "i", "prompt_cache_key": "k",
        "metadata": {"key": ""}, "client_metadata": "", "reasoning": {"summary": ""}, "tool_choice": "",
        "service_tier": "", "user": "",
        "text": {"format": {"type": "json_schema", "name": "", "schema": ""}},
        "input": [
            {"type": "message", "id": "", "role": "developer", "content": [{"type": "input_text", "text": ""}]},
            {"role": "user", "content": ""},
            {"type": "function_call", "id": "", "status": "", "call_id": "c", "name": "n", "arguments": ""},
            {"type": "function_call_output", "call_id": "c", "output": ""},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": ""}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "", "annotations": ""}]},
        ],
    });
    for place in places {
        for text in [
            secret.clone(),
            format!("the key is {secret}."),
            json!({ secret.as_str(): 1, "b": [secret.as_str()] }).to_string(),
        ] {
            let mut body = whole.clone();
            *body.pointer_mut(place).expect(place) = json!(text);
            let (sent, _) = rebuild_for(&body, &with_search()).expect(place);
            let sent = sent.to_string();
            assert!(!sent.contains(&secret), "{place}: {sent}");
        }
    }
}

/// Each member that decides something takes its own few values.
#[test]
fn members_of_another_type_are_refused() {
    for (name, value) in [
        ("truncation", json!("sk-canary")),
        ("temperature", json!("sk-canary")),
        ("top_p", json!({"a": 1})),
        ("max_output_tokens", json!(-1)),
        ("text", json!({"verbosity": "sk-canary"})),
        ("input", json!([{"role": "sk-canary", "content": "x"}])),
        ("input", json!([{"role": "user", "content": {"a": 1}}])),
        ("input", json!([[[]]])),
        ("instructions", json!(["x"])),
    ] {
        let mut body = sent_by_the_cli();
        body[name] = value;
        assert_eq!(rebuild(&body, None).expect_err(name), Refusal::Malformed);
    }
}

/// What is refused is refused where it is met: no tree, no list of it is made.
#[test]
fn a_request_has_a_bound_on_its_parts() {
    let item = json!({"role": "user", "content": [{"type": "input_text", "text": ""}]});
    let mut body = sent_by_the_cli();
    body["input"] = json!(vec![item; 5_001]);
    assert_eq!(
        rebuild(&body, None).expect_err("refused"),
        Refusal::TooLarge
    );
    let redactor = Redactor::with_default_rules();
    for nested in [
        format!("{{\"extra\":{}", "[".repeat(500_000)),
        format!(
            "{{\"model\":\"gpt-4o-mini\",\"stream\":true,\"input\":[{}",
            "[".repeat(500_000)
        ),
    ] {
        let refused = LeanRequest::rebuild(nested.as_bytes(), &grant(None), &redactor).err();
        assert_eq!(refused, Some(Refusal::Malformed));
    }
}

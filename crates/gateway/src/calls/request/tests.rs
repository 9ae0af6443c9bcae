use serde_json::json;

use super::*;

const MODELS: [&str; 2] = ["small", "large"];

fn read(body: &str) -> Result<Parsed, Problem> {
    Parsed::read(body.as_bytes(), &MODELS, |_, _| true)
}

fn parse(body: &str) -> Result<ChatRequest, Problem> {
    match read(body)?.request {
        Request::Chat(request) => Ok(request),
        Request::Tool(_) => panic!("a call of a skill"),
    }
}

fn refused(body: &str) -> (ErrorCode, Vec<String>) {
    let problem = parse(body).unwrap_err();
    let pointers = problem.errors.iter().map(|error| error.pointer.clone());
    (problem.code, pointers.collect())
}

#[test]
fn everything_that_is_honoured_arrives() {
    let request = parse(
        r#"{"mode":"chat","message":"-c model=x","context":"trace","stream":false,
            "extra":{"model":"large","reasoning_effort":"low","output_schema":{"type":"object"},
                     "skills":[],"colour":"red","shape":1}}"#,
    )
    .unwrap();
    assert_eq!(
        request,
        ChatRequest {
            message: "-c model=x".to_owned(),
            context: Some("trace".to_owned()),
            model: Some("large".to_owned()),
            reasoning_effort: Some("low".to_owned()),
            output_schema: Some(json!({ "type": "object" })),
            skills: Vec::new(),
            workspace: None,
            ignored_extra: vec!["colour".to_owned(), "shape".to_owned()],
        }
    );
}

#[test]
fn null_is_the_same_as_absent() {
    let request = parse(r#"{"message":"hi","context":null,"extra":null,"mode":null}"#).unwrap();
    assert_eq!(request, parse(r#"{"message":"hi"}"#).unwrap());
}

#[test]
fn every_wrong_field_is_told_at_once() {
    let (code, pointers) = refused(
        r#"{"mode":"talk","message":7,"stream":"yes","extra":[],"conversation_id":"c","temperature":1}"#,
    );
    assert_eq!(code, ErrorCode::InvalidRequest);
    for pointer in [
        "/mode",
        "/message",
        "/stream",
        "/extra",
        "/conversation_id",
        "/temperature",
    ] {
        assert!(
            pointers.iter().any(|found| found == pointer),
            "{pointer} in {pointers:?}"
        );
    }
    assert_eq!(pointers.len(), 6);
}

#[test]
fn a_flood_of_wrong_fields_is_counted_and_not_repeated() {
    let fields: Vec<String> = (0..10_000).map(|field| format!("\"f{field}\":1")).collect();
    let problem = parse(&format!("{{{}}}", fields.join(","))).unwrap_err();
    assert_eq!(problem.errors.len(), MAX_ERRORS);
    assert!(
        problem.detail.starts_with("10000 values"),
        "{}",
        problem.detail
    );
}

#[test]
fn every_wrong_extra_is_told_at_once() {
    let (code, pointers) = refused(
        r#"{"message":"hi","extra":{"model":"other","reasoning_effort":9,"output_schema":"x","skills":5}}"#,
    );
    assert_eq!(code, ErrorCode::InvalidExtra);
    assert_eq!(
        pointers,
        [
            "/extra/model",
            "/extra/reasoning_effort",
            "/extra/output_schema",
            "/extra/skills"
        ]
    );
}

#[test]
fn what_is_missing_has_its_own_code() {
    assert_eq!(refused("{}").0, ErrorCode::MissingMessage);
    assert_eq!(refused(r#"{"message":" \n"}"#).0, ErrorCode::MissingMessage);
    assert_eq!(refused(r#"{"mode":"tool"}"#).0, ErrorCode::MissingSkill);
    assert_eq!(
        refused(r#"{"mode":"tool","skill":""}"#).0,
        ErrorCode::MissingSkill
    );
}

#[test]
fn a_call_of_a_skill_keeps_its_extra_for_the_skill_to_judge() {
    let body =
        r#"{"mode":"tool","skill":"--help","message":"m","stream":true,"extra":{"model":7}}"#;
    let Parsed {
        request: Request::Tool(request),
        stream: Some(true),
    } = read(body).unwrap()
    else {
        panic!("no call of a skill");
    };
    assert_eq!((request.skill.as_str(), request.context), ("--help", None));
    assert_eq!(request.extra["model"], 7);
}

#[test]
fn what_is_not_json_is_told_by_its_place_and_not_repeated() {
    for body in [
        r#"{"message": "SECRET"#,
        r#"{"message": "SECRET \ud800"}"#,
        "SECRET",
        "",
    ] {
        let problem = parse(body).unwrap_err();
        assert_eq!(problem.code, ErrorCode::MalformedJson, "{body}");
        assert!(problem.detail.contains("line 1"), "{}", problem.detail);
        assert!(!problem.detail.contains("SECRET"));
    }
    assert_eq!(refused("[1]").0, ErrorCode::InvalidRequest);
}

#[test]
fn a_body_in_another_encoding_is_told_so() {
    let read = |body: &[u8]| Parsed::read(body, &MODELS, |_, _| true);
    for body in [
        b"\x1f\x8b\x08".as_slice(),
        b"\x28\xb5\x2f\xfd",
        b"\xff\xfe{\0}\0",
    ] {
        let problem = read(body).unwrap_err();
        assert_eq!(problem.code, ErrorCode::UnsupportedMediaType);
    }
    let broken = read(b"{\"message\":\n\"\xff\"}").unwrap_err();
    assert_eq!(broken.code, ErrorCode::MalformedJson);
    assert!(
        broken.detail.contains("line 2, column 1"),
        "{}",
        broken.detail
    );
    let marked = parse("\u{feff}{\"message\":\"hi\"}").unwrap_err();
    assert_eq!(marked.code, ErrorCode::MalformedJson);
}

#[test]
fn what_is_passed_over_may_be_of_any_depth_and_number() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = vec!["{\"\":0}"; 100_000].join(",");
    let body = format!("{{\"message\":\"hi\",\"extra\":{{\"a\":{deep},\"b\":[{wide}],\"a\":1}}}}");
    assert_eq!(parse(&body).unwrap().ignored_extra, ["a", "b"]);
}

#[test]
fn what_is_honoured_has_a_depth_and_a_number() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let wide = vec!["{\"\":0}"; 10_000].join(",");
    for schema in [format!("{{\"a\":{deep}}}"), format!("{{\"a\":[{wide}]}}")] {
        let body = format!("{{\"message\":\"hi\",\"extra\":{{\"output_schema\":{schema}}}}}");
        let (code, pointers) = refused(&body);
        assert_eq!(code, ErrorCode::InvalidExtra);
        assert_eq!(pointers, ["/extra/output_schema"]);
    }
    let lists = vec![format!("[{}]", vec!["0"; 200].join(",")); 30].join(",");
    for (value, pointer) in [
        (deep, "/extra/a"),
        (format!("[{wide}]"), "/extra/a"),
        (format!("[{lists}]"), "/extra"),
    ] {
        let body = format!("{{\"mode\":\"tool\",\"skill\":\"s\",\"extra\":{{\"a\":{value}}}}}");
        assert_eq!(refused(&body).1, [pointer]);
    }
}

#[test]
fn what_a_skill_does_not_take_is_named_and_not_read() {
    let wide = vec!["{\"\":0}"; 10_000].join(",");
    let body =
        format!("{{\"mode\":\"tool\",\"skill\":\"s\",\"extra\":{{\"x\":[{wide}],\"query\":[1]}}}}");
    let parsed = Parsed::read(body.as_bytes(), &MODELS, |skill, name| {
        skill == "s" && name == "query"
    });
    let Request::Tool(request) = parsed.unwrap().request else {
        panic!("a chat");
    };
    assert_eq!(request.ignored_extra, ["x"]);
    assert_eq!(json!(request.extra), json!({ "query": [1] }));
}

/// The last of several counts, and none of the others may cost anything.
#[test]
fn a_field_that_stands_many_times_is_one() {
    let models = vec!["\"model\":1"; 100_000].join(",");
    let body = format!("{{\"message\":\"hi\",\"extra\":{{{models},\"model\":\"large\"}}}}");
    assert_eq!(parse(&body).unwrap().model.as_deref(), Some("large"));
}

#[test]
fn control_and_direction_characters_are_text() {
    let request = parse(r#"{"message":"a\u0000b \u202e c"}"#).unwrap();
    assert_eq!(request.message, "a\0b \u{202e} c");
}

#[test]
fn a_body_of_a_thousand_brackets_is_refused_not_followed() {
    let body = "[".repeat(10_000);
    assert_eq!(parse(&body).unwrap_err().code, ErrorCode::MalformedJson);
}

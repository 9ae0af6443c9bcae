//! The model that is built in: it shows what reached it, so that a person sees the path work.

mod by_schema;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::event_stream::EventStream;
use crate::request::LeanRequest;

/// Between two words; a person sees the answer grow.
const WORD_PAUSE: Duration = Duration::from_millis(20);

/// Of the message's first line, what the answer repeats.
const MAX_ECHO_CHARS: usize = 80;

const ITEM_ID: &str = "msg_demo";

/// Answers as a provider would: the events of a streamed response, the first word at once. It follows a
/// schema that it is given, and calls a tool that it is offered, once, if that asks for nothing.
pub(super) fn respond(request: &LeanRequest) -> EventStream {
    let said = answer(&request.last_user_texts());
    let chunks = match (request.tool_without_questions(), request.schema()) {
        (Some(tool), _) => vec![Bytes::from(call(request, tool))],
        (None, Some(schema)) => chunks(request, &by_schema::instance(schema, &said).to_string()),
        (None, None) => chunks(request, within(&said, request)),
    };
    let first = tokio::time::Instant::now();
    Box::pin(stream::unfold(
        (chunks.into_iter(), first),
        async |(mut chunks, due)| {
            let chunk = chunks.next()?;
            tokio::time::sleep_until(due).await;
            Some((Ok(chunk), (chunks, due + WORD_PAUSE)))
        },
    ))
}

/// As many words as the answer may have tokens.
fn within<'answer>(answer: &'answer str, request: &LeanRequest) -> &'answer str {
    let most = request.max_output_tokens().map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    let words = answer.split_inclusive(char::is_whitespace).take(most);
    &answer[..words.map(str::len).sum()]
}

/// One chunk a word; what frames the answer goes with the first and the last.
fn chunks(request: &LeanRequest, answer: &str) -> Vec<Bytes> {
    let words: Vec<&str> = answer.split_inclusive(char::is_whitespace).collect();
    let mut chunks: Vec<String> = words.iter().map(|word| delta(word)).collect();
    if let Some(first) = chunks.first_mut() {
        first.insert_str(0, &opening(request.model()));
    }
    if let Some(last) = chunks.last_mut() {
        last.push_str(&closing(request, answer, words.len()));
    }
    chunks.into_iter().map(Bytes::from).collect()
}

fn created(model: &str) -> String {
    let response = json!({"id": "resp_demo", "object": "response", "status": "in_progress", "model": model, "output": []});
    event("response.created", json!({ "response": response }))
}

fn opening(model: &str) -> String {
    let item = item("in_progress", None);
    let added = json!({ "output_index": 0, "item": item });
    created(model) + &event("response.output_item.added", added)
}

/// A whole response that calls `tool`.
fn call(request: &LeanRequest, tool: &str) -> String {
    let item = json!({
        "type": "function_call", "id": "fc_demo", "status": "completed", "call_id": "call_demo",
        "name": tool, "arguments": "{}",
    });
    let added = json!({ "output_index": 0, "item": item });
    created(request.model())
        + &event("response.output_item.added", added.clone())
        + &completed(request, &item, added, 1)
}

fn delta(word: &str) -> String {
    event(
        "response.output_text.delta",
        json!({"item_id": ITEM_ID, "output_index": 0, "content_index": 0, "delta": word}),
    )
}

fn closing(request: &LeanRequest, answer: &str, words: usize) -> String {
    let item = item("completed", Some(answer));
    let done = json!({ "output_index": 0, "item": item.clone() });
    completed(request, &item, done, words)
}

fn completed(request: &LeanRequest, item: &Value, done: Value, words: usize) -> String {
    // English has about four characters a token.
    let input_tokens = request.chars_sent().div_ceil(4);
    let usage = json!({
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": words,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + words,
    });
    let is_cut = request
        .max_output_tokens()
        .is_some_and(|most| usize::try_from(most).is_ok_and(|most| most <= words));
    let (name, status, details) = if is_cut {
        let details = json!({"reason": "max_output_tokens"});
        ("response.incomplete", "incomplete", details)
    } else {
        ("response.completed", "completed", Value::Null)
    };
    let response = json!({
        "id": "resp_demo", "object": "response", "status": status, "incomplete_details": details,
        "model": request.model(), "output": [item], "usage": usage,
    });
    event("response.output_item.done", done) + &event(name, json!({ "response": response }))
}

fn item(status: &str, text: Option<&str>) -> Value {
    let content: Vec<Value> = text
        .map(|text| json!({"type": "output_text", "text": text, "annotations": []}))
        .into_iter()
        .collect();
    json!({"type": "message", "id": ITEM_ID, "role": "assistant", "status": status, "content": content})
}

fn event(name: &str, mut data: Value) -> String {
    if let Value::Object(fields) = &mut data {
        fields.insert("type".into(), name.into());
    }
    format!("event: {name}\ndata: {data}\n\n")
}

fn answer(texts: &[&str]) -> String {
    let message = texts
        .iter()
        .find(|text| context_of(text).is_none())
        .copied()
        .unwrap_or_default();
    let context = texts.iter().find_map(|text| context_of(text));
    let line = message.lines().next().unwrap_or_default();
    let mut echo: String = line.chars().take(MAX_ECHO_CHARS).collect();
    if echo.len() < message.trim_end().len() {
        echo.push('…');
    }
    let context = context.map_or_else(
        || "No context came with it.".to_owned(),
        |context| {
            format!(
                "Context came with it: {} characters.",
                context.chars().count()
            )
        },
    );
    format!(
        "This is the demo model of Portcullis: the configured CLI asked it, and nothing left this machine. \
         Your message has {} characters and begins: “{echo}” {context} \
         Set OPENAI_API_KEY to ask a real model.",
        message.chars().count(),
    )
}

/// The text between `<context-…>` and its end, as the gateway frames a caller's context.
fn context_of(text: &str) -> Option<&str> {
    let (tag, rest) = text.strip_prefix("<context-")?.split_once(">\n")?;
    let is_tag = tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    let inner = rest.trim_end().strip_suffix(&format!("</context-{tag}>"))?;
    is_tag.then(|| inner.strip_suffix('\n').unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::{answer, context_of};

    #[test]
    fn context_is_what_the_gateway_framed() {
        let framed = "<context-0123456789abcdef0123456789abcdef>\nline 1\nline 2\n</context-0123456789abcdef0123456789abcdef>";
        assert_eq!(context_of(framed), Some("line 1\nline 2"));
        assert_eq!(
            context_of(
                "<context-0123456789abcdef0123456789abcdef>\n\n</context-0123456789abcdef0123456789abcdef>"
            ),
            Some("")
        );
        assert_eq!(context_of("<context-zzz>\nx\n</context-zzz>"), None);
        assert_eq!(
            context_of(
                "<context-0123456789abcdef0123456789abcdef>\nx\n</context-0123456789abcdef0123456789abcdee>"
            ),
            None
        );
        assert_eq!(
            context_of("what is <context-0123456789abcdef0123456789abcdef>?"),
            None
        );
    }

    #[test]
    fn answer_shows_what_came() {
        let context = "<context-0123456789abcdef0123456789abcdef>\näöü\n</context-0123456789abcdef0123456789abcdef>";
        let text = answer(&["Grüße 👋\nsecond line", context]);
        assert!(
            text.contains("has 19 characters and begins: “Grüße 👋…”"),
            "{text}"
        );
        assert!(
            text.contains("Context came with it: 3 characters."),
            "{text}"
        );
        let text = answer(&["hello?"]);
        assert!(
            text.contains("begins: “hello?” No context came with it."),
            "{text}"
        );
        let text = answer(&[&"字".repeat(5000)]);
        assert!(
            text.contains(&format!(
                "5000 characters and begins: “{}…”",
                "字".repeat(80)
            )),
            "{text}"
        );
    }
}

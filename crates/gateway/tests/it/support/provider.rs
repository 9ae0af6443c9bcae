//! A model provider that a test plays itself, call by call, on a plain socket, so that it can break
//! every rule.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::support::world::in_time;

/// What the provider says in its errors, and nobody but the gateway may ever see.
pub(crate) const CANARY: &str = "canary-7d1f";

const MAX_CALLS: usize = 256;

pub(crate) struct MockProvider {
    pub(crate) base_url: String,
    calls: mpsc::Receiver<ModelCall>,
}

/// One request that came, and the connection on which to answer it.
pub(crate) struct ModelCall {
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body_bytes: Vec<u8>,
    pub(crate) body: Value,
    stream: TcpStream,
    answered: String,
}

impl MockProvider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, calls) = mpsc::channel(MAX_CALLS);
        let tracker = TaskTracker::new();
        tracker.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tracker.spawn(async move {
                    if let Some(call) = ModelCall::read(stream).await {
                        let _ = sender.send(call).await;
                    }
                });
            }
        });
        Self { base_url, calls }
    }

    pub(crate) async fn call(&mut self) -> ModelCall {
        in_time("a model call", self.calls.recv()).await.unwrap()
    }

    /// The same, however long it takes.
    pub(crate) async fn next_call(&mut self) -> ModelCall {
        self.calls.recv().await.unwrap()
    }

    /// Whether every call that came has been taken by the test.
    pub(crate) fn nothing_came(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

impl ModelCall {
    async fn read(mut stream: TcpStream) -> Option<Self> {
        stream.set_nodelay(true).unwrap();
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        let mut body_bytes = bytes.split_off(head_end + 4);
        while body_bytes.len() < length {
            if stream.read_buf(&mut body_bytes).await.ok()? == 0 {
                return None;
            }
        }
        let body = serde_json::from_slice(&body_bytes).expect("JSON");
        Some(Self {
            head,
            body_bytes,
            body,
            stream,
            answered: String::new(),
        })
    }

    /// The texts of the last message of the user.
    pub(crate) fn user_texts(&self) -> Vec<&str> {
        let input = self.body["input"].as_array().unwrap();
        let message = input.iter().rfind(|item| item["role"] == "user").unwrap();
        let parts = message["content"].as_array().unwrap();
        parts
            .iter()
            .map(|part| part["text"].as_str().unwrap())
            .collect()
    }

    pub(crate) async fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        in_time("the writing", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
    }

    /// Writes as much as the other side takes, and closes.
    pub(crate) async fn raw_and_close(mut self, bytes: &[u8]) {
        let _ = in_time("the writing", self.stream.write_all(bytes)).await;
        let _ = self.stream.shutdown().await;
    }

    pub(crate) async fn chunk(&mut self, text: &str) {
        self.raw(format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    pub(crate) async fn event(&mut self, name: &str, mut data: Value) {
        data["type"] = json!(name);
        self.chunk(&format!("event: {name}\ndata: {data}\n\n"))
            .await;
    }

    /// The head of a stream and the events before the first delta.
    pub(crate) async fn begin(&mut self) {
        self.head_of_stream().await;
        let response =
            json!({ "id": "resp_1", "object": "response", "status": "in_progress", "output": [] });
        self.event("response.created", json!({ "response": response }))
            .await;
        self.message_begins().await;
    }

    pub(crate) async fn message_begins(&mut self) {
        let item = message_item("in_progress", None);
        self.event(
            "response.output_item.added",
            json!({ "output_index": 0, "item": item }),
        )
        .await;
    }

    /// Does not announce that the connection will be closed after the answer, as it is: the gateway
    /// must not take it for one that can be used again.
    pub(crate) async fn head_of_stream(&mut self) {
        self.raw(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
             transfer-encoding: chunked\r\n\r\n",
        )
        .await;
    }

    pub(crate) async fn delta(&mut self, text: &str) {
        self.answered.push_str(text);
        let data =
            json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text });
        self.event("response.output_text.delta", data).await;
    }

    /// The events after the last delta, and the end of the stream.
    pub(crate) async fn finish(mut self) {
        let item = message_item("completed", Some(&self.answered));
        self.event(
            "response.output_item.done",
            json!({ "output_index": 0, "item": item.clone() }),
        )
        .await;
        self.complete(&[item]).await;
    }

    pub(crate) async fn complete(mut self, output: &[Value]) {
        let response = json!({
            "id": "resp_1", "object": "response", "status": "completed", "output": output,
            "usage": {
                "input_tokens": 11, "input_tokens_details": { "cached_tokens": 3 },
                "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 },
                "total_tokens": 16,
            },
        });
        self.event("response.completed", json!({ "response": response }))
            .await;
        self.raw("0\r\n\r\n").await;
    }

    /// The provider breaks the answer off.
    pub(crate) async fn incomplete(mut self, reason: &str) {
        let response = json!({
            "id": "resp_1", "status": "incomplete", "incomplete_details": { "reason": reason },
        });
        self.event("response.incomplete", json!({ "response": response }))
            .await;
        self.raw("0\r\n\r\n").await;
    }

    /// A whole answer.
    pub(crate) async fn answer(mut self, text: &str) {
        self.begin().await;
        self.delta(text).await;
        self.finish().await;
    }

    /// The model calls a tool instead of answering.
    pub(crate) async fn call_tool(self, name: &str, arguments: &str) {
        self.call_tool_at_once(1, name, arguments).await;
    }

    /// The same, so many times in one response.
    pub(crate) async fn call_tool_at_once(mut self, calls: usize, name: &str, arguments: &str) {
        self.head_of_stream().await;
        let response =
            json!({ "id": "resp_1", "object": "response", "status": "in_progress", "output": [] });
        self.event("response.created", json!({ "response": response }))
            .await;
        let mut items = Vec::new();
        for index in 1..=calls {
            let item = json!({
                "id": format!("fc_{index}"), "type": "function_call", "status": "completed",
                "call_id": format!("call_{index}"), "name": name, "arguments": arguments,
            });
            for event in ["response.output_item.added", "response.output_item.done"] {
                let data = json!({ "output_index": index - 1, "item": item.clone() });
                self.event(event, data).await;
            }
            items.push(item);
        }
        self.complete(&items).await;
    }

    /// What each tool call of the turn has put out, as the model is told.
    pub(crate) fn tool_outputs(&self) -> Vec<&str> {
        let input = self.body["input"].as_array().unwrap();
        let outputs = input
            .iter()
            .filter(|item| item["type"] == "function_call_output");
        outputs.map(output_text).collect()
    }

    /// What the tool that was called last has put out, as the model is told.
    pub(crate) fn tool_output(&self) -> String {
        let input = self.body["input"].as_array().unwrap();
        let output = input.last().unwrap();
        assert_eq!(output["type"], "function_call_output", "{output}");
        output_text(output).to_owned()
    }

    /// The error event of a stream that began well; the message is the canary.
    pub(crate) async fn failed(&mut self, code: &str) {
        let error = json!({ "code": code, "message": CANARY });
        let response = json!({ "id": "resp_1", "status": "failed", "error": error });
        self.event("response.failed", json!({ "response": response }))
            .await;
        self.raw("0\r\n\r\n").await;
    }

    /// An error answer in the shape of OpenAI's; the message is the canary.
    pub(crate) async fn refuse(&mut self, status: u16, code: &str) {
        let error =
            json!({ "error": { "message": CANARY, "type": "error", "param": null, "code": code } });
        let body = error.to_string();
        let length = body.len();
        self.raw(format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        ))
        .await;
    }

    /// Returns when the other side has closed the connection.
    pub(crate) async fn closed(mut self) {
        let mut rest = [0; 64];
        while in_time("the close of the model call", self.stream.read(&mut rest))
            .await
            .is_ok_and(|read| read > 0)
        {}
    }
}

fn output_text(item: &Value) -> &str {
    match &item["output"] {
        Value::String(text) => text,
        parts => parts[0]["text"].as_str().unwrap(),
    }
}

fn message_item(status: &str, text: Option<&str>) -> Value {
    let content: Vec<Value> = text
        .map(|text| json!({ "type": "output_text", "text": text, "annotations": [] }))
        .into_iter()
        .collect();
    json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content })
}

//! A model on loopback that answers at once, over kept-alive connections.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

const WORDS: &[&str] = &["It ", "bars ", "the ", "gate", "."];

pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = answer();
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tasks.spawn(serve(stream, answer.clone()));
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream, answer: Vec<u8>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut length = 0_u64;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = Vec::new();
        (&mut reader).take(length).read_to_end(&mut body).await?;
        writer.write_all(&answer).await?;
    }
}

fn answer() -> Vec<u8> {
    let text = WORDS.concat();
    let message = |status: &str, content: Value| json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content });
    let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
    let mut events = vec![
        json!({ "type": "response.created", "response": { "id": "resp_1", "status": "in_progress" } }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": message("in_progress", json!([])) }),
    ];
    events.extend(WORDS.iter().map(|word| {
        json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": word })
    }));
    events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": message("completed", content.clone()) }));
    events.push(json!({ "type": "response.completed", "response": {
        "id": "resp_1", "status": "completed", "output": [message("completed", content)],
        "usage": { "input_tokens": 20, "output_tokens": 5, "total_tokens": 25 },
    }}));
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for event in events {
        let frame = format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        );
        answer.extend_from_slice(format!("{:x}\r\n{frame}\r\n", frame.len()).as_bytes());
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

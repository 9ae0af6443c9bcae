//! The bytes of an answer, held strictly to the contract: whatever they are not is said.

use serde_json::Value;

/// What the bytes say. Of an answer that the caller left, as far as it came.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// What came of the answer's text.
    pub(crate) text: String,
    /// How it ended, if it did.
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Done { meta: Value },
    Failed { problem: Value },
}

impl Outcome {
    /// The code of a failure.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Done { .. } => None,
            Self::Failed { problem } => problem["code"].as_str(),
        }
    }

    /// What stands in the report.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Done { .. } => "done",
            Self::Failed { .. } => self.code().unwrap_or("an error without a code"),
        }
    }
}

struct Head<'bytes> {
    status: u16,
    headers: Vec<(String, &'bytes str)>,
}

impl Head<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(it, _)| it == name).map(|(_, value)| *value)
    }
}

/// `is_whole`: the gateway has closed the connection. Then nothing may be missing; otherwise the end may.
pub(crate) fn read(bytes: &[u8], is_whole: bool, request_id: &str) -> Result<Answer, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if is_whole {
            Err("closed before an answer".to_owned())
        } else {
            Ok(Answer::default())
        };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is not UTF-8")?;
    let head = parse_head(head)?;
    if head.header("x-request-id") != Some(request_id) {
        return Err(format!("another request's id: {:?}", head.headers));
    }
    let body = body(&head, &bytes[end + 4..], is_whole)?;
    match (head.status, head.header("content-type")) {
        (200, Some("text/event-stream")) => read_stream(&body, is_whole, request_id),
        (200, Some("application/json")) if is_whole => read_json(&body),
        (400.., Some("application/problem+json")) if is_whole => {
            read_problem(head.status, &body, request_id)
        }
        (200 | 400.., Some(_)) if !is_whole => Ok(Answer::default()),
        (status, content_type) => Err(format!("an answer {status} of type {content_type:?}")),
    }
}

fn parse_head(text: &str) -> Result<Head<'_>, String> {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|it| it.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Head {
        status: status.ok_or("no status")?,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect(),
    })
}

/// The body without its transfer encoding.
fn body(head: &Head<'_>, bytes: &[u8], is_whole: bool) -> Result<Vec<u8>, String> {
    if let Some(length) = head.header("content-length") {
        let length: usize = length.parse().map_err(|_| "a length that is none")?;
        return if bytes.len() == length || (!is_whole && bytes.len() < length) {
            Ok(bytes.to_vec())
        } else {
            Err(format!(
                "{} bytes where {length} were announced",
                bytes.len()
            ))
        };
    }
    let mut rest = bytes;
    let mut body = Vec::new();
    let cut = |body| {
        if is_whole {
            Err("the body was cut".to_owned())
        } else {
            Ok(body)
        }
    };
    loop {
        let Some(at) = find(rest, b"\r\n") else {
            return cut(body);
        };
        let size = std::str::from_utf8(&rest[..at]).ok();
        let size = size.and_then(|it| usize::from_str_radix(it, 16).ok());
        let size = size.ok_or("a chunk without a size")?;
        let Some(chunk) = rest.get(at + 2..at + 2 + size + 2) else {
            return cut(body);
        };
        rest = &rest[at + 2 + size + 2..];
        if size == 0 {
            return if rest.is_empty() {
                Ok(body)
            } else {
                Err(format!("{} bytes after the end", rest.len()))
            };
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn read_stream(body: &[u8], is_whole: bool, request_id: &str) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let mut number = 0;
    let mut rest = body;
    while let Some(at) = find(rest, b"\n\n") {
        let frame = std::str::from_utf8(&rest[..at]).map_err(|_| "a frame that is not UTF-8")?;
        rest = &rest[at + 2..];
        if frame.starts_with(':') {
            continue;
        }
        if answer.outcome.is_some() {
            return Err(format!("a frame after the last one: {frame:?}"));
        }
        number += 1;
        read_frame(frame, number, request_id, &mut answer)?;
    }
    if is_whole && !rest.is_empty() {
        return Err("the stream ends inside a frame".to_owned());
    }
    if is_whole && answer.outcome.is_none() {
        return Err("the stream ended without a terminal frame".to_owned());
    }
    Ok(answer)
}

fn read_frame(
    frame: &str,
    number: u64,
    request_id: &str,
    answer: &mut Answer,
) -> Result<(), String> {
    let lines: Vec<&str> = frame.split('\n').collect();
    let [id, event, data] = lines[..] else {
        return Err(format!("not a frame of three lines: {frame:?}"));
    };
    if id != format!("id: {number}") {
        return Err(format!("{id:?} where {number} was to come"));
    }
    let event = event
        .strip_prefix("event: ")
        .ok_or("a frame without a name")?;
    let data = data.strip_prefix("data: ").ok_or("a frame without data")?;
    let data: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
    if (number == 1) != (event == "start") && event != "error" {
        return Err(format!("{event:?} as number {number}"));
    }
    match event {
        "start" if data["request_id"] == request_id => {}
        "delta" => answer.text += data["text"].as_str().ok_or("a delta without text")?,
        "done" => {
            answer.outcome = Some(Outcome::Done {
                meta: data["meta"].clone(),
            });
        }
        "error" => {
            answer.outcome = Some(Outcome::Failed {
                problem: data["error"].clone(),
            });
        }
        _ => return Err(format!("an unexpected frame: {frame:?}")),
    }
    Ok(())
}

fn read_json(body: &[u8]) -> Result<Answer, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let text = document["answer"].as_str().ok_or("no answer")?;
    Ok(Answer {
        text: text.to_owned(),
        outcome: Some(Outcome::Done {
            meta: document["meta"].clone(),
        }),
    })
}

fn read_problem(status: u16, body: &[u8], request_id: &str) -> Result<Answer, String> {
    let problem: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if problem["status"] != status || problem["request_id"] != request_id {
        return Err(format!("a problem of something else: {problem}"));
    }
    Ok(Answer {
        text: String::new(),
        outcome: Some(Outcome::Failed { problem }),
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

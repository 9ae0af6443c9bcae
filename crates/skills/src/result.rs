//! What came of a call, as a caller gets it.

use std::time::Duration;

use redact::Counts;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A call that has a result.
#[derive(Debug)]
pub struct Completed {
    pub result: ToolResult,
    /// What was replaced in it.
    pub redactions: Counts,
}

/// `tool_result`: redacted, and within the skill's limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolResult {
    pub status: Status,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// Something of the output was left out.
    pub truncated: bool,
    pub output: Value,
    /// What a search could not read, and went on without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    #[serde(flatten)]
    pub stopped: Option<Stopped>,
    /// Of a program that failed, if it is short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Of a turn of Codex that could read files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_read: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    Failed,
}

/// Why the gateway ended the program, whose result is what there was by then. A member of this name is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The skill's time was over.
    TimedOut,
    /// It wrote more files than it may.
    ScratchExceeded,
    /// It printed more than it may.
    OutputExceeded,
}

impl Serialize for Stopped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::TimedOut => "timed_out",
            Self::ScratchExceeded => "scratch_exceeded",
            Self::OutputExceeded => "output_exceeded",
        };
        serializer.collect_map([(name, true)])
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    pub count: u64,
    /// The first ones, each in the words of the program.
    pub messages: Vec<String>,
}

impl ToolResult {
    pub fn new(status: Status, duration: Duration, output: Value) -> Self {
        Self {
            status,
            exit_code: None,
            signal: None,
            duration,
            truncated: false,
            output,
            unread: None,
            stopped: None,
            stderr: None,
            files_read: None,
        }
    }
}

/// With one decimal.
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 10_000.0).round() / 10.0)
}

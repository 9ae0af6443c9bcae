use std::time::Duration;

use serde_json::{Value, json};

use crate::probe::Probe;

/// What one turn does, chosen by the words `fake:…` in its text; they are explained in `main.rs`.
pub(crate) struct Script(Vec<Behaviour>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Ask { requests: usize },
    MalformedCalls,
    BadUtf8,
    Big { chars: usize },
    CloseInput,
    Count { deltas: usize },
    Crash,
    DieMidLine,
    DupComplete,
    ErrorThenComplete,
    Exit { code: i32 },
    Fail { info: Value },
    FailAfterDelta { info: Value },
    FloodForever,
    FloodStderr { megabytes: usize },
    FloodStdout { notifications: usize },
    Garbage,
    Hang,
    HangAfterDelta,
    HugeLine { bytes: usize },
    IgnoreInterrupt,
    Kill,
    Lines,
    Linger,
    NoDelta,
    NoEnd,
    Probe(Probe),
    Reasoning,
    RefuseTurnStart { code: i32, pause: Duration },
    ServerRequest { method: String },
    Slow { pause: Duration },
    SlowReading { pause_ms: u64 },
    StopReading,
    Threads,
    Usage { input: u64, output: u64 },
    WrongThread,
}

impl Script {
    /// An unknown or malformed word is an error, so that a test's misprint shows.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        text.split_whitespace()
            .filter_map(|word| word.strip_prefix("fake:"))
            .map(|word| Behaviour::of(word).ok_or_else(|| format!("unknown behaviour fake:{word}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn has(&self, behaviour: &Behaviour) -> bool {
        self.0.contains(behaviour)
    }

    pub(crate) fn behaviours(&self) -> &[Behaviour] {
        &self.0
    }

    /// The first behaviour that carries what is looked for.
    pub(crate) fn find<'a, T>(&'a self, look: impl FnMut(&'a Behaviour) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(look)
    }
}

impl Behaviour {
    fn of(word: &str) -> Option<Self> {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let behaviour = match name {
            "ask" => Self::Ask {
                requests: value.parse().ok()?,
            },
            "bad-utf8" => Self::BadUtf8,
            "big" => Self::Big {
                chars: value.parse().ok()?,
            },
            "close-input" => Self::CloseInput,
            "count" => Self::Count {
                deltas: value.parse().ok()?,
            },
            "crash" => Self::Crash,
            "die-mid-line" => Self::DieMidLine,
            "dup-complete" => Self::DupComplete,
            "error-then-complete" => Self::ErrorThenComplete,
            "exit" => Self::Exit {
                code: value.parse().ok()?,
            },
            "malformed-calls" => Self::MalformedCalls,
            "fail" => Self::Fail {
                info: error_info(value)?,
            },
            "fail-after-delta" => Self::FailAfterDelta {
                info: error_info(value)?,
            },
            "flood-forever" => Self::FloodForever,
            "flood-stderr" => Self::FloodStderr {
                megabytes: value.parse().ok()?,
            },
            "flood-stdout" => Self::FloodStdout {
                notifications: value.parse().ok()?,
            },
            "garbage" => Self::Garbage,
            "hang" => Self::Hang,
            "hang-after-delta" => Self::HangAfterDelta,
            "huge-line" => Self::HugeLine {
                bytes: value.parse().ok()?,
            },
            "ignore-interrupt" => Self::IgnoreInterrupt,
            "kill" => Self::Kill,
            "lines" => Self::Lines,
            "linger" => Self::Linger,
            "no-delta" => Self::NoDelta,
            "no-end" => Self::NoEnd,
            "probe" => Self::Probe(Probe::of(value)?),
            "reasoning" => Self::Reasoning,
            "refuse-turn-start" => {
                let (code, pause_ms) = value.split_once(':')?;
                Self::RefuseTurnStart {
                    code: code.parse().ok()?,
                    pause: Duration::from_millis(pause_ms.parse().ok()?),
                }
            }
            "server-request" if !value.is_empty() => Self::ServerRequest {
                method: value.to_owned(),
            },
            "slow" => Self::Slow {
                pause: Duration::from_millis(value.parse().ok()?),
            },
            "slow-reading" => Self::SlowReading {
                pause_ms: value.parse().ok()?,
            },
            "stop-reading" => Self::StopReading,
            "threads" => Self::Threads,
            "usage" => {
                let (input, output) = value.split_once(',')?;
                Self::Usage {
                    input: input.parse().ok()?,
                    output: output.parse().ok()?,
                }
            }
            "wrong-thread" => Self::WrongThread,
            _ => return None,
        };
        Some(behaviour)
    }
}

/// A `codexErrorInfo` of the protocol: a name, or a name with the status that the endpoint gave.
fn error_info(value: &str) -> Option<Value> {
    match value.split_once(':') {
        Some((name, status)) => {
            let status: u16 = status.parse().ok()?;
            Some(json!({ name: { "httpStatusCode": status } }))
        }
        None => (!value.is_empty()).then(|| json!(value)),
    }
}

use std::{
    future,
    io::{self, Write},
    process,
    sync::{Arc, atomic::Ordering},
};

use serde_json::{Value, json};
use tokio::{task, time};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{CRASH_CODE, Server, server_request, shapes};
use crate::{
    one_turn::in_pieces,
    script::{Behaviour, Script},
};

const ANSWER_ITEM: &str = "msg_1";
const PIECE_CHARS: usize = 1000;

/// One turn, from `turn/start` to `turn/completed` or to whatever its script has instead.
pub(super) struct Turn {
    pub(super) server: Arc<Server>,
    pub(super) thread_id: String,
    pub(super) id: String,
    pub(super) text: String,
    pub(super) script: Result<Script, String>,
    pub(super) interrupt: CancellationToken,
}

enum Outcome {
    Completed { answer: String },
    Failed { message: String, info: Value },
    Interrupted,
}

impl Turn {
    pub(super) async fn run(self) {
        let outcome = tokio::select! {
            biased;
            () = self.interrupt.cancelled() => Outcome::Interrupted,
            outcome = self.perform() => outcome,
        };
        self.complete(&outcome);
    }

    async fn perform(&self) -> Outcome {
        let script = match &self.script {
            Ok(script) => script,
            Err(message) => {
                let info = json!("badRequest");
                return Outcome::Failed {
                    message: message.clone(),
                    info,
                };
            }
        };
        if script.has(&Behaviour::Hang) {
            future::pending::<()>().await;
        }
        self.announce();
        for behaviour in script.behaviours() {
            self.prelude(behaviour);
        }
        if let Some(info) = script.find(failure) {
            return failed(info);
        }
        let pieces = self.answer(script).await;
        if !script.has(&Behaviour::NoDelta) {
            self.item("item/started", shapes::agent_message(ANSWER_ITEM, ""));
            if let Some(info) = self.stream(script, &pieces).await {
                return failed(info);
            }
        }
        let answer = pieces.concat();
        self.item(
            "item/completed",
            shapes::agent_message(ANSWER_ITEM, &answer),
        );
        self.report_usage(script, pieces.len());
        Outcome::Completed { answer }
    }

    fn announce(&self) {
        let active = json!({ "type": "active", "activeFlags": [] });
        self.notify("thread/status/changed", json!({ "status": active }));
        let turn = shapes::turn(&self.id, "inProgress", &Value::Null, &[]);
        self.notify("turn/started", json!({ "turn": turn }));
        let message = shapes::user_message(&Uuid::now_v7().to_string(), &self.text);
        self.item("item/started", message.clone());
        self.item("item/completed", message);
    }

    /// What happens before the answer.
    fn prelude(&self, behaviour: &Behaviour) {
        let outbox = &self.server.outbox;
        match behaviour {
            Behaviour::BadUtf8 => outbox.raw(b"{\"method\":\"fake/\xff\xfe\",\"params\":{}}\n"),
            Behaviour::Garbage => outbox
                .raw(b"not JSON\n\n[]\n42\n{\"method\":\n{}\n{\"id\":\"nobody\",\"result\":{}}\n"),
            Behaviour::HugeLine { bytes } => {
                let frame = shapes::notification("fake/huge", json!({ "text": "" })).to_string();
                let filler = "x".repeat(bytes.saturating_sub(frame.len()));
                outbox.notify("fake/huge", json!({ "text": filler }));
            }
            Behaviour::Lines => {
                for line in &self.server.startup.lines {
                    let line = line.replace("@THREAD@", &self.thread_id);
                    let line = line.replace("@TURN@", &self.id) + "\n";
                    outbox.raw(line.as_bytes());
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a scripted CLI writes as it is told"
                    )]
                    let _ = io::stderr().write_all(line.as_bytes());
                }
            }
            Behaviour::FloodForever => {
                let flood = b"{\"method\":\"fake/flood\",\"params\":{}}\n".repeat(2048);
                loop {
                    outbox.raw(&flood);
                }
            }
            Behaviour::FloodStdout { notifications } => {
                for number in 0..*notifications {
                    outbox.notify("fake/flood", json!({ "number": number }));
                }
            }
            Behaviour::FloodStderr { megabytes } => {
                let megabyte = [[b'e'; 1023].as_slice(), b"\n"].concat().repeat(1024);
                for _ in 0..*megabytes {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a scripted CLI writes as it is told"
                    )]
                    let _ = io::stderr().write_all(&megabyte);
                }
            }
            Behaviour::StopReading => self
                .server
                .has_stopped_reading
                .store(true, Ordering::Relaxed),
            Behaviour::SlowReading { pause_ms } => self
                .server
                .reading_pause_ms
                .store(*pause_ms, Ordering::Relaxed),
            Behaviour::CloseInput => self.server.closes_input.store(true, Ordering::Relaxed),
            Behaviour::WrongThread => {
                let thread_id = Uuid::now_v7().to_string();
                let delta = json!({
                    "threadId": thread_id, "turnId": self.id, "itemId": ANSWER_ITEM, "delta": "not yours",
                });
                outbox.notify("item/agentMessage/delta", delta);
            }
            Behaviour::ErrorThenComplete => {
                let info = json!({ "responseStreamDisconnected": { "httpStatusCode": null } });
                let error = shapes::turn_error("Reconnecting... 1/5", &info);
                self.notify(
                    "error",
                    json!({ "error": error, "turnId": self.id, "willRetry": true }),
                );
            }
            Behaviour::Reasoning => {
                self.item("item/started", shapes::reasoning("rs_1", &[]));
                self.item(
                    "item/completed",
                    shapes::reasoning("rs_1", &["Thinking of a test."]),
                );
            }
            _ => {}
        }
    }

    async fn answer(&self, script: &Script) -> Vec<String> {
        let asked = script.find(|behaviour| match behaviour {
            Behaviour::ServerRequest { method } => Some(method),
            _ => None,
        });
        if let Some(method) = asked {
            let params = server_request::params(method, &self.thread_id, &self.id);
            return vec![self.server.ask(method, params).await.to_string()];
        }
        let requests = script.find(|behaviour| match behaviour {
            Behaviour::Ask { requests } => Some(*requests),
            _ => None,
        });
        if let Some(requests) = requests {
            return vec![format!("{} answers", self.ask_at_once(requests).await)];
        }
        if script.has(&Behaviour::MalformedCalls) {
            return vec![self.malformed_calls().await.to_string()];
        }
        let scripted = script.find(|behaviour| match behaviour {
            Behaviour::Threads => Some(vec![self.server.state().threads.len().to_string()]),
            Behaviour::Count { deltas } => {
                Some((0..*deltas).map(|number| format!("tok{number} ")).collect())
            }
            Behaviour::Probe(probe) => Some(vec![probe.run().to_string()]),
            Behaviour::Big { chars } => Some(in_pieces(&"x".repeat(*chars), PIECE_CHARS)),
            _ => None,
        });
        scripted.unwrap_or_else(|| {
            let answer = format!("echo: {}", self.text);
            in_pieces(&answer, answer.chars().count().div_ceil(3))
        })
    }

    async fn malformed_calls(&self) -> Value {
        let mut answers = Vec::new();
        for params in server_request::malformed_calls(&self.thread_id) {
            answers.push(self.server.ask("item/tool/call", params).await);
        }
        Value::Array(answers)
    }

    async fn ask_at_once(&self, requests: usize) -> usize {
        const METHOD: &str = "item/tool/call";
        let params = server_request::params(METHOD, &self.thread_id, &self.id);
        let asking: Vec<_> = (0..requests)
            .map(|_| {
                let (server, params) = (Arc::clone(&self.server), params.clone());
                let asking = async move { server.ask(METHOD, params).await };
                self.server.turns.spawn(asking)
            })
            .collect();
        let mut answers = 0;
        for asked in asking {
            let answer = asked.await.unwrap_or_default();
            answers += usize::from(answer.get("result").is_some());
        }
        answers
    }

    /// Gives the failure that the script has in the middle of the answer.
    async fn stream(&self, script: &Script, pieces: &[String]) -> Option<Value> {
        let pause = script.find(|behaviour| match behaviour {
            Behaviour::Slow { pause } => Some(*pause),
            _ => None,
        });
        for (index, piece) in pieces.iter().enumerate() {
            match pause {
                Some(pause) => time::sleep(pause).await,
                // Lets other turns speak, and an interrupt in.
                None => task::yield_now().await,
            }
            self.delta(piece);
            if index == 0 {
                self.misbehave_mid_turn(script).await;
                if let Some(info) = script.find(late_failure) {
                    return Some(info);
                }
            }
        }
        None
    }

    async fn misbehave_mid_turn(&self, script: &Script) {
        for behaviour in script.behaviours() {
            match behaviour {
                Behaviour::Crash => process::exit(CRASH_CODE),
                Behaviour::DieMidLine => {
                    self.server
                        .outbox
                        .raw(b"{\"method\":\"item/agentMessage/delta\",\"params\":{\"thre");
                    process::exit(CRASH_CODE);
                }
                Behaviour::Kill => {
                    let _ = rustix::process::kill_process(
                        rustix::process::getpid(),
                        rustix::process::Signal::KILL,
                    );
                }
                Behaviour::HangAfterDelta | Behaviour::IgnoreInterrupt => {
                    future::pending::<()>().await;
                }
                _ => {}
            }
        }
    }

    fn report_usage(&self, script: &Script, deltas: usize) {
        let claimed = script.find(|behaviour| match behaviour {
            Behaviour::Usage { input, output } => Some((*input, *output)),
            _ => None,
        });
        let honest = || (self.text.len().div_ceil(4) as u64, deltas as u64);
        let (input, output) = claimed.unwrap_or_else(honest);
        let usage = shapes::token_usage(input, output);
        self.notify(
            "thread/tokenUsage/updated",
            json!({ "turnId": self.id, "tokenUsage": usage }),
        );
        self.server
            .outbox
            .notify("account/rateLimits/updated", shapes::rate_limits());
    }

    fn complete(&self, outcome: &Outcome) {
        let (status, error, items) = match outcome {
            Outcome::Completed { answer } => {
                let item = shapes::agent_message(ANSWER_ITEM, answer);
                ("completed", Value::Null, vec![item])
            }
            Outcome::Interrupted => ("interrupted", Value::Null, Vec::new()),
            Outcome::Failed { message, info } => {
                let error = shapes::turn_error(message, info);
                let params = json!({ "error": error, "willRetry": false, "turnId": self.id });
                self.notify("error", params);
                ("failed", error, Vec::new())
            }
        };
        self.server.close_turn(&self.thread_id);
        let idle = if status == "failed" {
            "systemError"
        } else {
            "idle"
        };
        self.notify(
            "thread/status/changed",
            json!({ "status": { "type": idle } }),
        );
        let turn = shapes::turn(&self.id, status, &error, &items);
        self.notify("turn/completed", json!({ "turn": turn }));
        let is_repeated = |script: &Script| script.has(&Behaviour::DupComplete);
        if self.script.as_ref().is_ok_and(is_repeated) {
            self.notify("turn/completed", json!({ "turn": turn }));
        }
        self.server.count_completed_turn();
    }

    fn delta(&self, text: &str) {
        let params = json!({ "turnId": self.id, "itemId": ANSWER_ITEM, "delta": text });
        self.notify("item/agentMessage/delta", params);
    }

    fn item(&self, method: &str, item: Value) {
        let time_field = if method == "item/started" {
            "startedAtMs"
        } else {
            "completedAtMs"
        };
        let mut params = json!({ "turnId": self.id });
        params["item"] = item;
        params[time_field] = json!(shapes::now_ms());
        self.notify(method, params);
    }

    fn notify(&self, method: &str, mut params: Value) {
        params["threadId"] = json!(self.thread_id);
        self.server.outbox.notify(method, params);
    }
}

fn failed(info: Value) -> Outcome {
    let message = format!("fake-codex was asked to fail with {info}");
    Outcome::Failed { message, info }
}

fn failure(behaviour: &Behaviour) -> Option<Value> {
    match behaviour {
        Behaviour::Fail { info } => Some(info.clone()),
        _ => None,
    }
}

fn late_failure(behaviour: &Behaviour) -> Option<Value> {
    match behaviour {
        Behaviour::FailAfterDelta { info } => Some(info.clone()),
        _ => None,
    }
}

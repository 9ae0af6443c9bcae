//! The dialects with a process for each turn: `exec --json`, and a company's `chat`.

use std::{
    io::{self, Read as _, Write as _},
    process::{self, ExitCode},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    command_line::refuse,
    script::{Behaviour, Script},
    startup::Startup,
};

const CRASH_CODE: i32 = 3;
const PIECE_CHARS: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Exec,
    Chat { stream: bool, json: bool },
}

/// Reads the question to its end, and answers it as it says.
pub(crate) fn run(startup: &Startup, dialect: Dialect) -> ExitCode {
    if let Some(code) = startup.exit_at_start {
        return ExitCode::from(code);
    }
    // For the signals that it may have to ignore.
    let _runtime = match startup.runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error.to_string()),
    };
    pause(startup.slow_start());
    let mut text = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut text) {
        return refuse(&error.to_string());
    }
    match Script::of(&text) {
        Ok(script) => OneTurn {
            dialect,
            text,
            script,
            lines: &startup.lines,
        }
        .run(),
        Err(problem) => refuse(&problem),
    }
}

struct OneTurn<'startup> {
    dialect: Dialect,
    text: String,
    script: Script,
    lines: &'startup [String],
}

impl OneTurn<'_> {
    fn run(&self) -> ExitCode {
        self.begin();
        if self.script.has(&Behaviour::Hang) {
            park();
        }
        for behaviour in self.script.behaviours() {
            self.prelude(behaviour);
        }
        let failure = self.script.find(|behaviour| match behaviour {
            Behaviour::Fail { info } => Some(info),
            _ => None,
        });
        if failure.is_some() {
            self.fail();
        } else {
            self.answer();
        }
        if self.script.has(&Behaviour::Linger) {
            park();
        }
        let code = self.script.find(|behaviour| match behaviour {
            Behaviour::Exit { code } => Some(*code),
            _ => None,
        });
        process::exit(code.unwrap_or(0))
    }

    fn begin(&self) {
        if self.dialect == Dialect::Exec {
            say(&json!({ "type": "thread.started", "thread_id": "fake" }));
            say(&json!({ "type": "turn.started" }));
        }
    }

    fn fail(&self) {
        match self.dialect {
            Dialect::Exec => {
                say(&json!({ "type": "error", "message": "Reconnecting... 1/5" }));
                say(&json!({ "type": "turn.failed", "error": { "message": "it failed" } }));
            }
            Dialect::Chat { json: true, .. } => say(&json!({ "error": "it failed" })),
            Dialect::Chat { .. } => print(b"it failed"),
        }
    }

    fn prelude(&self, behaviour: &Behaviour) {
        match behaviour {
            Behaviour::Reasoning if self.dialect == Dialect::Exec => {
                let item = json!({ "id": "item_0", "type": "reasoning", "text": "Thinking." });
                say(&json!({ "type": "item.completed", "item": item }));
            }
            Behaviour::Garbage => print(b"not JSON\n\n[]\n42\n{\"type\":\n"),
            Behaviour::BadUtf8 => print(b"{\"type\":\"\xff\xfe\"}\n"),
            Behaviour::HugeLine { bytes } => {
                print(&vec![b'x'; *bytes]);
                print(b"\n");
            }
            Behaviour::Lines => {
                for line in self.lines {
                    print(format!("{line}\n").as_bytes());
                }
            }
            Behaviour::FloodForever => {
                let flood = b"{\"type\":\"fake.flood\"}\n".repeat(2048);
                loop {
                    print(&flood);
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
            _ => {}
        }
    }

    fn answer(&self) {
        let pieces = self.pieces();
        let is_streamed = matches!(self.dialect, Dialect::Chat { stream: true, .. });
        for (index, piece) in pieces.iter().enumerate() {
            let slowly = self.script.find(|behaviour| match behaviour {
                Behaviour::Slow { pause } => Some(*pause),
                _ => None,
            });
            pause(slowly.unwrap_or_default());
            if is_streamed {
                self.delta(piece);
            }
            if index == 0 {
                self.misbehave();
            }
        }
        self.end(&pieces.concat(), is_streamed);
    }

    fn delta(&self, piece: &str) {
        match self.dialect {
            Dialect::Chat { json: true, .. } => say(&json!({ "delta": piece })),
            _ => print(piece.as_bytes()),
        }
    }

    fn misbehave(&self) {
        for behaviour in self.script.behaviours() {
            match behaviour {
                Behaviour::HangAfterDelta => park(),
                Behaviour::Crash => process::exit(CRASH_CODE),
                Behaviour::Kill => {
                    let _ = rustix::process::kill_process(
                        rustix::process::getpid(),
                        rustix::process::Signal::KILL,
                    );
                }
                _ => {}
            }
        }
    }

    fn end(&self, answer: &str, was_streamed: bool) {
        let usage = self.script.find(|behaviour| match behaviour {
            Behaviour::Usage { input, output } => Some((*input, *output)),
            _ => None,
        });
        let (input, output) = usage.unwrap_or((7, 3));
        let usage = json!({ "input_tokens": input, "output_tokens": output });
        let has_end = !self.script.has(&Behaviour::NoEnd);
        match self.dialect {
            Dialect::Exec => {
                let item = json!({ "id": "item_1", "type": "agent_message", "text": answer });
                say(&json!({ "type": "item.completed", "item": item }));
                if has_end {
                    say(&json!({ "type": "turn.completed", "usage": usage }));
                }
            }
            Dialect::Chat { json: true, .. } => {
                say(&json!({ "answer": answer }));
                say(&json!({ "usage": usage }));
            }
            Dialect::Chat { .. } if was_streamed => print(b"\n"),
            Dialect::Chat { .. } => print(format!("{answer}\n").as_bytes()),
        }
    }

    fn pieces(&self) -> Vec<String> {
        let scripted = self.script.find(|behaviour| match behaviour {
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
}

pub(crate) fn in_pieces(text: &str, length: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let pieces = characters.chunks(length.max(1));
    pieces.map(|piece| piece.iter().collect()).collect()
}

fn say(message: &Value) {
    print(format!("{message}\n").as_bytes());
}

/// Whoever does not read any more has a reason.
#[expect(
    clippy::disallowed_methods,
    reason = "a scripted CLI writes as it is told"
)]
fn print(bytes: &[u8]) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(bytes);
    let _ = output.flush();
}

/// Nobody wakes this thread early.
fn pause(duration: Duration) {
    thread::park_timeout(duration);
}

fn park() -> ! {
    loop {
        thread::park();
    }
}

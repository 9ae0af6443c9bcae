//! The driver `exec`: `codex exec --json`, a process for each turn. There are no deltas: each message of the
//! answer comes as a whole.

use std::io;

use redact::Untrusted;
use runner::{Exit, Line, Lines};
use serde::Deserialize;

use crate::home::Home;
use crate::per_turn::command::{TurnCommand, TurnContext};
use crate::per_turn::step::{Step, UselessLines};
use crate::profile::{self, BASE_INSTRUCTIONS, OwnTurn, STRICT_CONFIG};
use crate::turn::{
    CodexErrorClass, ItemKind, ItemStatus, ReportedUsage, SEPARATOR, TurnEnd, TurnEvent,
    TurnFailure,
};

/// The process reads the question from standard input (`-`), and everything else from files in its home.
/// Nothing that a caller sent is in the arguments.
pub(crate) fn command(home: &mut Home, context: &TurnContext<'_>) -> io::Result<TurnCommand> {
    let turn = context.turn;
    let instructions = context.instructions.unwrap_or(BASE_INSTRUCTIONS);
    let instructions = home.add_file("instructions.md", instructions)?;
    let own = OwnTurn {
        credential: context.credential,
        instructions: &instructions,
        reasoning_effort: turn.reasoning_effort.as_deref(),
    };
    let config = profile::config_toml(&turn.model, context.broker_base_url, Some(&own));
    home.add_file("config.toml", &config)?;
    let mut arguments = ["exec", "--json", "--ephemeral", STRICT_CONFIG]
        .map(Into::into)
        .to_vec();
    // Its working directory is empty, and no repository.
    arguments.push("--skip-git-repo-check".into());
    if let Some(schema) = &turn.output_schema {
        let file = home.add_file("output-schema.json", &schema.to_string())?;
        arguments.extend(["--output-schema".into(), file.into()]);
    }
    arguments.push("-".into());
    Ok(TurnCommand {
        arguments,
        environment: profile::environment(home.path(), context.search_path),
        input: turn.input.join(SEPARATOR),
    })
}

/// Reads the events, one JSON object a line. Events and exit code together decide how the turn has ended.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    answered: bool,
    completed: bool,
    failed: bool,
    useless: UselessLines,
}

/// The events of `codex exec --json` that are used. `error` is not: it may only say "Reconnecting…", and if it
/// is final, `turn.failed` follows.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "item.started")]
    ItemStarted { item: Item },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: Item },
    #[serde(rename = "turn.completed")]
    TurnCompleted { usage: Option<Usage> },
    #[serde(rename = "turn.failed")]
    TurnFailed,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names are those on the wire")]
struct Usage {
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
    reasoning_output_tokens: u64,
}

impl Reader {
    pub(crate) async fn step(&mut self, output: &mut Lines) -> Step {
        match output.next().await {
            None => Step::End,
            Some(Line::Text(line)) => match serde_json::from_slice(&line) {
                Ok(Event::Other) => self.useless.count_idle(),
                Ok(event) => Step::Events(self.take(event)),
                Err(_) => self.useless.count_malformed(),
            },
            Some(Line::TooLong { .. }) => self.useless.count_malformed(),
        }
    }

    fn take(&mut self, event: Event) -> Vec<TurnEvent> {
        match event {
            Event::ItemCompleted { item } if item.kind == "agent_message" => self.answer(item.text),
            Event::ItemStarted { item } => item_event(&item, ItemStatus::Started),
            Event::ItemCompleted { item } => item_event(&item, ItemStatus::Completed),
            Event::TurnCompleted { usage } => {
                self.completed = true;
                let usage = usage.unwrap_or_default();
                vec![TurnEvent::Usage(ReportedUsage {
                    input_tokens: usage.input_tokens,
                    cached_input_tokens: usage.cached_input_tokens,
                    output_tokens: usage.output_tokens,
                    reasoning_tokens: usage.reasoning_output_tokens,
                })]
            }
            Event::TurnFailed => {
                self.failed = true;
                Vec::new()
            }
            Event::Other => Vec::new(),
        }
    }

    /// Text after the end of the turn is ignored.
    fn answer(&mut self, mut text: String) -> Vec<TurnEvent> {
        if self.is_over() {
            return Vec::new();
        }
        if text.is_empty() {
            return vec![TurnEvent::EmptyMessage];
        }
        if self.answered {
            text.insert_str(0, SEPARATOR);
        }
        self.answered = true;
        vec![TurnEvent::Delta(Untrusted::new(text))]
    }

    pub(crate) fn is_over(&self) -> bool {
        self.completed || self.failed
    }

    /// A turn that the CLI reports as failed has failed, whatever the exit code is. One that it reports as
    /// completed has completed if there was an answer, or if the exit code is 0. If it reports neither, the
    /// turn has failed.
    pub(crate) fn conclude(&mut self, exit: &Exit) -> TurnEnd {
        let failure = if self.failed {
            TurnFailure::Codex(CodexErrorClass::Other)
        } else if self.completed && (self.answered || exit.is_success()) {
            return TurnEnd::Completed;
        } else if let Some(failure) = self.useless.failure() {
            failure
        } else {
            TurnFailure::Exited {
                code: exit.code,
                signal: exit.signal,
            }
        };
        TurnEnd::Failed(failure)
    }

    pub(crate) fn useless_lines(&self) -> UselessLines {
        self.useless
    }
}

/// Metadata only. Unknown kinds are left out.
fn item_event(item: &Item, status: ItemStatus) -> Vec<TurnEvent> {
    let kind = match item.kind.as_str() {
        "reasoning" => ItemKind::Reasoning,
        "command_execution" => ItemKind::Command,
        "file_change" => ItemKind::FileChange,
        "mcp_tool_call" => ItemKind::ToolCall,
        "web_search" => ItemKind::WebSearch,
        "todo_list" => ItemKind::Plan,
        // `error` is a warning of the CLI about itself.
        _ => return Vec::new(),
    };
    vec![TurnEvent::Item { kind, status }]
}

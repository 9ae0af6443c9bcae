//! The driver `exec`: `codex exec --json`, a process for each turn. It gives no deltas: an answer
//! comes message by message.

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

/// The question goes to standard input (`-`); whatever else the turn needs, to files in the process's
/// home. Nothing that a caller sent is in the arguments.
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

/// Reads the events, one JSON object a line, and judges by them and by the exit code together.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    answered: bool,
    completed: bool,
    failed: bool,
    useless: UselessLines,
}

/// The events of `codex exec --json` that mean something here. `error` is not among them: it may say
/// "Reconnecting…", and where it is final, `turn.failed` follows.
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
            Event::ItemStarted { item } => tell(&item, ItemStatus::Started),
            Event::ItemCompleted { item } => tell(&item, ItemStatus::Completed),
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

    /// Nothing more is believed of an answer once its turn is over.
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

    /// A failed turn has failed, whatever the exit code says. One that completed and answered has done
    /// so even where the process ended badly afterwards; one that did not answer is believed only with
    /// exit code 0. A process that says neither has not finished the turn, however well it ended.
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

/// Metadata only, and nothing of a kind that is not known.
fn tell(item: &Item, status: ItemStatus) -> Vec<TurnEvent> {
    let kind = match item.kind.as_str() {
        "reasoning" => ItemKind::Reasoning,
        "command_execution" => ItemKind::Command,
        "file_change" => ItemKind::FileChange,
        "mcp_tool_call" => ItemKind::ToolCall,
        "web_search" => ItemKind::WebSearch,
        "todo_list" => ItemKind::Plan,
        // `error` is a warning of the CLI's about itself.
        _ => return Vec::new(),
    };
    vec![TurnEvent::Item { kind, status }]
}

//! The ways in which a Codex CLI can be spoken to, and which of them a CLI offers.

use crate::per_turn::contract::{ArgumentTemplate, ContractSettings};

/// How the CLI is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Warm `codex app-server` processes, many turns on each.
    AppServer,
    /// `codex exec`, a process for each turn.
    Exec,
    /// A company's own CLI with `chat` and `tool`, a process for each turn.
    Contract(ContractSettings),
}

/// What the settings say about the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverChoice {
    /// What the CLI offers decides.
    Auto,
    AppServer,
    Exec,
    Contract,
}

impl Driver {
    pub fn name(&self) -> &'static str {
        match self {
            Self::AppServer => "app-server",
            Self::Exec => "exec",
            Self::Contract(_) => "contract",
        }
    }

    /// Whether the model can be lent tools.
    pub fn supports_tools(&self) -> bool {
        matches!(self, Self::AppServer)
    }

    /// Whether a turn can be given a schema for its answer.
    pub fn takes_output_schema(&self) -> bool {
        match self {
            Self::AppServer | Self::Exec => true,
            Self::Contract(settings) => settings
                .chat_arguments
                .iter()
                .any(ArgumentTemplate::names_output_schema),
        }
    }
}

/// What a CLI says in its `--help` that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    app_server: bool,
    exec: bool,
    chat: bool,
}

impl Offers {
    /// A command stands at the beginning of its line, or behind the name of the program: prose may use
    /// any word.
    pub(crate) fn of_help<'text>(lines: impl Iterator<Item = &'text str>) -> Self {
        let mut offers = Self::default();
        for line in lines {
            let mut before = None;
            for word in line.split_ascii_whitespace() {
                let word = word.trim_end_matches([',', ':']);
                if before.is_none_or(|before: &str| before.ends_with("codex")) {
                    offers.note(word);
                }
                before = Some(word);
            }
        }
        offers
    }

    fn note(&mut self, command: &str) {
        match command {
            "app-server" => self.app_server = true,
            "exec" => self.exec = true,
            "chat" => self.chat = true,
            _ => {}
        }
    }

    /// The warm one if there is a choice.
    pub(crate) fn best(self) -> Option<DriverChoice> {
        if self.app_server {
            Some(DriverChoice::AppServer)
        } else if self.chat {
            Some(DriverChoice::Contract)
        } else if self.exec {
            Some(DriverChoice::Exec)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(help: &str) -> Option<DriverChoice> {
        Offers::of_help(help.lines()).best()
    }

    #[test]
    fn the_three_kinds_are_told_apart_by_their_commands() {
        let codex = "Codex CLI\n\nUsage: codex [OPTIONS] [PROMPT]\n\nCommands:\n  exec        Run \
                     Codex non-interactively [aliases: e]\n  app-server  [experimental]\n";
        assert_eq!(best(codex), Some(DriverChoice::AppServer));
        let old = "Usage: codex [OPTIONS]\n\nCommands:\n  exec, e  Run Codex\n";
        assert_eq!(best(old), Some(DriverChoice::Exec));
        let usage = "usage: acme-codex chat [--stream] [--json]\n       acme-codex tool <skill>\n";
        assert_eq!(best(usage), Some(DriverChoice::Contract));
        let list = "Commands:\n  chat    Ask a question\n  tool    Run a skill\n";
        assert_eq!(best(list), Some(DriverChoice::Contract));
    }

    #[test]
    fn prose_offers_nothing() {
        let prose = "This program does no chat and cannot exec anything.\n  Save a chat\n";
        assert_eq!(best(prose), None);
    }
}

//! The drivers, and which of them a CLI supports.

use crate::per_turn::contract::{ArgumentTemplate, ContractSettings};

/// How the client speaks to the CLI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Warm `codex app-server` processes, many turns on each.
    AppServer,
    /// `codex exec`, a process for each turn.
    Exec,
    /// A company's own CLI with `chat` and `tool`, a process for each turn.
    Contract(ContractSettings),
}

/// Which driver the settings ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverChoice {
    /// The best one that the CLI supports.
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

    /// Whether the model can call the caller's tools.
    pub fn supports_tools(&self) -> bool {
        matches!(self, Self::AppServer)
    }

    /// Whether a turn can have a schema for its answer.
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

/// The commands that a CLI names in its `--help`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    app_server: bool,
    exec: bool,
    chat: bool,
}

impl Offers {
    /// Only the first word of a line, or a word behind the name of the program, is a command. Prose may use
    /// the same words elsewhere.
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

    /// Prefers the driver with warm processes.
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

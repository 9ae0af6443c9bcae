use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    grandchild::{GRANDCHILD, Role},
    startup::Startup,
};

/// What the arguments ask for. Options of a dialect are accepted and ignored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    AppServer,
    AppServerHelp,
    Exec,
    /// Of a company's own CLI.
    Chat {
        stream: bool,
        json: bool,
    },
    ChatHelp,
    Version,
    Help,
    /// What `leave_grandchild` starts.
    Grandchild(Role),
    Unknown,
}

const HELP: &str = "\
Codex CLI

Usage: codex [OPTIONS] [PROMPT]
       codex [OPTIONS] <COMMAND> [ARGS]

Commands:
@COMMANDS@  help              Print this message or the help of the given subcommand(s)

Options:
  -c, --config <key=value>
          Override a configuration value that would otherwise be loaded from `~/.codex/config.toml`.

  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version
";

const APP_SERVER_HELP: &str = "\
[experimental] Run the app server or related tooling

Usage: codex app-server [OPTIONS] [COMMAND]

Commands:
  generate-json-schema  [experimental] Generate JSON Schema for the app server protocol
  help                  Print this message or the help of the given subcommand(s)

Options:
  -c, --config <key=value>
          Override a configuration value that would otherwise be loaded from `~/.codex/config.toml`.

      --enable <FEATURE>
          Enable a feature (repeatable). Equivalent to `-c features.<name>=true`

      --disable <FEATURE>
          Disable a feature (repeatable). Equivalent to `-c features.<name>=false`

      --strict-config
          Error out when config.toml contains fields that are not recognized by this version of
          Codex

      --listen <URL>
          Transport endpoint URL. Supported values: `stdio://` (default), `unix://`, `unix://PATH`,
          `ws://IP:PORT`, `off`
          
          [default: stdio://]

  -h, --help
          Print help (see a summary with '-h')
";

const USAGE: &str = "\
error: unrecognized subcommand

Usage: codex [OPTIONS] [PROMPT]
       codex [OPTIONS] <COMMAND> [ARGS]

For more information, try '--help'.
";

impl Command {
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = env::args_os()
            .skip(1)
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        let has = |wanted: &[&str]| {
            arguments
                .iter()
                .any(|argument| wanted.contains(&argument.as_str()))
        };
        let is_app_server = has(&["app-server"]);
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        if has(&[GRANDCHILD]) {
            Self::Grandchild(match arguments.get(1).map(String::as_str) {
                Some("group") => Role::Group,
                Some("setsid") => Role::Session,
                Some("middle") => Role::Middle,
                _ => Role::Plain,
            })
        } else if has(&["--help", "-h"]) {
            if is_app_server {
                Self::AppServerHelp
            } else if first == "chat" {
                Self::ChatHelp
            } else {
                Self::Help
            }
        } else if has(&["--version", "-V"]) {
            Self::Version
        } else if is_app_server {
            Self::AppServer
        } else if first == "exec" {
            Self::Exec
        } else if first == "chat" {
            Self::Chat {
                stream: has(&["--stream"]),
                json: has(&["--json"]),
            }
        } else {
            Self::Unknown
        }
    }

    /// For a command that only says something.
    #[expect(
        clippy::disallowed_methods,
        reason = "a scripted CLI writes as it is told"
    )]
    pub(crate) fn print(self, startup: &Startup) -> ExitCode {
        let text = match self {
            Self::Version => format!("codex-cli {}\n", startup.version()),
            Self::Help => help(startup),
            Self::AppServerHelp => APP_SERVER_HELP.to_owned(),
            Self::ChatHelp => format!(
                "Ask a question on standard input.\n\nOptions: {}\n",
                startup.chat_options.join(", ")
            ),
            Self::AppServer
            | Self::Exec
            | Self::Chat { .. }
            | Self::Grandchild(_)
            | Self::Unknown => {
                let _ = io::stderr().write_all(USAGE.as_bytes());
                return ExitCode::from(2);
            }
        };
        match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }
}

/// As that of the real one, with the commands that this one is to have.
fn help(startup: &Startup) -> String {
    let mut commands = String::new();
    for command in &startup.commands {
        commands += "  ";
        commands += command;
        commands += "  Does what its name says\n";
    }
    HELP.replace("@COMMANDS@", &commands)
}

/// The test that set this up has made a mistake.
#[expect(
    clippy::disallowed_methods,
    reason = "a scripted CLI writes as it is told"
)]
pub(crate) fn refuse(problem: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "fake-codex: {problem}");
    ExitCode::from(64)
}

//! The command line: `portcullis serve`, `portcullis config …`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::{self, Environment, Overrides};
use crate::logging;

/// The guarded gate in front of the Codex CLI.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true, after_help = SETTINGS_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const SETTINGS_HELP: &str = "Settings come from built-in defaults, then the file named by \
    PORTCULLIS_CONFIG, then the environment. `portcullis config print` shows each one and where it \
    came from.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve calls until SIGTERM or SIGINT; a second signal ends at once.
    Serve(ServeArguments),
    /// Look at the settings without starting anything.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Answer model calls with the built-in demo model: the real Codex CLI runs, no key is needed and
    /// nothing leaves this machine.
    #[arg(long)]
    demo: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting with its value and its origin; secrets are masked.
    Print,
    /// Check the settings: exit status 1, and every problem on stderr, if anything is wrong.
    Check,
}

/// Exit status of a wrong setting or a failed start.
const FAILURE: u8 = 1;

pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(arguments) => serve(&arguments),
        Command::Config(command) => show_config(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // There is nowhere left to report a broken stderr to.
            let _ = writeln!(io::stderr(), "portcullis: {message}");
            ExitCode::from(FAILURE)
        }
    }
}

fn show_config(command: ConfigCommand) -> Result<(), String> {
    let loaded = config::load(&Environment::from_process(), &Overrides::default());
    match command {
        ConfigCommand::Print => {
            // What was read is shown even where it was refused: that is when it is needed.
            let shown = match &loaded {
                Ok(loaded) => loaded.render(),
                Err(error) => error.origins.render(),
            };
            print(&shown)?;
            loaded.map(drop).map_err(|error| error.to_string())
        }
        ConfigCommand::Check => {
            let loaded = loaded.map_err(|error| error.to_string())?;
            for warning in &loaded.warnings {
                print(&format!("warning: {warning}\n"))?;
            }
            print("The settings are valid.\n")
        }
    }
}

fn serve(arguments: &ServeArguments) -> Result<(), String> {
    let environment = Environment::from_process();
    let search_path = environment.get("PATH").unwrap_or_default().to_owned();
    let loaded = config::load(
        &environment,
        &Overrides {
            demo: arguments.demo,
        },
    )
    .map_err(|error| error.to_string())?;
    drop(environment);
    logging::start(&loaded.settings.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    runtime.block_on(async {
        let app = App::start(loaded.settings, &search_path)
            .await
            .map_err(|error| error.to_string())?;
        print(&app.greeting())?;
        app.run(signal_to_stop()?).await;
        Ok(())
    })
}

/// Ready at the first SIGTERM or SIGINT. A second one ends the process at once: its children end
/// with it, because their pipes close.
fn signal_to_stop() -> Result<impl Future<Output = ()>, String> {
    let install = |kind| signal(kind).map_err(|error| format!("no signal handler: {error}"));
    let mut terminate = install(SignalKind::terminate())?;
    let mut interrupt = install(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn print(text: &str) -> Result<(), String> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("stdout could not be written: {error}"))
}

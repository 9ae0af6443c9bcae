//! The command line: `portcullis serve`, `portcullis config …`.

mod doctor;
mod filter;
mod keys;
mod skills;
mod store;
mod usage;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{self, Environment, Overrides, Settings};
use crate::logging;
use crate::tls::Certificates;

/// A self-hosted gateway for the OpenAI Codex CLI.
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
    /// Serve calls until SIGTERM or SIGINT; a second signal ends at once. SIGHUP reads the skills and the TLS files
    /// again.
    Serve(ServeArguments),
    /// Copy standard input to standard output with secrets replaced, in constant memory.
    Redact(filter::Arguments),
    /// The runner's own: the first process in a sandbox, which becomes the program.
    #[command(name = runner::LAUNCH_ARGUMENT, hide = true)]
    SandboxLaunch {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The runner's own: another user namespace, for the sandboxes of a gateway that is root.
    #[command(name = runner::NAMESPACE_ARGUMENT, hide = true)]
    SandboxUsers,
    /// Look at the settings without starting anything.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check this installation and say what to do about each failure.
    ///
    /// Looks over, with the settings that `serve` would use: the settings themselves, directories, the
    /// CLI, its version and driver, the sandbox and what it enforces, a start of Codex, limits and
    /// memory, skills, whether the provider is reached and takes the key, and the port. What it starts
    /// has ended when it reports. No key is ever printed. Exit status 1 if a check failed.
    Doctor(doctor::Arguments),
    /// Make, list, rotate and revoke API keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Show what was used: calls, tokens and money.
    Usage(usage::Arguments),
    /// Look at the skills without starting anything.
    #[command(subcommand)]
    Skills(skills::Command),
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Answer model calls with the built-in demo model: the CLI runs as usual, no key is needed and
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
    /// Print a file of settings with every default and its explanation, to start your own from.
    Defaults,
}

/// Exit status of a wrong setting or a failed start.
const FAILURE: u8 = 1;

/// For what still blocks a thread when everything else has ended, such as a look-up of a name.
const LAST_MOMENT: Duration = Duration::from_secs(1);

pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(arguments) => return serve(&arguments),
        // It prints its own report, and its exit status is its result.
        Command::Doctor(arguments) => match doctor::run(&arguments) {
            Ok(status) => return status,
            Err(message) => Err(message),
        },
        Command::Redact(arguments) => filter::run(&arguments),
        Command::SandboxLaunch { arguments } => {
            Err(runner::launch(arguments.into_iter()).to_string())
        }
        Command::SandboxUsers => {
            runner::hold_user_namespace().map_err(|error| format!("no user namespace: {error}"))
        }
        Command::Config(command) => show_config(command),
        Command::Keys(command) => keys::run(command),
        Command::Usage(arguments) => usage::run(arguments),
        Command::Skills(command) => skills::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // There is nowhere left to report a broken stderr to.
            #[expect(
                clippy::disallowed_methods,
                reason = "of a command that does nothing else"
            )]
            let _ = writeln!(io::stderr(), "portcullis: {message}");
            ExitCode::from(FAILURE)
        }
    }
}

fn show_config(command: ConfigCommand) -> Result<(), String> {
    let load = || config::load(&Environment::from_process(), &Overrides::default());
    match command {
        ConfigCommand::Defaults => print(&config::render_defaults()),
        ConfigCommand::Print => {
            let loaded = load();
            // What was read is shown even where it was refused: that is when it is needed.
            let shown = match &loaded {
                Ok(loaded) => loaded.render(),
                Err(error) => error.origins.render(),
            };
            print(&shown)?;
            loaded.map(drop).map_err(|error| error.to_string())
        }
        ConfigCommand::Check => {
            let loaded = load().map_err(|error| error.to_string())?;
            for warning in &loaded.warnings {
                print(&format!("warning: {warning}\n"))?;
            }
            print("The settings are valid.\n")
        }
    }
}

/// Its messages go through the log, which never waits for a reader.
fn serve(arguments: &ServeArguments) -> ExitCode {
    let outcome = serve_with_log(arguments);
    logging::end(outcome.as_ref().err().map(String::as_str));
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
    }
}

fn serve_with_log(arguments: &ServeArguments) -> Result<(), String> {
    close_inherited_descriptors()?;
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
    logging::start(&loaded.settings.log, &loaded.settings.redactor)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    return_memory();
    hide_memory();
    allow_descriptors();
    adopt_orphans();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    let outcome = runtime.block_on(serve_until_signalled(loaded.settings, &search_path));
    runtime.shutdown_timeout(LAST_MOMENT);
    outcome
}

/// Has the allocator return freed memory to the system about ten seconds after a burst, from a thread of its
/// own, even if nothing is asked of the gateway meanwhile. Only here: the launcher of sandboxes, which is
/// this program too, can make a user namespace only while it has a single thread.
fn return_memory() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::warn!(%error, "freed memory is returned to the system late");
    }
}

/// Keeps other processes of the same user, Codex's above all, from reading this one's environment and
/// memory through `/proc`, and the kernel from writing them to a core file: the provider's key is there.
fn hide_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can read this one's memory");
    }
}

/// Descriptors that the parent process left open must not reach children. Comes first, so that nothing of
/// this program's own is closed.
fn close_inherited_descriptors() -> Result<(), String> {
    runner::close_inherited_descriptors()
        .map(drop)
        .map_err(|error| format!("inherited descriptors cannot be closed: {error}"))
}

fn adopt_orphans() {
    if let Err(error) = runner::adopt_orphans() {
        tracing::warn!(%error, "what Codex starts and leaves alone cannot be found without a sandbox");
    }
}

/// As many descriptors as the system lets this process have. The usual soft limit of 1024 is there for
/// programs that use `select`; here it would end at some 500 connections.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, soft_limit = limit.current, "the limit of open files stays as it is");
    }
}

/// The first SIGTERM or SIGINT begins the drain, the second cuts it short. Children end with this
/// process in any case: their handles kill them, and their pipes close.
async fn serve_until_signalled(settings: Settings, search_path: &OsStr) -> Result<(), String> {
    let launcher = launcher()?;
    let mut signals = Signals::install()?;
    let app = tokio::select! {
        app = App::start(settings, search_path, &launcher) => app.map_err(|error| error.to_string())?,
        () = signals.next() => return Ok(()),
    };
    if let Err(error) = logging::announce(app.greeting()) {
        tracing::warn!(%error, "the greeting could not be printed");
    }
    let skills = app.skills().clone();
    let certificates = app.certificates().cloned();
    let mut hangup = Signals::install_one(SignalKind::hangup())?;
    let stop = CancellationToken::new();
    let run = app.run(stop.clone().cancelled_owned());
    tokio::pin!(run);
    loop {
        tokio::select! {
            () = &mut run => return Ok(()),
            () = signals.next() => break stop.cancel(),
            _ = hangup.recv() => {
                certificates.iter().for_each(Certificates::reload);
                let skills = skills.clone();
                tokio::task::spawn_blocking(move || skills.reload());
            }
        }
    }
    tokio::select! {
        () = run => Ok(()),
        () = signals.next() => Err("a second signal cut the drain short".to_owned()),
    }
}

/// The first program in every sandbox is this one.
fn launcher() -> Result<PathBuf, String> {
    std::env::current_exe()
        .map_err(|error| format!("this program does not know its own file: {error}"))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on no signal ends the process by itself.
    fn install() -> Result<Self, String> {
        Ok(Self {
            terminate: Self::install_one(SignalKind::terminate())?,
            interrupt: Self::install_one(SignalKind::interrupt())?,
        })
    }

    fn install_one(kind: SignalKind) -> Result<Signal, String> {
        signal(kind).map_err(|error| format!("no signal handler: {error}"))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "of a command that does nothing else"
)]
fn print(text: &str) -> Result<(), String> {
    unless_reader_left(io::stdout().write_all(text.as_bytes()))
        .map_err(|error| format!("stdout could not be written: {error}"))
}

/// A reader that stops early, as `head` does, is no failure.
fn unless_reader_left(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

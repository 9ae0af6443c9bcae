//! `portcullis doctor`: looks an installation over, from the settings to the way out, and says what to do
//! about each thing that is wrong.
//!
//! It uses the parts that `serve` uses, so what passes here passes there. It leaves nothing behind: what
//! it starts has ended, and what it makes is gone, when it has reported. No secret and no word of a
//! provider's answer is in the report.

mod address;
mod codex;
mod database;
mod directories;
mod footprint;
mod issuer;
mod machine;
mod provider;
mod report;
mod sandbox;
mod settings;
mod skills;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use crate::app::{self, Shutdown, state_dir};
use crate::config::{self, Environment, Overrides, Settings};
use crate::sandbox::{EstablishError, SandboxContext, establish};

pub use footprint::Footprint;
pub use report::{Check, Report, Status};

/// For the tasks of what was started, beyond the grace of the kill.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The checks, in the order in which they are reported. Later ones rest on earlier ones.
mod name {
    pub(super) const SETTINGS: &str = "settings";
    pub(super) const STATE_DIR: &str = "state_dir";
    pub(super) const DATA_DIR: &str = "data_dir";
    pub(super) const DATABASE: &str = "database";
    pub(super) const CODEX_PROGRAM: &str = "codex_program";
    pub(super) const CODEX_VERSION: &str = "codex_version";
    pub(super) const DRIVER: &str = "driver";
    pub(super) const SANDBOX: &str = "sandbox";
    pub(super) const LIMITS: &str = "limits";
    pub(super) const CODEX_PROCESS: &str = "codex_process";
    pub(super) const OPEN_FILES: &str = "open_files";
    pub(super) const MEMORY: &str = "memory";
    pub(super) const SKILLS: &str = "skills";
    pub(super) const PROVIDER: &str = "provider";
    pub(super) const MODEL_CALL: &str = "model_call";
    pub(super) const JWT_ISSUER: &str = "jwt_issuer";
    pub(super) const ADDRESS: &str = "address";

    /// Those that need a program.
    pub(super) const OF_CODEX: [&str; 5] = [CODEX_VERSION, DRIVER, SANDBOX, LIMITS, CODEX_PROCESS];
}

/// Whether the model is asked something, which costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    None,
    Tiny,
}

/// Looks everything over. `launcher` is the file of the program `portcullis`, as for [`app::App::start`].
/// `footprint` is to be dropped when the runtime has ended, and with it the last that was started.
pub async fn examine(
    environment: &Environment,
    overrides: &Overrides,
    question: Question,
    search_path: &OsStr,
    launcher: &Path,
    footprint: &mut Footprint,
) -> Report {
    let mut report = Report::default();
    let loaded = match config::load(environment, overrides) {
        Ok(loaded) => loaded,
        Err(error) => {
            report.add(settings::refused(&error));
            let why = "the settings cannot be used";
            report.skip(&[name::STATE_DIR, name::DATA_DIR, name::DATABASE], why);
            report.skip(&[name::CODEX_PROGRAM], why);
            report.skip(&name::OF_CODEX, why);
            report.skip(&[name::OPEN_FILES, name::MEMORY, name::SKILLS], why);
            report.skip(&[name::PROVIDER, name::ADDRESS], why);
            if question == Question::Tiny {
                report.skip(&[name::MODEL_CALL], why);
            }
            return report;
        }
    };
    report.add(settings::accepted(&loaded));
    let config::Loaded {
        settings, origins, ..
    } = loaded;
    let data_dir = settings.server.data_dir.clone();
    let fallback = data_dir.join("codex-state");
    footprint.look_at(&[&state_dir::in_memory(), &fallback]);
    footprint.look_at(settings.codex.state_dir.as_deref().as_slice());
    let state_dir = state_dir::choose(settings.codex.state_dir.as_deref(), &data_dir);
    report.add(directories::state(&state_dir, &settings.codex));
    report.add(directories::data(&data_dir));
    report.add(database::check(&settings).await);
    let roots = app::install_roots();
    let (check, program) = codex::program(&settings.codex, &origins, &roots, search_path);
    report.add(check);
    let shutdown = Shutdown::default();
    if let Some(program) = program {
        let context = SandboxContext {
            settings: &settings.codex,
            program,
            launcher,
            roots: &roots,
            search_path,
            state_dir: &state_dir,
            data_dir: &data_dir,
            redactor: &settings.redactor,
            tasks: &shutdown.tasks,
        };
        examine_codex(&settings, context, &shutdown, &mut report).await;
    } else {
        report.skip(&name::OF_CODEX, "there is no program");
    }
    shutdown.closing.cancel();
    shutdown.tasks.close();
    let _ = timeout(
        settings.codex.kill_grace + FLUSH_TIMEOUT,
        shutdown.tasks.wait(),
    )
    .await;
    report.add(machine::open_files(&settings));
    report.add(machine::memory(&settings));
    report.add(skills::check(&settings.skills, &state_dir, &data_dir));
    for check in provider::check(&settings, question).await {
        report.add(check);
    }
    if let Some(jwt) = &settings.jwt {
        report.add(issuer::check(jwt).await);
    }
    report.add(address::check(&settings).await);
    report
}

/// What is asked of a program that was found.
async fn examine_codex(
    settings: &Settings,
    context: SandboxContext<'_>,
    shutdown: &Shutdown,
    report: &mut Report,
) {
    let state_dir = context.state_dir;
    let established = match establish(context).await {
        Ok(established) => established,
        Err(EstablishError::Required(unusable)) => {
            let why = "nothing is run without the sandbox that is required";
            report.skip(&[name::CODEX_VERSION, name::DRIVER], why);
            report.add(sandbox::refused(&unusable));
            report.skip(&[name::LIMITS, name::CODEX_PROCESS], why);
            return;
        }
        Err(EstablishError::Probe(error)) => {
            report.add(codex::no_answer(&error));
            report.skip(&name::OF_CODEX[1..], "the program did not answer");
            return;
        }
    };
    let installation = &established.installation;
    report.add(codex::version(installation, settings.codex.version_strict));
    report.add(codex::driver(installation, settings.codex.driver));
    let sandbox = established.sandbox.as_ref().map(|(sandbox, _)| sandbox);
    report.add(sandbox::check(&established.status, sandbox));
    report.add(machine::limits(sandbox.map(|sandbox| sandbox.limits)));
    report.add(codex::process(settings, established, state_dir, shutdown).await);
}

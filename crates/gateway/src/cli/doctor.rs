//! `portcullis doctor`.

use std::process::ExitCode;

use clap::Args;

use super::{
    FAILURE, LAST_MOMENT, Signals, adopt_orphans, allow_descriptors, close_inherited_descriptors,
    hide_memory, launcher, print,
};
use crate::config::{Environment, Overrides};
use crate::doctor::{self, Footprint, Question};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON document: `ok`, and `checks` with `name`, `status` (ok, warning, failed, skipped),
    /// `detail` and `remedy`.
    #[arg(long)]
    json: bool,
    /// Look at what `serve --demo` would use: no key is needed, no provider is asked.
    #[arg(long)]
    demo: bool,
    /// Ask the model one tiny question, as Codex would. It costs a few tokens.
    #[arg(long)]
    ask: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    close_inherited_descriptors()?;
    let environment = Environment::from_process();
    let search_path = environment.get("PATH").unwrap_or_default().to_owned();
    let overrides = Overrides {
        demo: arguments.demo,
    };
    let question = if arguments.ask {
        Question::Tiny
    } else {
        Question::None
    };
    hide_memory();
    allow_descriptors();
    adopt_orphans();
    let launcher = launcher()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    let mut footprint = Footprint::default();
    let report = runtime.block_on(async {
        let mut signals = Signals::install()?;
        let examine = doctor::examine(
            &environment,
            &overrides,
            question,
            &search_path,
            &launcher,
            &mut footprint,
        );
        tokio::select! {
            report = examine => Ok(report),
            // What was started ends with its handles.
            () = signals.next() => Err("interrupted".to_owned()),
        }
    });
    runtime.shutdown_timeout(LAST_MOMENT);
    drop(footprint);
    let report = report?;
    let text = if arguments.json {
        format!("{:#}\n", report.to_json())
    } else {
        report.to_string()
    };
    print(&text)?;
    Ok(if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILURE)
    })
}

//! `portcullis skills check` and `portcullis skills list`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ::skills::{Catalogue, Skill};
use clap::Subcommand;
use serde_json::json;

use super::print;
use crate::config::{self, Environment, Overrides};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the files of skills: exit status 1, and every problem on stderr, if anything is wrong.
    Check {
        /// The directory; when not given, the one of `PORTCULLIS_SKILLS_DIR`.
        directory: Option<PathBuf>,
    },
    /// List the skills.
    List {
        /// As JSON, with the schemas of their parameters.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command) -> Result<(), String> {
    match command {
        Command::Check { directory } => {
            let directory = match directory {
                Some(directory) => directory.clone(),
                None => configured()?,
            };
            if !directory.is_dir() {
                return Err(format!("{} is not a directory", directory.display()));
            }
            let catalogue = read(&directory)?;
            print(&format!(
                "{} skills in {} are valid.\n",
                catalogue.len(),
                directory.display()
            ))
        }
        Command::List { json: false } => {
            let mut list = String::new();
            for skill in read(&configured()?)?.iter() {
                let first = skill.description.lines().next().unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = writeln!(list, "{:24} {first}", skill.name.as_str());
            }
            print(&list)
        }
        Command::List { json: true } => {
            let catalogue = read(&configured()?)?;
            let skills: Vec<_> = catalogue.iter().map(|skill| described(skill)).collect();
            print(&format!("{:#}\n", json!({ "skills": skills })))
        }
    }
}

fn described(skill: &Skill) -> serde_json::Value {
    json!({
        "name": skill.name.as_str(),
        "description": skill.description,
        "kind": skill.run.kind(),
        "parameters": skill.parameters.schema(),
        "workspace": skill.workspace.as_str(),
        "deadline_sec": skill.deadline.as_secs(),
        "scopes": skill.scopes,
        "async": skill.is_async,
    })
}

/// Of the settings; a key that they miss is no matter here.
fn configured() -> Result<PathBuf, String> {
    let overrides = Overrides { demo: true };
    let loaded = config::load(&Environment::from_process(), &overrides);
    let loaded = loaded.map_err(|error| error.to_string())?;
    Ok(loaded.settings.skills.dir)
}

fn read(directory: &Path) -> Result<Catalogue, String> {
    Catalogue::read(directory).map_err(|error| error.to_string())
}

use std::path::Path;

use ::skills::{Catalogue, Workspaces};

use crate::config::SkillSettings;

use super::name::SKILLS;
use super::report::Check;

pub(super) fn check(settings: &SkillSettings, state_dir: &Path, data_dir: &Path) -> Check {
    let catalogue = match Catalogue::read(&settings.dir) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            let remedy = "Correct them; `portcullis skills check` looks at them alone.";
            return Check::failed(SKILLS, error.to_string(), remedy);
        }
    };
    let hidden = [state_dir, data_dir];
    let hidden = hidden.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    if let Err(error) = Workspaces::open(settings.workspaces.iter().cloned(), &hidden) {
        let remedy = "Name directories that exist, and that are not the gateway's own.";
        return Check::failed(SKILLS, error.to_string(), remedy);
    }
    let (skills, workspaces) = (catalogue.len(), settings.workspaces.len());
    Check::ok(
        SKILLS,
        format!(
            "{skills} in {}, {workspaces} workspaces",
            settings.dir.display()
        ),
    )
}

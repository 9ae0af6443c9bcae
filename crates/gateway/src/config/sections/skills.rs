use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use skills::{TestKind, WorkspaceSettings};

use crate::config::format::workspace;

/// `[skills]`, as it is written.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct SkillSection {
    /// The skills, one TOML file each; docs/skills.md says how to write one.
    #[schemars(extend("env" = "PORTCULLIS_SKILLS_DIR", "default" = "./skills"))]
    #[schemars(extend("format" = "directory"))]
    pub(in crate::config) dir: PathBuf,

    /// The directories that skills may work on; a caller chooses one by its name. With a single one,
    /// callers need not name it.
    #[schemars(extend("env" = "PORTCULLIS_WORKSPACES", "default" = [], "format" = "workspaces"))]
    pub(in crate::config) workspaces: Vec<String>,

    /// What runs the tests of each workspace.
    #[schemars(extend("env" = "PORTCULLIS_WORKSPACE_TESTS", "default" = []))]
    #[schemars(extend("format" = "workspace-tests"))]
    pub(in crate::config) workspace_tests: Vec<String>,

    /// What skills may read in their sandbox beside the workspace and the system's programs and libraries:
    /// toolchains. Programs are also looked for in each one's bin.
    #[schemars(extend("env" = "PORTCULLIS_SKILL_READ_PATHS", "default" = [], "format" = "paths"))]
    read_paths: Vec<PathBuf>,

    /// Leave out of a search every match on a line of which something is hidden, as if there were none.
    /// Else who may search can find out what is hidden, by guessing it letter by letter.
    #[schemars(extend("env" = "PORTCULLIS_SEARCH_DROPS_HIDDEN", "default" = false))]
    search_drops_hidden: bool,
}

/// `[skills]`, with each workspace and its tests together.
#[derive(Clone, Debug)]
pub struct SkillSettings {
    pub dir: PathBuf,
    pub workspaces: Vec<WorkspaceSettings>,
    pub read_paths: Vec<PathBuf>,
    pub search_drops_hidden: bool,
}

impl SkillSection {
    pub(in crate::config) fn resolve(self) -> SkillSettings {
        let tests: Vec<_> = self
            .workspace_tests
            .iter()
            .map(|text| workspace::split(text))
            .collect();
        let workspaces = self.workspaces.iter().map(|text| {
            let (name, path) = workspace::split(text);
            let kind = tests.iter().find(|(workspace, _)| *workspace == name);
            WorkspaceSettings {
                name: name.to_owned(),
                path: PathBuf::from(path),
                tests: kind.and_then(|(_, kind)| TestKind::parse(kind)),
            }
        });
        SkillSettings {
            workspaces: workspaces.collect(),
            dir: self.dir,
            read_paths: self.read_paths,
            search_drops_hidden: self.search_drops_hidden,
        }
    }
}

//! The named directories that skills work on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::definition::TestKind;

/// The workspaces of the settings, by name.
#[derive(Clone, Debug, Default)]
pub struct Workspaces {
    by_name: BTreeMap<String, Workspace>,
}

/// One root, as the operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSettings {
    pub name: String,
    pub path: PathBuf,
    /// What runs its tests, if the operator has said it.
    pub tests: Option<TestKind>,
}

/// One root that a caller may choose by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub name: String,
    /// Absolute, without symbolic links.
    pub root: PathBuf,
    /// What runs its tests, if the operator has said it.
    pub tests: Option<TestKind>,
}

/// Why a call has no workspace; follows `/extra/workspace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWorkspace {
    NotText,
    Unknown,
    NotChosen,
    None,
}

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("the workspace {name} ({}) cannot be used: {source}. PORTCULLIS_WORKSPACES names it", path.display())]
    Unusable {
        name: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "the workspace {name} lies in {}, which no skill may see: name another directory in PORTCULLIS_WORKSPACES",
        hidden.display()
    )]
    Hidden { name: String, hidden: PathBuf },
}

impl Workspaces {
    /// `hidden` are directories of the gateway's own, which no skill may see.
    pub fn open(
        settings: impl IntoIterator<Item = WorkspaceSettings>,
        hidden: &[PathBuf],
    ) -> Result<Self, WorkspaceError> {
        let mut by_name = BTreeMap::new();
        for setting in settings {
            let name = setting.name.clone();
            let root = setting.path.canonicalize().and_then(|root| {
                let is_directory = root.is_dir();
                is_directory
                    .then_some(root)
                    .ok_or(io::ErrorKind::NotADirectory.into())
            });
            let root = root.map_err(|source| WorkspaceError::Unusable {
                name: name.clone(),
                path: setting.path,
                source,
            })?;
            if let Some(hidden) = hidden.iter().find(|hidden| root.starts_with(hidden)) {
                let hidden = hidden.clone();
                return Err(WorkspaceError::Hidden { name, hidden });
            }
            let workspace = Workspace {
                name: name.clone(),
                root,
                tests: setting.tests,
            };
            by_name.insert(name, workspace);
        }
        Ok(Self { by_name })
    }

    /// The one that the caller names; the only one, if there is only one.
    pub fn choose(&self, named: Option<&serde_json::Value>) -> Result<&Workspace, NoWorkspace> {
        match named {
            Some(serde_json::Value::String(name)) => {
                self.by_name.get(name).ok_or(NoWorkspace::Unknown)
            }
            Some(_) => Err(NoWorkspace::NotText),
            None => {
                let mut all = self.by_name.values();
                match (all.next(), all.next()) {
                    (Some(only), None) => Ok(only),
                    (Some(_), Some(_)) => Err(NoWorkspace::NotChosen),
                    (None, _) => Err(NoWorkspace::None),
                }
            }
        }
    }

    pub fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).collect()
    }
}

impl Workspace {
    pub(super) fn path(&self) -> &Path {
        &self.root
    }
}

impl NoWorkspace {
    pub fn detail(self) -> &'static str {
        match self {
            Self::NotText => "must be the name of a workspace, a string",
            Self::Unknown => "is no workspace of this gateway",
            Self::NotChosen => "is required: there are several workspaces",
            Self::None => "names nothing: this gateway has no workspace (PORTCULLIS_WORKSPACES)",
        }
    }
}

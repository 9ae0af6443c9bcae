use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{control_group::ControlGroups, launcher::Launcher};

/// What sandboxes are made with on this machine.
#[derive(Clone)]
pub struct SandboxTools {
    /// The bubblewrap program, absolute.
    pub bubblewrap: PathBuf,
    pub launcher: Launcher,
    /// Without them, limits hold for each process alone.
    pub control_groups: Option<ControlGroups>,
}

/// Finds bubblewrap: `configured` if there is one, else the first file of `candidates`, else `bwrap` in a
/// directory of `search_path`.
pub fn find_bubblewrap(
    configured: Option<&Path>,
    candidates: impl IntoIterator<Item = PathBuf>,
    search_path: &OsStr,
) -> Option<PathBuf> {
    if let Some(bubblewrap) = configured {
        return Some(bubblewrap.to_owned());
    }
    let directories = std::env::split_paths(search_path).filter(|path| path.is_absolute());
    let on_path = directories.map(|directory| directory.join("bwrap"));
    let mut candidates = candidates.into_iter().chain(on_path);
    candidates.find(|candidate| candidate.is_file())
}

//! Entries that begin with the name of a workspace.

use std::path::PathBuf;

use super::path;
use super::settings::WorkspaceSettings;

const TEST_KINDS: [&str; 5] = ["cargo", "npm", "pytest", "go", "make"];

pub(super) fn named_path(said: &str) -> Result<String, String> {
    let (_, path) = split(said)?;
    let path = path::shared(path).map_err(|detail| format!("the path {detail}"))?;
    if !PathBuf::from(path).is_dir() {
        return Err("the path is not a directory".to_owned());
    }
    Ok(said.to_owned())
}

pub(super) fn named_tests(said: &str) -> Result<String, String> {
    let (_, kind) = split(said)?;
    if TEST_KINDS.contains(&kind) {
        Ok(said.to_owned())
    } else {
        Err(format!(
            "behind the = must stand one of {}",
            TEST_KINDS.join(", ")
        ))
    }
}

/// The two lists as one; `None` if they do not agree, which `checks.rs` has refused by then.
pub(super) fn join(paths: &[String], tests: &[String]) -> Option<Vec<WorkspaceSettings>> {
    let joined = paths.iter().map(|said| {
        let (name, path) = split(said).ok()?;
        let tests = tests.iter().filter_map(|said| split(said).ok());
        let mut kinds = tests.filter(|(of, _)| *of == name).map(|(_, kind)| kind);
        Some(WorkspaceSettings {
            name: name.to_owned(),
            path: PathBuf::from(path),
            tests: kinds.next().map(str::to_owned),
        })
    });
    joined.collect()
}

/// The name in front of the `=`.
pub(super) fn name_of(said: &str) -> &str {
    said.split_once('=').map_or(said, |(name, _)| name)
}

fn split(said: &str) -> Result<(&str, &str), String> {
    const MAX_NAME_BYTES: usize = 64;
    let (name, rest) = said.split_once('=').ok_or("must have the form name=…")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        return Err("a workspace is named with 1 to 64 of A-Z a-z 0-9 . _ -".to_owned());
    }
    Ok((name, rest))
}

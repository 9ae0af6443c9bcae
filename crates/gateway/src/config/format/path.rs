//! Paths, made absolute at once: workers and children do not share the gateway's directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bounded_file;

/// A bundle of every public root is a fifth of this.
const CERTIFICATES_LIMIT_BYTES: u64 = 1024 * 1024;
const CERTIFICATE_MARKER: &str = "-----BEGIN CERTIFICATE-----";

/// A directory that is there, or that can still be made.
pub(super) fn directory(text: &str) -> Result<String, String> {
    let path = absolute(text)?;
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_dir() => Err("is not a directory".to_owned()),
        _ => Ok(path),
    }
}

pub(super) fn executable(text: &str) -> Result<String, String> {
    let path = absolute(text)?;
    let metadata = fs::metadata(&path).map_err(|error| {
        format!("cannot be found ({error}): give the path of the program, not its name alone")
    })?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err("is not an executable file".to_owned());
    }
    Ok(path)
}

/// What every sandbox may read: named from the root, so that it means the same everywhere.
pub(super) fn shared(text: &str) -> Result<String, String> {
    let path = absolute(text)?;
    if path != text || fs::metadata(&path).is_err() {
        return Err("must be an absolute path of something that exists".to_owned());
    }
    if path == "/" {
        return Err("is the root: name the directories that are needed".to_owned());
    }
    Ok(path)
}

pub(super) fn certificates(text: &str) -> Result<String, String> {
    let path = absolute(text)?;
    let file = bounded_file::read(path.as_ref(), CERTIFICATES_LIMIT_BYTES)?;
    if !file.content.contains(CERTIFICATE_MARKER) {
        return Err(format!(
            "holds no PEM certificate (a line {CERTIFICATE_MARKER})"
        ));
    }
    Ok(path)
}

pub(in crate::config) fn absolute(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("must be a path, and is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("must be a path without control characters".to_owned());
    }
    if text == "~" || text.starts_with("~/") {
        return Err("begins with ~, which only a shell understands: write the path out".to_owned());
    }
    let path =
        std::path::absolute(text).map_err(|error| format!("cannot be made absolute ({error})"))?;
    path.into_os_string().into_string().map_err(|_| {
        "is relative to a directory whose name is not UTF-8 text: write it from the root".to_owned()
    })
}

//! Small files that settings name, read whole but never beyond a limit.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct BoundedFile {
    pub(crate) content: String,
    /// Its mode lets the group or everybody read it.
    pub(crate) read_by_others: bool,
}

/// Reads a regular file of UTF-8 text.
///
/// A pipe or a device is refused: opening one may wait for ever. The error says what is wrong with
/// the file, without its name.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> Result<BoundedFile, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read ({error})");
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(limit_bytes + 1).read_to_end(&mut content);
    let size_bytes = read.map_err(unreadable)? as u64;
    if size_bytes > limit_bytes {
        return Err(format!("is over {} KiB", limit_bytes / 1024));
    }
    let content = String::from_utf8(content).map_err(|_| "is not UTF-8 text".to_owned())?;
    Ok(BoundedFile {
        content,
        read_by_others: metadata.permissions().mode() & 0o044 != 0,
    })
}

//! Secrets, from a value or from a file. Nothing here ever repeats one, nor the path that was given
//! for one: a key pasted where a path belongs is a key.

use super::path::absolute;
use super::text;
use crate::bounded_file;

const SECRET_FILE_LIMIT_BYTES: u64 = 64 * 1024;

/// A secret read from a file, and whether others on this machine can read it too.
pub(in crate::config) struct FromFile {
    pub(in crate::config) secret: String,
    pub(in crate::config) read_by_others: bool,
}

/// A secret becomes the value of a header, so only visible ASCII will do; a stray blank or line
/// break would otherwise show up as a puzzling refusal by the provider.
pub(super) fn from_text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "holds a blank, a line break or a character that no key has (quotes around it?)"
                .to_owned(),
        );
    }
    if text.trim_matches(text::QUOTES) != text {
        return Err("begins or ends with a quote, which no key has: leave it out".to_owned());
    }
    Ok(text.to_owned())
}

pub(in crate::config) fn from_file(path: &str) -> Result<FromFile, String> {
    let hint = "it must be the path of a file that holds the key";
    let path = absolute(path)?;
    let file = bounded_file::read(path.as_ref(), SECRET_FILE_LIMIT_BYTES)
        .map_err(|detail| format!("the file {detail}; {hint}"))?;
    let content = file.content.as_str();
    // Editors and `echo` end a file with one line break; more than one is not theirs.
    let content = content.strip_suffix('\n').unwrap_or(content);
    let content = content.strip_suffix('\r').unwrap_or(content);
    let secret = from_text(content).map_err(|detail| format!("the file {detail}; {hint}"))?;
    Ok(FromFile {
        secret,
        read_by_others: file.read_by_others,
    })
}

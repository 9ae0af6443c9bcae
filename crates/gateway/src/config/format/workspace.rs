//! Entries that begin with the name of a workspace: `name=…`.

use std::path::Path;

use skills::TestKind;

use super::path;

const NAME_LIMIT_BYTES: usize = 64;

pub(super) fn named_path(text: &str) -> Result<String, String> {
    let path = path::shared(checked(text)?).map_err(|detail| format!("the path {detail}"))?;
    if !Path::new(&path).is_dir() {
        return Err("the path is not a directory".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn named_tests(text: &str) -> Result<String, String> {
    if TestKind::parse(checked(text)?).is_some() {
        return Ok(text.to_owned());
    }
    let kinds = TestKind::ALL.map(TestKind::as_str).join(", ");
    Err(format!("behind the = must stand one of {kinds}"))
}

/// The name, and what stands behind the `=`.
pub(in crate::config) fn split(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

/// What stands behind the `=` of a good name.
fn checked(text: &str) -> Result<&str, String> {
    let (name, rest) = text.split_once('=').ok_or("must have the form name=…")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_LIMIT_BYTES || !name.bytes().all(is_plain) {
        return Err("a workspace is named with 1 to 64 of A-Z a-z 0-9 . _ -".to_owned());
    }
    Ok(rest)
}

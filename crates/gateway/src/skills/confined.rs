//! Values that name something in the workspace, and cannot name anything else.
//!
//! In the sandbox nothing but the workspace is there to be named. This is for the gateway that runs
//! without one, and for a clear refusal.

mod glob;

use std::fs;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use serde_json::Value;

use super::field_errors::FieldErrors;
use super::parameters::{Arguments, Parameters, PathRule};
use crate::error::FieldError;

/// Why a value is refused; follows the value's pointer.
type Refusal = &'static str;

/// Judges every argument that has a path's annotation. `root` is the workspace; without one, only the
/// form is judged.
///
/// Blocks on the file system.
/// A path that begins with a dash is given another form of itself, `./-`: to many programs `-` alone is
/// their standard input.
pub(super) fn check(
    parameters: &Parameters,
    arguments: &mut Arguments,
    root: Option<&Path>,
    errors: &mut FieldErrors,
) {
    for (name, value) in arguments {
        let Some(rule) = parameters.get(name).and_then(|one| one.path) else {
            continue;
        };
        let mut judge = |text: &str, tokens: &[&str]| {
            let outcome = match rule {
                PathRule::Workspace => path(text, root),
                PathRule::Glob => glob::check(text),
            };
            if let Err(refusal) = outcome {
                errors.wrong(|| FieldError::new(tokens, refusal));
            }
        };
        // What is no string, the schema has refused.
        match value {
            Value::String(text) => {
                judge(text, &["extra", name]);
                rule.undash(text);
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Value::String(text) = item {
                        judge(text, &["extra", name, &index.to_string()]);
                        rule.undash(text);
                    }
                }
            }
            _ => {}
        }
    }
}

impl PathRule {
    fn undash(self, text: &mut String) {
        if self == Self::Workspace && text.starts_with('-') {
            text.insert_str(0, "./");
        }
    }
}

/// A relative path of something that is in the workspace, symbolic links included.
fn path(text: &str, root: Option<&Path>) -> Result<(), Refusal> {
    const LEAVES: Refusal = "leaves the workspace";

    if text.is_empty() {
        return Err("must not be empty; . is the whole workspace");
    }
    if text.contains('\0') {
        return Err("holds a control character");
    }
    let mut components = Path::new(text).components();
    let is_inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    if !components.all(is_inside) {
        return Err(LEAVES);
    }
    let Some(root) = root else {
        return Ok(());
    };
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root_descriptor =
        openat(CWD, root, directory, Mode::empty()).map_err(|_| "cannot be looked for")?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(&root_descriptor, text, flags, Mode::empty(), beneath) {
        Ok(found) => {
            let status = rustix::fs::fstat(found).map_err(|_| "cannot be looked for")?;
            of_kind(FileType::from_raw_mode(status.st_mode))
        }
        Err(Errno::XDEV | Errno::LOOP) => Err(LEAVES),
        // Linux before 5.6. What changes between this look and the program's, the sandbox holds.
        Err(Errno::NOSYS) => match fs::canonicalize(root.join(text)) {
            Ok(found) if found.starts_with(root) => {
                let status = rustix::fs::stat(found).map_err(|_| "is not in the workspace")?;
                of_kind(FileType::from_raw_mode(status.st_mode))
            }
            Ok(_) => Err(LEAVES),
            Err(_) => Err("is not in the workspace"),
        },
        Err(_) => Err("is not in the workspace"),
    }
}

/// Of anything else, a reader might wait for ever for what it holds.
fn of_kind(kind: FileType) -> Result<(), Refusal> {
    match kind {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err("is neither a file nor a directory: a pipe, a socket or a device cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_stays_where_it_belongs() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("src/...")).unwrap();
        fs::write(root.join("src/lib.rs"), "").unwrap();
        fs::write(root.join("-rf"), "").unwrap();
        symlink("src", root.join("inner")).unwrap();
        symlink(outside.path(), root.join("absolute")).unwrap();
        symlink("../..", root.join("relative")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for good in [
            ".",
            "src",
            "src/lib.rs",
            "./src/",
            "inner/lib.rs",
            "-rf",
            "src/...",
        ] {
            assert_eq!(path(good, Some(&root)), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../../etc",
            "src/../../etc",
            "src/..",
            "absolute",
            "relative/x",
            "magic/etc/passwd",
            "loop",
            "absent",
            "src\0",
            // Look-alikes are names like any other, and nothing is there.
            "\u{2024}\u{2024}/etc",
            "\u{ff0e}\u{ff0e}/etc",
            "..\u{200b}/etc",
            "．．",
            "%2e%2e/etc",
            "..\\etc",
        ] {
            assert!(path(bad, Some(&root)).is_err(), "{bad:?}");
        }
    }
}

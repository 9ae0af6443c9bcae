//! Values that name something in the workspace, and cannot name anything else.
//!
//! In the sandbox nothing but the workspace is there to be named. This is for the gateway that runs
//! without one, and for a clear refusal.

mod glob;

use std::fs;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, stat};
use rustix::io::Errno;
use serde_json::Value;

use super::invalid_values::{InvalidValue, InvalidValues};
use super::parameters::{Arguments, Parameters, PathRule};

/// Why a value is refused; follows the value's pointer.
type Refusal = &'static str;

/// Why a path is not taken.
#[derive(Debug, PartialEq, Eq)]
enum NotTaken {
    /// It is no path for a caller to name.
    Refused(Refusal),
    /// It could not be looked for, and that is not the caller's fault.
    NotLookedFor(Errno),
}

/// Checks every argument that has a path's annotation. `root` is the workspace; without one, only the
/// form is validated. It fails where the gateway itself cannot look: that is no word on any argument.
///
/// Blocks on the file system.
/// A path that begins with a dash is given another form of itself, `./-`: to many programs `-` alone is
/// their standard input.
pub(super) fn check(
    parameters: &Parameters,
    arguments: &mut Arguments,
    root: Option<&Path>,
    errors: &mut InvalidValues,
) -> Result<(), Errno> {
    for (name, value) in arguments {
        let Some(rule) = parameters.get(name).and_then(|one| one.path) else {
            continue;
        };
        let mut validate = |text: &str, tokens: &[&str]| {
            let outcome = match rule {
                PathRule::Workspace => path(text, root),
                PathRule::Glob => glob::check(text).map_err(NotTaken::Refused),
            };
            match outcome {
                Ok(()) => {}
                Err(NotTaken::Refused(refusal)) => {
                    errors.wrong(|| InvalidValue::new(tokens, refusal));
                }
                Err(NotTaken::NotLookedFor(errno)) => return Err(errno),
            }
            Ok(())
        };
        // What is no string, the schema has refused.
        match value {
            Value::String(text) => {
                validate(text, &["extra", name])?;
                rule.undash(text);
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Value::String(text) = item {
                        validate(text, &["extra", name, &index.to_string()])?;
                        rule.undash(text);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl PathRule {
    fn undash(self, text: &mut String) {
        if self == Self::Workspace && text.starts_with('-') {
            text.insert_str(0, "./");
        }
    }
}

/// A relative path of something that is in the workspace, symbolic links included.
fn path(text: &str, root: Option<&Path>) -> Result<(), NotTaken> {
    let refused = |refusal| Err(NotTaken::Refused(refusal));
    if text.is_empty() {
        return refused("must not be empty; . is the whole workspace");
    }
    if text.contains('\0') {
        return refused("holds a control character");
    }
    let mut components = Path::new(text).components();
    let is_inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    if !components.all(is_inside) {
        return refused(LEAVES);
    }
    let Some(root) = root else {
        return Ok(());
    };
    let kind = match kind_beneath(root, text) {
        // Linux before 5.6. What changes between this look and the program's, the sandbox holds.
        Err(Errno::NOSYS) => match fs::canonicalize(root.join(text)) {
            Ok(found) if found.starts_with(root) => stat(found).map(kind_of),
            Ok(_) => return refused(LEAVES),
            Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        },
        kind => kind,
    };
    of_kind(kind.map_err(NotTaken::of)?).map_err(NotTaken::Refused)
}

const LEAVES: Refusal = "leaves the workspace";

/// Something may be moved in the workspace just then; the kernel asks to look again.
const LOOKS: usize = 8;

fn kind_beneath(root: &Path, text: &str) -> Result<FileType, Errno> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, directory, Mode::empty()).map_err(|errno| match errno {
        // The workspace itself, of which the caller said nothing.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Errno::IO,
        errno => errno,
    })?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut looks = (0..LOOKS).map(|_| openat2(&root, text, flags, Mode::empty(), beneath));
    let looked = looks.find(|look| !matches!(look, Err(Errno::AGAIN | Errno::INTR)));
    let found = looked.unwrap_or(Err(Errno::AGAIN))?;
    fstat(found).map(kind_of)
}

fn kind_of(status: Stat) -> FileType {
    FileType::from_raw_mode(status.st_mode)
}

impl NotTaken {
    /// Only these say something of the path; any other error is of this machine or of the gateway.
    fn of(errno: Errno) -> Self {
        match errno {
            Errno::XDEV | Errno::LOOP => Self::Refused(LEAVES),
            Errno::NOENT | Errno::NOTDIR => Self::Refused("is not in the workspace"),
            Errno::NAMETOOLONG => Self::Refused("is longer than a path can be"),
            errno => Self::NotLookedFor(errno),
        }
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
            let outcome = path(bad, Some(&root));
            assert!(
                matches!(outcome, Err(NotTaken::Refused(_))),
                "{bad:?}: {outcome:?}"
            );
        }
        let long = "x/".repeat(5000);
        assert!(matches!(
            path(&long, Some(&root)),
            Err(NotTaken::Refused(_))
        ));
        // A workspace that is gone is not the caller's mistake.
        let gone = root.join("absent");
        assert_eq!(
            path("src", Some(&gone)),
            Err(NotTaken::NotLookedFor(Errno::IO))
        );
    }

    #[test]
    fn only_what_is_said_of_the_path_is_the_callers_fault() {
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NOSPC,
            Errno::IO,
            Errno::ACCESS,
            Errno::PERM,
            Errno::AGAIN,
            Errno::INTR,
            Errno::STALE,
        ] {
            assert_eq!(NotTaken::of(errno), NotTaken::NotLookedFor(errno));
        }
    }
}

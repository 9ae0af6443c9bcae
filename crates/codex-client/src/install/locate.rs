//! Finds the Codex CLI: the native program, in its package or on the search path.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The version in `codex/package.json`. This crate was tested with it.
pub const PINNED_VERSION: &str = "0.169.0";

#[derive(Debug, Error)]
#[error("no Codex CLI was found")]
pub struct NotFound;

/// Finds the program: `configured` if it is given, else the package below one of `roots` (directories that
/// may contain `codex/node_modules`), else `codex` in a directory of `search_path`.
///
/// Returns the native program rather than the package's Node launcher: that costs 70 ms a start, and when
/// it is killed, Codex goes on.
pub fn locate(
    configured: Option<&Path>,
    roots: &[PathBuf],
    search_path: &OsStr,
) -> Result<PathBuf, NotFound> {
    if let Some(program) = configured {
        return Ok(native(program));
    }
    let installed = roots.iter().find_map(|root| installed_in(root));
    let on_path = || {
        std::env::split_paths(search_path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("codex"))
            .find(|program| program.is_file())
    };
    installed
        .or_else(on_path)
        .map(|program| native(&program))
        .ok_or(NotFound)
}

/// Where a Codex package may contain bubblewrap: first the package of `program`, then those installed below
/// `roots`.
pub fn packaged_bubblewrap<'paths>(
    program: &Path,
    roots: &'paths [PathBuf],
) -> impl Iterator<Item = PathBuf> + use<'paths> {
    let installed = roots.iter().filter_map(|root| installed_in(root));
    let programs = std::iter::once(program.to_owned()).chain(installed.map(|file| native(&file)));
    let packages = programs.filter_map(|program| Some(program.ancestors().nth(2)?.to_owned()));
    packages.map(|package| package.join("codex-resources/bwrap"))
}

/// The Node launcher of the package that is installed below `root`.
fn installed_in(root: &Path) -> Option<PathBuf> {
    let launcher = root.join("codex/node_modules/@openai/codex/bin/codex.js");
    launcher.is_file().then_some(launcher)
}

/// The native program that the package's Node launcher would start. Any other program is returned as it is.
fn native(program: &Path) -> PathBuf {
    let resolved = program
        .canonicalize()
        .unwrap_or_else(|_| program.to_owned());
    if resolved.file_name() != Some(OsStr::new("codex.js")) {
        return resolved;
    }
    native_of_launcher(&resolved).unwrap_or(resolved)
}

/// `…/@openai/codex/bin/codex.js` → `…/@openai/codex-linux-ARCH/vendor/TARGET/bin/codex`.
fn native_of_launcher(launcher: &Path) -> Option<PathBuf> {
    let (architecture, target) = match std::env::consts::ARCH {
        "x86_64" => ("x64", "x86_64-unknown-linux-musl"),
        "aarch64" => ("arm64", "aarch64-unknown-linux-musl"),
        _ => return None,
    };
    let scope = launcher.ancestors().nth(3)?;
    let native = scope.join(format!(
        "codex-linux-{architecture}/vendor/{target}/bin/codex"
    ));
    native.is_file().then_some(native)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_program_is_found_behind_the_launcher() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let scope = root.join("codex/node_modules/@openai");
        let launcher = scope.join("codex/bin/codex.js");
        let (arch, target) = match std::env::consts::ARCH {
            "aarch64" => ("arm64", "aarch64-unknown-linux-musl"),
            _ => ("x64", "x86_64-unknown-linux-musl"),
        };
        let program = scope.join(format!("codex-linux-{arch}/vendor/{target}/bin/codex"));
        for file in [&launcher, &program] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let roots = [root.join("absent"), root.clone()];
        assert_eq!(locate(None, &roots, OsStr::new("")).unwrap(), program);

        let directory = root.join("bin");
        std::fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink(&launcher, directory.join("codex")).unwrap();
        assert_eq!(locate(None, &[], directory.as_os_str()).unwrap(), program);
    }

    #[test]
    fn the_pinned_program_is_static_and_its_package_brings_bubblewrap() {
        let roots = [Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")];
        let program = locate(None, &roots, OsStr::new("")).unwrap();
        assert_eq!(runner::read_paths(&program), Vec::<PathBuf>::new());
        let other = Path::new("/opt/company/bin/cli");
        let bubblewrap = packaged_bubblewrap(other, &roots);
        let bubblewrap = runner::find_bubblewrap(None, bubblewrap, OsStr::new(""));
        assert!(bubblewrap.is_some_and(|path| path.ends_with("codex-resources/bwrap")));
    }

    #[test]
    fn a_relative_directory_of_the_path_is_not_searched() {
        assert!(locate(None, &[], OsStr::new(".:codex")).is_err());
    }
}

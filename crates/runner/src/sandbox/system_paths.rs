//! Which files of the system a program in a sandbox may read, and where it finds other programs.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Programs, libraries, and the files of the loader and of TLS. They contain no host name, user or private
/// key: of the directories of TLS, only the certificates.
const SYSTEM_PATHS: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
];

/// Large enough for the ELF header and the table of segments of any linked program.
const HEAD_BYTES: u64 = 4096;

/// What `program` must be able to read to run, beside itself. A static program, such as the native Codex, needs
/// nothing. Others need the system's libraries, and their npm package if they belong to one. Files beside a
/// program without a package are not shown.
pub fn read_paths(program: &Path) -> Vec<PathBuf> {
    if is_static(program).unwrap_or(false) {
        return Vec::new();
    }
    let system = SYSTEM_PATHS.iter().map(PathBuf::from);
    let own = package_of(program).map(Path::to_owned);
    let paths = system.filter(|path| path.exists()).chain(own);
    paths.collect()
}

/// The `PATH` of `program`: the directories in `read_paths`, then those of the system. A static program finds
/// no other programs.
pub fn search_path(program: &Path, read_paths: &[PathBuf]) -> OsString {
    if is_static(program).unwrap_or(false) {
        return NO_SEARCH_PATH.into();
    }
    let own = read_paths
        .iter()
        .flat_map(|path| [path.join("bin"), path.clone()])
        .filter(|path| path.is_dir());
    let system = SYSTEM_PROGRAM_DIRECTORIES.map(PathBuf::from);
    // A directory with a colon in its name cannot be in a search path.
    std::env::join_paths(own.chain(system))
        .unwrap_or_else(|_| SYSTEM_PROGRAM_DIRECTORIES.join(":").into())
}

/// This directory does not exist, so no program is found by its name.
const NO_SEARCH_PATH: &str = "/nonexistent";

/// Where programs are on every system.
pub const SYSTEM_PROGRAM_DIRECTORIES: [&str; 4] =
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"];

/// How deep in its package a program may be. A `package.json` further up belongs to something else.
const MAX_PACKAGE_DEPTH: usize = 3;

/// The outermost `node_modules` above `program`, which also contains its dependencies, or else the directory
/// with its `package.json`.
fn package_of(program: &Path) -> Option<&Path> {
    let above = || program.ancestors().skip(1);
    let installed = above().filter(|path| path.file_name() == Some("node_modules".as_ref()));
    let is_package = |path: &&Path| path.join("package.json").is_file();
    let checked_out = || above().take(MAX_PACKAGE_DEPTH).find(is_package);
    installed.last().or_else(checked_out)
}

/// Whether `program` is a 64-bit ELF file without an interpreter (System V ABI, "Program Header").
fn is_static(program: &Path) -> io::Result<bool> {
    const INTERPRETER: usize = 3;

    let mut head = Vec::new();
    File::open(program)?
        .take(HEAD_BYTES)
        .read_to_end(&mut head)?;
    let number = |offset: usize, length: usize| {
        let bytes = head.get(offset..offset + length)?;
        let digits = bytes.iter().rev();
        Some(digits.fold(0_usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let is_elf_64 = head.starts_with(b"\x7fELF\x02\x01");
    let table = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let (true, Some((start, size, count))) = (is_elf_64, table()) else {
        return Ok(false);
    };
    let kinds: Option<Vec<_>> = (0..count)
        .map(|index| number(start.checked_add(index.checked_mul(size)?)?, 4))
        .collect();
    Ok(kinds.is_some_and(|kinds| !kinds.contains(&INTERPRETER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_program_needs_nothing_and_a_dynamic_one_its_runtime() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("static");
        // An ELF header whose table of segments has one entry, a segment to load.
        let mut head = vec![0; 64 + 56];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (head[32], head[54], head[56], head[64]) = (64, 56, 1, 1);
        std::fs::write(&program, &head).unwrap();
        assert_eq!(read_paths(&program), Vec::<PathBuf>::new());
        assert_eq!(search_path(&program, &["/usr".into()]), "/nonexistent");
        // The same with an interpreter.
        head[64] = 3;
        std::fs::write(&program, &head).unwrap();
        assert!(read_paths(&program).contains(&"/usr".into()));

        let own = std::env::current_exe().unwrap();
        let paths = read_paths(&own);
        assert!(paths.contains(&"/usr".into()), "{paths:?}");
        assert!(!paths.iter().any(|path| own.starts_with(path)), "{paths:?}");
    }

    #[test]
    fn a_package_is_shown_whole_and_with_what_is_installed_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let package = root.path().join("node_modules/acme/node_modules/cli");
        std::fs::create_dir_all(package.join("bin")).unwrap();
        std::fs::write(package.join("package.json"), "{}").unwrap();
        let program = package.join("bin/codex.js");
        std::fs::write(&program, "#!/usr/bin/env node\n").unwrap();
        assert!(read_paths(&program).contains(&root.path().join("node_modules")));

        let package = root.path().join("checkout");
        std::fs::create_dir_all(package.join("bin")).unwrap();
        std::fs::write(package.join("package.json"), "{}").unwrap();
        let program = package.join("bin/codex.js");
        std::fs::write(&program, "#!/usr/bin/env node\n").unwrap();
        assert!(read_paths(&program).contains(&package));
    }

    #[test]
    fn a_script_needs_its_interpreter_and_nothing_that_lies_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("lint.sh");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::write(directory.path().join("key"), "").unwrap();
        let paths = read_paths(&script);
        assert!(paths.contains(&"/usr".into()));
        assert!(!paths.iter().any(|path| directory.path().starts_with(path)));
    }
}

//! Where the gateway keeps what it must keep.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{statfs, statvfs};

use crate::config::CodexSettings;

use super::name::{DATA_DIR, STATE_DIR};
use super::report::Check;

/// Without the sandbox a Codex process writes a few megabytes at its start.
const STATE_FLOOR_BYTES: u64 = 32 << 20;
const DATA_FLOOR_BYTES: u64 = 64 << 20;

/// statfs(2)
const TMPFS_MAGIC: i64 = 0x0102_1994;
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// The private directories of Codex processes lie there.
pub(super) fn state(path: &Path, settings: &CodexSettings) -> Check {
    let chosen = if settings.state_dir.is_some() {
        "CODEX_STATE_DIR"
    } else {
        "chosen, as CODEX_STATE_DIR is not set"
    };
    let shown = format!("{} ({chosen})", path.display());
    let before = fs::metadata(path).ok();
    if let Err(error) = try_out(path) {
        let detail = format!("{shown} cannot be written: {error}");
        let remedy = "Name a directory that this user can write to in CODEX_STATE_DIR.";
        return Check::failed(STATE_DIR, detail, remedy);
    }
    let mut check = Check::ok(STATE_DIR, format!("{shown}, {}", free(path)));
    if before.is_some_and(|found| !is_private(&found)) {
        check = check.but(
            "other users can enter it, or own it",
            "Give it to the gateway's user alone (chown, chmod 700).",
        );
    }
    if !is_in_memory(path) {
        check = check.but(
            "not in memory",
            "On a tmpfs, such as /dev/shm, a Codex process starts 250 ms faster.",
        );
    }
    low(check, path, STATE_FLOOR_BYTES)
}

pub(super) fn data(path: &Path) -> Check {
    let shown = path.display().to_string();
    let exists = path.exists();
    let nearest = path.ancestors().find(|it| it.exists()).unwrap_or(path);
    // What is not there is not made for this: its nearest ancestor tells whether it can be.
    if let Err(error) = write_into(nearest) {
        let detail = format!("{shown} cannot be written: {error}");
        let remedy = "Name a directory that this user can write to in PORTCULLIS_DATA_DIR.";
        return Check::failed(DATA_DIR, detail, remedy);
    }
    let made = if exists {
        ""
    } else {
        ", made when it is needed"
    };
    let check = Check::ok(DATA_DIR, format!("{shown}{made}, {}", free(nearest)));
    low(check, nearest, DATA_FLOOR_BYTES)
}

fn try_out(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    write_into(path)
}

/// A file is written and removed again.
fn write_into(directory: &Path) -> io::Result<()> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = format!(".portcullis-doctor-{:016x}", u64::from_le_bytes(random));
    let file = directory.join(name);
    let written = File::create_new(&file)?.write_all(b"doctor");
    fs::remove_file(&file)?;
    written
}

fn is_private(found: &Metadata) -> bool {
    const OTHERS: u32 = 0o077;
    found.mode() & OTHERS == 0 && found.uid() == rustix::process::geteuid().as_raw()
}

fn is_in_memory(path: &Path) -> bool {
    const MAGIC: i64 = 0xffff_ffff;
    // Signed on some machines, and then negative for some file systems: the magic is the lower half.
    statfs(path).is_ok_and(|found| matches!(found.f_type & MAGIC, TMPFS_MAGIC | RAMFS_MAGIC))
}

fn free_bytes(path: &Path) -> Option<u64> {
    let found = statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn free(path: &Path) -> String {
    match free_bytes(path) {
        Some(bytes) => format!("{} MiB free", bytes >> 20),
        None => "free space unknown".to_owned(),
    }
}

fn low(check: Check, path: &Path, floor_bytes: u64) -> Check {
    match free_bytes(path) {
        Some(bytes) if bytes < floor_bytes => check.but(
            &format!("less than {} MiB", floor_bytes >> 20),
            "Make room there, or name another directory.",
        ),
        _ => check,
    }
}

//! Completes the mounts that bubblewrap has made, before the program runs.

use std::{
    ffi::CString,
    io,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use crate::sandbox::{BYTES_PER_INODE, SHARED_SCRATCH};

/// The size of the root: mount points, and the files that the launcher writes.
const ROOT_BYTES: u64 = 4 << 20;

/// The caller ends a program that writes too much to an overlay
/// ([`ChildHandle::written_bytes`](crate::ChildHandle::written_bytes)). Until then, the program can write at
/// most this much more.
const OVERLAY_MARGIN_BYTES: u64 = 64 << 20;

/// Kernel interfaces that reveal the host or act on it: the masked paths of runc, podman and containerd, and
/// some more.
const HIDDEN_DIRECTORIES: [&str; 8] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/driver",
    "/proc/dynamic_debug",
    "/proc/fs",
    "/proc/irq",
    "/proc/scsi",
];
const HIDDEN_FILES: [&str; 20] = [
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/slabinfo",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
];

const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The writable directories, which are in memory.
pub(super) struct Scratch {
    /// The private directory. The others are [`SHARED_SCRATCH`].
    pub(super) private: PathBuf,
    /// The size of each.
    pub(super) bytes: u64,
    /// What is written to an overlay counts for the size of the root.
    pub(super) has_overlay: bool,
}

impl Scratch {
    /// Limits the number of files. Bubblewrap limits only the bytes of a file system in memory.
    pub(super) fn limit(&self) -> io::Result<()> {
        for path in SHARED_SCRATCH {
            limit(path.as_ref(), self.bytes)?;
        }
        limit(&self.private, self.bytes)?;
        let overlay = if self.has_overlay {
            self.bytes.saturating_add(OVERLAY_MARGIN_BYTES)
        } else {
            0
        };
        limit("/".as_ref(), ROOT_BYTES.saturating_add(overlay))
    }
}

fn limit(path: &Path, bytes: u64) -> io::Result<()> {
    let inodes = bytes.div_ceil(BYTES_PER_INODE);
    let limits = format!("size={bytes},nr_inodes={inodes}");
    describe(mount_remount(path, PLAIN, limits), &path.to_string_lossy())
}

/// Makes `/proc` read-only, and hides the files that reveal the host. So no file of the kernel is writable, also
/// none that a later kernel adds.
pub(super) fn close_proc() -> io::Result<()> {
    let nothing = CString::new("size=4096,nr_inodes=2,mode=0555")?;
    for path in HIDDEN_DIRECTORIES.into_iter().filter(|path| exists(path)) {
        let flags = PLAIN | MountFlags::NOEXEC | MountFlags::RDONLY;
        describe(
            mount("tmpfs", path, "tmpfs", flags, nothing.as_c_str()),
            path,
        )?;
    }
    for path in HIDDEN_FILES.into_iter().filter(|path| exists(path)) {
        describe(mount_bind("/dev/null", path), path)?;
    }
    read_only("/proc", PLAIN | MountFlags::NOEXEC)
}

/// Makes everything but the writable directories read-only. Last, because a mount needs its mount point.
pub(super) fn close_root() -> io::Result<()> {
    read_only("/dev", PLAIN)?;
    read_only("/", PLAIN)
}

fn read_only(path: &str, flags: MountFlags) -> io::Result<()> {
    let flags = flags | MountFlags::BIND | MountFlags::RDONLY;
    describe(mount_remount(path, flags, ""), path)
}

fn exists(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}

fn describe(outcome: rustix::io::Result<()>, path: &str) -> io::Result<()> {
    outcome.map_err(|error| io::Error::other(format!("{path} could not be closed: {error}")))
}

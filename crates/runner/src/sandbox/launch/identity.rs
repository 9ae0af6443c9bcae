//! Changes the launcher from root of the sandbox to the program's user, which has no privileges.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    mount::{OpenTreeFlags, open_tree},
    process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
        set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

use crate::sandbox::user::{MAKER_INSIDE, USER_INSIDE, new_user_namespace};

/// The program's user, with its number in the first user namespace.
pub(super) struct Identity {
    number: u32,
    proc: OwnedFd,
}

impl Identity {
    /// Opens `/proc` while it is writable. `number` is [`MAKER_INSIDE`] if both are the same user on the host.
    pub(super) fn prepare(number: u32) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        Ok(Self {
            number,
            proc: open_tree(CWD, "/proc", flags)?,
        })
    }

    pub(super) fn owns(&self, path: &Path) -> io::Result<()> {
        if self.number == MAKER_INSIDE {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.number), Some(self.number))
    }

    /// After this, the process has no capabilities, and cannot make a user namespace in which it would have
    /// some. Its own namespace has one user and one group, so it cannot become another user.
    pub(super) fn assume(self) -> io::Result<()> {
        if self.number != MAKER_INSIDE {
            self.switch()?;
        }
        new_user_namespace()?;
        self.write("self/setgroups", "deny")?;
        let map = format!("{USER_INSIDE} {} 1", self.number);
        self.write("self/uid_map", &map)?;
        self.write("self/gid_map", &map)?;
        // The limit of its own namespace. No process is left that could raise it.
        self.write("sys/user/max_user_namespaces", "0")?;
        if new_user_namespace().is_ok() {
            return Err(io::Error::other("user namespaces could not be closed"));
        }
        drop_capabilities()
    }

    /// Becomes another user of the host. Keeps the capabilities, which a new namespace may need.
    fn switch(&self) -> io::Result<()> {
        let (user, group) = (Uid::from_raw(self.number), Gid::from_raw(self.number));
        set_keep_capabilities(true)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
        let kept = capabilities(None)?;
        let effective = kept.permitted;
        set_capabilities(None, CapabilitySets { effective, ..kept })?;
        // The switch has given its files in `/proc` to root. This takes them back.
        Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)
    }

    fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let described = |error: io::Error| io::Error::other(format!("/proc/{path}: {error}"));
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&self.proc, path, flags, Mode::empty());
        let mut file = File::from(file.map_err(|error| described(error.into()))?);
        file.write_all(text.as_bytes()).map_err(described)
    }
}

fn drop_capabilities() -> io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        // This library may know more capabilities than the kernel.
        let _ = remove_capability_from_bounding_set(capability);
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(set_no_new_privs(true)?)
}

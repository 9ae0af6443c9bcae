use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    os::fd::{AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
};

use super::{
    Bind, BindMode, BubblewrapSpec, HOST_NAME, ResourceLimits, SHARED_SCRATCH,
    launch::LAUNCH_ARGUMENT,
    launcher,
    user::{MAKER_INSIDE, ProgramUser},
};
use crate::process::spec::CommandSpec;

/// The launcher needs these capabilities to mount, to close user namespaces, to give the program its
/// directories, and to become its user. It keeps none.
const CAPABILITIES: [&str; 6] = [
    "CAP_SYS_ADMIN",
    "CAP_SYS_RESOURCE",
    "CAP_CHOWN",
    "CAP_SETUID",
    "CAP_SETGID",
    // Without it, Linux 5.12 and later do not let it map this namespace's root into another namespace.
    "CAP_SETFCAP",
];

/// The size of the empty directory that hides another one: one page.
const HIDING_BYTES: u64 = 4096;

/// The directory of the launcher, its libraries and its socket inside.
pub(super) const LAUNCHER_DIR: &str = "/.portcullis";

/// The command line of bubblewrap for the command of `spec`.
///
/// The environment is not in it, because every user of the machine can read a command line. Bubblewrap passes
/// its own environment on, which contains only what the runner has put there.
pub(crate) fn command_line(
    spec: &CommandSpec,
    sandbox: &BubblewrapSpec,
    socket: &Path,
    user_namespace: Option<BorrowedFd<'_>>,
) -> Vec<OsString> {
    let mut line = CommandLine::default();
    line.namespaces(user_namespace);
    line.root(spec, sandbox);
    line.binds(sandbox);
    line.launcher(sandbox, socket);
    line.close(sandbox);
    line.add(["--"]);
    line.add(
        sandbox
            .tools
            .launcher
            .command_inside(Path::new(LAUNCHER_DIR)),
    );
    line.add([LAUNCH_ARGUMENT]);
    line.add([launcher::socket_inside(Path::new(LAUNCHER_DIR))]);
    line.add([sandbox.bridge_port.unwrap_or(0).to_string()]);
    line.add(limits(sandbox.limits).map(|limit| limit.to_string()));
    line.finish(sandbox);
    line.add([&spec.current_dir]);
    line.add([spec.program.as_os_str()]);
    line.add(&spec.args);
    line.arguments
}

/// In the order in which `launch` reads them.
fn limits(limits: ResourceLimits) -> [u64; 6] {
    [
        limits.memory_bytes,
        limits.address_space_bytes,
        limits.processes,
        limits.open_files,
        limits.file_size_bytes,
        limits.cpu_sec,
    ]
}

#[derive(Default)]
struct CommandLine {
    arguments: Vec<OsString>,
    /// Directories that are already in the arguments.
    directories: BTreeSet<PathBuf>,
}

impl CommandLine {
    fn add<T: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.arguments.extend(arguments.into_iter().map(Into::into));
    }

    /// Makes the directories above `target` so that the program's user can enter them. Bubblewrap would make
    /// some of them for root alone.
    fn way_to(&mut self, target: &Path) {
        let above: Vec<_> = target.ancestors().skip(1).collect();
        for directory in above.into_iter().rev().skip(1) {
            if self.directories.insert(directory.to_owned()) {
                self.add(["--perms", "0755", "--dir"]);
                self.add([directory]);
            }
        }
    }

    /// Not `--unshare-all`, which would go on without a user namespace. In the user namespace, bubblewrap and
    /// the launcher are root. The launcher moves to another one before it becomes the program.
    fn namespaces(&mut self, user_namespace: Option<BorrowedFd<'_>>) {
        if let Some(namespace) = user_namespace {
            self.add(["--userns", &namespace.as_raw_fd().to_string()]);
        } else {
            let maker = MAKER_INSIDE.to_string();
            self.add(["--unshare-user", "--uid", &maker, "--gid", &maker]);
        }
        self.add(["--unshare-ipc", "--unshare-pid", "--unshare-net"]);
        self.add(["--unshare-uts", "--unshare-cgroup-try"]);
        self.add(["--hostname", HOST_NAME, "--cap-drop", "ALL"]);
        for capability in CAPABILITIES {
            self.add(["--cap-add", capability]);
        }
        // It dies with the thread that starts it: see `spawner`.
        self.add(["--die-with-parent", "--new-session"]);
    }

    fn root(&mut self, spec: &CommandSpec, sandbox: &BubblewrapSpec) {
        let private = &sandbox.private;
        self.add(["--proc", "/proc", "--dev", "/dev"]);
        // First, because other paths may be below them.
        for target in SHARED_SCRATCH {
            self.in_memory(Path::new(target), "1777", private.size_bytes);
        }
        for path in &sandbox.read_paths {
            self.read_path(path);
        }
        if !is_shown(&spec.program, sandbox) {
            self.read_only(&spec.program, &spec.program);
        }
        for path in hidden_places(sandbox) {
            self.in_memory(path, "0555", HIDING_BYTES);
        }
        self.in_memory(&private.path, "0700", private.size_bytes);
        for directory in &private.directories {
            self.add(["--dir"]);
            self.add([directory]);
        }
        for (source, target) in &private.files {
            self.read_only(source, target);
        }
    }

    fn in_memory(&mut self, path: &Path, mode: &str, size_bytes: u64) {
        self.way_to(path);
        self.add(["--size", &size_bytes.to_string()]);
        self.add(["--perms", mode, "--tmpfs"]);
        self.add([path]);
    }

    fn binds(&mut self, sandbox: &BubblewrapSpec) {
        for Bind {
            source,
            target,
            mode,
        } in &sandbox.binds
        {
            match mode {
                BindMode::ReadOnly => self.read_only(source, target),
                BindMode::Writable => {
                    self.way_to(target);
                    self.add(["--bind".as_ref(), source.as_os_str(), target.as_os_str()]);
                }
                BindMode::Overlay => {
                    self.way_to(target);
                    self.add(["--overlay-src".as_ref(), source.as_os_str()]);
                    self.add(["--tmp-overlay".as_ref(), target.as_os_str()]);
                }
            }
        }
        for path in hidden_in_binds(sandbox) {
            self.in_memory(&path, "0555", HIDING_BYTES);
        }
    }

    /// In the order in which `launch` reads them.
    fn finish(&mut self, sandbox: &BubblewrapSpec) {
        let private = &sandbox.private;
        self.add([ProgramUser::here().number_to_maker().to_string()]);
        self.add([private.size_bytes.to_string()]);
        self.add([&private.path]);
        let overlays: Vec<_> = sandbox.overlays().map(|bind| &bind.target).collect();
        self.add([overlays.len().to_string()]);
        self.add(overlays);
        self.add([private.directories.len().to_string()]);
        self.add(&private.directories);
    }

    /// Makes the hiding directories read-only. The launcher closes everything else.
    fn close(&mut self, sandbox: &BubblewrapSpec) {
        for path in hidden_places(sandbox) {
            self.add(["--remount-ro".as_ref(), path.as_os_str()]);
        }
        for path in hidden_in_binds(sandbox) {
            self.add(["--remount-ro".as_ref(), path.as_os_str()]);
        }
    }

    /// A symbolic link of the host (`/lib` → `usr/lib`) is one inside too.
    fn read_path(&mut self, path: &Path) {
        match fs::read_link(path) {
            Ok(target) => {
                self.way_to(path);
                self.add(["--symlink".as_ref(), target.as_os_str(), path.as_os_str()]);
            }
            Err(_) => self.read_only(path, path),
        }
    }

    fn launcher(&mut self, sandbox: &BubblewrapSpec, socket: &Path) {
        let directory = PathBuf::from(LAUNCHER_DIR);
        for (source, target) in sandbox.tools.launcher.files_inside(&directory) {
            self.read_only(&source, &target);
        }
        self.read_only(socket, &launcher::socket_inside(&directory));
    }

    fn read_only(&mut self, source: &Path, target: &Path) {
        self.way_to(target);
        let bind: [&OsStr; 3] = ["--ro-bind".as_ref(), source.as_os_str(), target.as_os_str()];
        self.add(bind);
    }
}

fn is_shown(path: &Path, sandbox: &BubblewrapSpec) -> bool {
    let mut read_paths = sandbox.read_paths.iter();
    read_paths.any(|read_path| path.starts_with(read_path))
}

/// The hidden paths that a read path would show.
fn hidden_places(sandbox: &BubblewrapSpec) -> impl Iterator<Item = &PathBuf> {
    let hidden = sandbox.hidden_paths.iter();
    hidden.filter(|path| is_shown(path, sandbox) && path.is_dir())
}

/// The targets at which a bind would show a hidden path.
fn hidden_in_binds(sandbox: &BubblewrapSpec) -> impl Iterator<Item = PathBuf> {
    let hidden = sandbox.hidden_paths.iter().filter(|path| path.is_dir());
    hidden.flat_map(|path| {
        sandbox.binds.iter().filter_map(|bind| {
            let inner = path.strip_prefix(&bind.source).ok()?;
            Some(bind.target.join(inner))
        })
    })
}

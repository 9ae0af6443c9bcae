use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use super::{Bind, BindMode, BubblewrapSpec, ResourceLimits, launch::LAUNCH_ARGUMENT, launcher};
use crate::spec::CommandSpec;

/// Who the child is inside, whoever the gateway is outside.
const USER_INSIDE: &str = "10001";

/// One page: what hides a directory holds nothing.
const HIDING_BYTES: u64 = 4096;

/// Where the launcher, its libraries and its socket are seen inside.
pub(super) const LAUNCHER_DIR: &str = "/.portcullis";

/// The command line of bubblewrap around the command of `spec`.
///
/// The environment is not in it: bubblewrap passes on its own, which the runner has built from nothing,
/// while a command line can be read by every user of the machine.
pub(crate) fn command_line(
    spec: &CommandSpec,
    sandbox: &BubblewrapSpec,
    socket: &Path,
) -> Vec<OsString> {
    let mut line = CommandLine::default();
    line.namespaces();
    line.root(spec, sandbox);
    line.binds(sandbox);
    line.launcher(sandbox, socket);
    line.close(sandbox);
    line.add(["--chdir"]);
    line.add([spec.current_dir.as_os_str()]);
    line.add(["--"]);
    line.add(sandbox.launcher.command_inside(Path::new(LAUNCHER_DIR)));
    line.add([LAUNCH_ARGUMENT]);
    line.add([launcher::socket_inside(Path::new(LAUNCHER_DIR))]);
    line.add([sandbox.bridge_port.unwrap_or(0).to_string()]);
    line.add(limits(sandbox.limits).map(|limit| limit.to_string()));
    line.add([spec.program.as_os_str()]);
    line.add(&spec.args);
    line.0
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
struct CommandLine(Vec<OsString>);

impl CommandLine {
    fn add<T: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.0.extend(arguments.into_iter().map(Into::into));
    }

    /// `--unshare-user` beside `--unshare-all`, which would go on without it; no further user
    /// namespaces inside, because they open much of the kernel to whoever makes one.
    fn namespaces(&mut self) {
        self.add(["--unshare-all", "--unshare-user", "--disable-userns"]);
        self.add(["--uid", USER_INSIDE, "--gid", USER_INSIDE]);
        self.add(["--hostname", "sandbox", "--cap-drop", "ALL"]);
        // The death of the thread that starts it; see `nursery`.
        self.add(["--die-with-parent", "--new-session"]);
    }

    fn root(&mut self, spec: &CommandSpec, sandbox: &BubblewrapSpec) {
        let private = &sandbox.private;
        self.add(["--proc", "/proc", "--dev", "/dev"]);
        // First, because a read path may lie in it.
        self.in_memory(Path::new("/tmp"), "1777", private.size_bytes);
        for path in &sandbox.read_paths {
            self.read_path(path);
        }
        if !is_shown(&spec.program, sandbox) {
            self.read_only(&spec.program, &spec.program);
        }
        for path in hidden_places(sandbox) {
            self.in_memory(path, "0500", HIDING_BYTES);
        }
        self.in_memory(&private.path, "0700", private.size_bytes);
        for directory in &private.directories {
            self.add(["--dir"]);
            self.add([directory]);
        }
        for (source, place) in &private.files {
            self.read_only(source, place);
        }
    }

    fn in_memory(&mut self, path: &Path, mode: &str, size_bytes: u64) {
        self.add(["--size", &size_bytes.to_string()]);
        self.add(["--perms", mode, "--tmpfs"]);
        self.add([path]);
    }

    fn binds(&mut self, sandbox: &BubblewrapSpec) {
        for Bind {
            source,
            place,
            mode,
        } in &sandbox.binds
        {
            match mode {
                BindMode::ReadOnly => self.read_only(source, place),
                BindMode::Writable => {
                    self.add(["--bind".as_ref(), source.as_os_str(), place.as_os_str()]);
                }
                BindMode::Overlay => {
                    self.add(["--overlay-src".as_ref(), source.as_os_str()]);
                    self.add(["--tmp-overlay".as_ref(), place.as_os_str()]);
                }
            }
        }
        for path in hidden_in_binds(sandbox) {
            self.in_memory(&path, "0500", HIDING_BYTES);
        }
    }

    /// Last, because a mount needs its place made: nothing but `/tmp` and the private directory can be
    /// written to.
    fn close(&mut self, sandbox: &BubblewrapSpec) {
        for path in hidden_places(sandbox) {
            self.add(["--remount-ro".as_ref(), path.as_os_str()]);
        }
        for path in hidden_in_binds(sandbox) {
            self.add(["--remount-ro".as_ref(), path.as_os_str()]);
        }
        self.add(["--remount-ro", "/dev", "--remount-ro", "/"]);
    }

    /// A link of the host (`/lib` → `usr/lib`) is a link inside.
    fn read_path(&mut self, path: &Path) {
        match fs::read_link(path) {
            Ok(target) => {
                self.add(["--symlink".as_ref(), target.as_os_str(), path.as_os_str()]);
            }
            Err(_) => self.read_only(path, path),
        }
    }

    fn launcher(&mut self, sandbox: &BubblewrapSpec, socket: &Path) {
        let directory = PathBuf::from(LAUNCHER_DIR);
        for (source, place) in sandbox.launcher.files_inside(&directory) {
            self.read_only(&source, &place);
        }
        self.read_only(socket, &launcher::socket_inside(&directory));
    }

    fn read_only(&mut self, source: &Path, place: &Path) {
        let bind: [&OsStr; 3] = ["--ro-bind".as_ref(), source.as_os_str(), place.as_os_str()];
        self.add(bind);
    }
}

fn is_shown(path: &Path, sandbox: &BubblewrapSpec) -> bool {
    let mut read_paths = sandbox.read_paths.iter();
    read_paths.any(|read_path| path.starts_with(read_path))
}

/// Those of the hidden paths that would be seen: the place of a mount must exist.
fn hidden_places(sandbox: &BubblewrapSpec) -> impl Iterator<Item = &PathBuf> {
    let hidden = sandbox.hidden_paths.iter();
    hidden.filter(|path| is_shown(path, sandbox) && path.is_dir())
}

/// Where what is hidden would be seen through a bind.
fn hidden_in_binds(sandbox: &BubblewrapSpec) -> impl Iterator<Item = PathBuf> {
    let hidden = sandbox.hidden_paths.iter().filter(|path| path.is_dir());
    hidden.flat_map(|path| {
        sandbox.binds.iter().filter_map(|bind| {
            let inner = path.strip_prefix(&bind.source).ok()?;
            Some(bind.place.join(inner))
        })
    })
}

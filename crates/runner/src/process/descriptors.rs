use std::{fs, io};

/// `O_CLOEXEC` in the flags of `/proc/PID/fdinfo`.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// Closes all descriptors above 2 that a child of this process would inherit, and returns their numbers.
///
/// Descriptors that Rust's standard library, tokio and rustix open are closed at exec. Those that a terminal,
/// a build tool or a service manager has leaked to this process are not. For the start of a program, before
/// it opens a descriptor that a child has to inherit.
pub fn close_inherited_descriptors() -> io::Result<Vec<i32>> {
    let inherited = inheritable_descriptors()?;
    for descriptor in &inherited {
        nix::unistd::close(*descriptor)?;
    }
    Ok(inherited)
}

/// The open descriptors above 2 that a child of this process would inherit.
pub fn inheritable_descriptors() -> io::Result<Vec<i32>> {
    let mut inheritable = Vec::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let Some(descriptor) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that has been closed by now is the directory that was read.
        let Ok(information) = fs::read_to_string(entry.path()) else {
            continue;
        };
        if descriptor > 2 && !is_closed_at_exec(&information) {
            inheritable.push(descriptor);
        }
    }
    inheritable.sort_unstable();
    Ok(inheritable)
}

fn is_closed_at_exec(information: &str) -> bool {
    let flags = information
        .lines()
        .find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & CLOSE_ON_EXEC != 0)
}

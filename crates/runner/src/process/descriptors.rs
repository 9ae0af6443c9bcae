use std::{fs, io};

/// `O_CLOEXEC` as `/proc/PID/fdinfo` shows it, in octal.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// Closes every descriptor above 2 that a child of this process would inherit, and gives their numbers.
///
/// What Rust's standard library, tokio and rustix open is closed at exec by itself. What is not is what
/// this process was itself started with, by a terminal, a build tool or a service manager that leaks: a
/// child must not find the other end of it. For the beginning of a program, before it has opened anything
/// that it means to pass on.
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
        // One that is gone by now is the directory that was being read.
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

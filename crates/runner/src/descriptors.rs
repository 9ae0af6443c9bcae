use std::{fs, io};

/// `O_CLOEXEC` as `/proc/PID/fdinfo` shows it, in octal.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// The open descriptors above 2 that a child of this process would inherit; there should be none.
///
/// What Rust's standard library, tokio and rustix open is closed at exec by itself. What is not is what
/// this process was itself started with, by a terminal or a build tool that leaks: the runner cannot
/// close that (it would take unsafe code), so the program that uses it looks once at its start, and
/// refuses or warns.
pub fn inheritable_descriptors() -> io::Result<Vec<u32>> {
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

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    process::{self, Child},
};

use serde_json::json;

use crate::{probe::environment, startup::Startup};

/// Writes down in which sandbox this process finds itself, for a test that proves that it is the one
/// intended. Before the runtime exists, so that the descriptors are those it was given.
pub(crate) fn append(startup: &Startup, grandchild: Option<Child>) -> Result<(), String> {
    let Some(path) = &startup.record else {
        return Ok(());
    };
    let argv: Vec<String> = env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let line = json!({
        "argv": argv,
        "environment": environment(),
        "cwd": env::current_dir().ok(),
        "descriptors": open_descriptors().map_err(|error| error.to_string())?,
        "pid": process::id(),
        "grandchild": grandchild.map(|grandchild| grandchild.id()),
    });
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn open_descriptors() -> std::io::Result<BTreeMap<String, String>> {
    let paths: Vec<_> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    // The directory itself was one of them, and is closed by now: it has no target.
    let targets = paths.iter().filter_map(|path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((
            name,
            fs::read_link(path).ok()?.to_string_lossy().into_owned(),
        ))
    });
    Ok(targets.collect())
}

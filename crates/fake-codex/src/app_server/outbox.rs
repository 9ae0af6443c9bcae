use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    process,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::{Reply, shapes};

/// The one writer of standard output: each message in one piece, whoever sends it.
pub(super) struct Outbox {
    /// Unbuffered: the protocol is the flush.
    stdout: Mutex<File>,
    /// Notifications that the client does not want.
    muted: Mutex<HashSet<String>>,
}

impl Outbox {
    pub(super) fn open() -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a scripted CLI writes as it is told"
        )]
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self {
            stdout: Mutex::new(File::from(stdout)),
            muted: Mutex::default(),
        })
    }

    pub(super) fn mute(&self, methods: &Value) {
        let methods = methods.as_array().into_iter().flatten();
        let mut muted = self.muted.lock().unwrap_or_else(PoisonError::into_inner);
        muted.extend(methods.filter_map(Value::as_str).map(str::to_owned));
    }

    pub(super) fn reply(&self, id: &Value, reply: Reply) {
        self.message(&match reply {
            Ok(result) => json!({ "id": id, "result": result }),
            Err((code, message)) => {
                json!({ "id": id, "error": { "code": code, "message": message } })
            }
        });
    }

    pub(super) fn request(&self, id: u64, method: &str, params: &Value) {
        self.message(&json!({ "id": id, "method": method, "params": params }));
    }

    pub(super) fn notify(&self, method: &str, params: Value) {
        let is_muted = |muted: &HashSet<String>| muted.contains(method);
        if !is_muted(&self.muted.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.message(&shapes::notification(method, params));
        }
    }

    fn message(&self, message: &Value) {
        self.raw(format!("{message}\n").as_bytes());
    }

    /// A client that is gone ends the process, as a broken pipe ends the real one.
    pub(super) fn raw(&self, bytes: &[u8]) {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        if stdout.write_all(bytes).is_err() {
            process::exit(1);
        }
    }
}

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Everything that one test's gateway logs, at the level that tells most. Works because a test's tasks
/// all run on its own thread.
#[derive(Clone, Default)]
pub(crate) struct CapturedLog {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl CapturedLog {
    /// Captures until the guard is dropped.
    pub(crate) fn start(&self) -> DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_env_filter(EnvFilter::new(
                "gateway=trace,broker=trace,codex_client=trace,runner=trace",
            ))
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// The lines with this message.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["message"] == message)
            .collect()
    }

    /// Whether a call has its record, which comes after the usage is written.
    pub(crate) fn has_call(&self, request_id: &str) -> bool {
        let lines = self.lines("call ended");
        lines.iter().any(|line| line["request_id"] == request_id)
    }

    /// The one record of a call.
    pub(crate) fn call(&self, request_id: &str) -> Value {
        let mut lines = self.lines("call ended");
        lines.retain(|line| line["request_id"] == request_id);
        assert_eq!(lines.len(), 1, "records of {request_id}: {lines:?}");
        lines.remove(0)
    }
}

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

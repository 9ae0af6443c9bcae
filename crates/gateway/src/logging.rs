//! The log: one line an event, metadata only, on standard error. It can neither stop nor slow down the
//! service: lines wait in a bounded queue for a thread of their own ([`QueuedWriter`]), every text is
//! redacted and bounded (`line.rs`), and what repeats without end is left out and counted
//! (`rate_limit.rs`).

mod line;
mod line_layer;
mod queued_writer;
mod rate_limit;

use std::io;
use std::os::fd::AsFd;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use redact::Redactor;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, registry};

use crate::config::LogSettings;

use line_layer::LineLayer;
pub(crate) use line_layer::RECORD;
pub(crate) use queued_writer::Flow;
use queued_writer::QueuedWriter;

/// What is still queued gets this long at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// One process has one log, as it has one standard error.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    writer: QueuedWriter,
    redactor: Redactor,
    is_discarded: bool,
}

/// Starts the log of this process.
pub(crate) fn start(settings: &LogSettings, redactor: &Redactor) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("the log could not be started: {error}");
    let format = settings.format;
    let writer = QueuedWriter::start(standard_error(), move |lost| line::lost_lines(format, lost));
    let writer = writer.map_err(|error| failed(&error))?;
    let layer = LineLayer::new(format, redactor.clone(), writer.clone());
    let filter = EnvFilter::builder().parse_lossy(&settings.filter);
    let subscriber = registry().with(filter).with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(|error| failed(&error))?;
    let _ = LOG.set(Log {
        writer,
        redactor: redactor.clone(),
        is_discarded: is_null_device(standard_error()),
    });
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// What becomes of the log's lines. `None`: nobody reads them, as standard error is the null device, or
/// was closed when the program began.
pub(crate) fn flow() -> Option<Flow> {
    let Some(log) = LOG.get() else {
        return Some(Flow::default());
    };
    (!log.is_discarded).then(|| log.writer.flow())
}

/// Says to people why the service has ended, or has not even started its log, and gives what is queued
/// its last moment.
pub(crate) fn end(message: Option<&str>) {
    let said = message.map(|message| format!("portcullis: {message}\n"));
    if let Some(log) = LOG.get() {
        if let Some(said) = said {
            log.writer.push(log.redactor.redact(&said).text.into());
        }
        log.writer.flush(LAST_LINES);
    } else if let Some(said) = said
        && let Ok(writer) = QueuedWriter::start(standard_error(), |_| Vec::new())
    {
        writer.push(said.into());
        writer.flush(LAST_LINES);
    }
}

/// Writes a text to standard output that nobody has to read. Returns at once.
pub(crate) fn announce(text: String) -> io::Result<()> {
    let writer = QueuedWriter::start(standard_output(), |_| Vec::new())?;
    writer.push(text.into_bytes());
    Ok(())
}

/// Without the message, where that was made of values: they may be content.
fn log_panic(panicked: &PanicHookInfo<'_>) {
    let message = panicked.payload().downcast_ref::<&'static str>();
    let place = panicked.location().map(ToString::to_string);
    let thread = thread::current();
    tracing::error!(message, place, thread = thread.name(), "a task panicked");
}

fn is_null_device(output: impl AsFd) -> bool {
    const NULL: (u32, u32) = (1, 3);
    let status = rustix::fs::fstat(output);
    status.is_ok_and(|status| {
        let device = status.st_rdev;
        (rustix::fs::major(device), rustix::fs::minor(device)) == NULL
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the writer's thread alone waits for it"
)]
fn standard_error() -> io::Stderr {
    io::stderr()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the writer's thread alone waits for it"
)]
fn standard_output() -> io::Stdout {
    io::stdout()
}

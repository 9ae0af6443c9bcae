use std::collections::HashMap;
use std::time::Instant;

use parking_lot::RwLock;
use redact::Redactor;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::config::LogFormat;

use super::line::{self, Fields};
use super::queued_writer::QueuedWriter;
use super::rate_limit::RateLimit;

/// The target of a line that is the record of an admitted call. Such lines are not limited by rate:
/// admission bounds how often they come, and each of them counts.
pub(crate) const RECORD: &str = "gateway::record";

/// The same in every crate: its module `record`.
const RECORD_MODULE: &str = "::record";

/// Makes a line of each event, whichever crate it comes from: limited by rate, redacted, bounded, queued.
///
/// A kind of line is a place in the source: whatever causes it too often, child or stranger, causes that
/// one. Records of admitted calls are not limited.
pub(super) struct LineLayer {
    format: LogFormat,
    redactor: Redactor,
    writer: QueuedWriter,
    /// As many as there are places in the source that log.
    limits: RwLock<HashMap<Identifier, RateLimit>>,
}

impl LineLayer {
    pub(super) fn new(format: LogFormat, redactor: Redactor, writer: QueuedWriter) -> Self {
        Self {
            format,
            redactor,
            writer,
            limits: RwLock::default(),
        }
    }

    fn admit(&self, metadata: &Metadata<'_>) -> Option<u64> {
        let kind = metadata.callsite();
        let now = Instant::now();
        if let Some(limit) = self.limits.read().get(&kind) {
            return limit.admit(now);
        }
        let mut limits = self.limits.write();
        limits.entry(kind).or_default().admit(now)
    }
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let left_out = if is_whole_record(event) {
            0
        } else {
            match self.admit(metadata) {
                Some(left_out) => left_out,
                None => return,
            }
        };
        let mut fields = Fields::new(&self.redactor);
        event.record(&mut fields);
        if left_out > 0 {
            fields.insert("left_out", left_out.into());
        }
        let (level, target) = (*metadata.level(), metadata.target());
        let line = line::render(self.format, level, target, fields.into_values());
        self.writer.push(line);
    }
}

/// The record of a call; of one that was not admitted there may be any number.
fn is_whole_record(event: &Event<'_>) -> bool {
    let mut refused = Refused(false);
    event.metadata().target().ends_with(RECORD_MODULE) && {
        event.record(&mut refused);
        !refused.0
    }
}

/// Looks for `admitted = false`.
struct Refused(bool);

impl Visit for Refused {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0 |= field.name() == "admitted" && !value;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

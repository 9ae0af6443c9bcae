use broker::Usage;
use codex_client::{ItemKind, ItemStatus, ReportedUsage};
use redact::{StreamRedactor, Untrusted};

use crate::calls::prompt::caps::OutputCap;
use crate::calls::record::Record;
use crate::calls::result::ChatMeta;
use crate::calls::result::finish_reason::FinishReason;
use crate::calls::result::milliseconds::milliseconds;
use crate::calls::run::{RunEvent, RunWriter};

use super::item;

/// The answer on its way to the caller: the event `start`, then text that is redacted and capped.
///
/// In this order: a secret that the cap cut in two would slip through a redactor behind it.
pub(super) struct Output<'call> {
    writer: &'call RunWriter,
    record: &'call Record,
    meta: &'call mut ChatMeta,
    redactor: StreamRedactor,
    cap: OutputCap,
    /// What the redactor had held back until the end of the turn.
    rest: String,
    has_text: bool,
    started: bool,
}

impl<'call> Output<'call> {
    pub(super) fn new(
        writer: &'call RunWriter,
        record: &'call Record,
        meta: &'call mut ChatMeta,
        redactor: StreamRedactor,
        limit_chars: usize,
    ) -> Self {
        let cap = OutputCap::new(limit_chars);
        Self {
            writer,
            record,
            meta,
            redactor,
            cap,
            rest: String::new(),
            has_text: false,
            started: false,
        }
    }

    /// Takes more of the answer and passes on what is decided by now.
    pub(super) async fn pass_on(&mut self, raw: &Untrusted) {
        let text = self.redactor.feed_untrusted(raw);
        self.send(&text).await;
    }

    /// Something beside the answer: metadata only.
    pub(super) async fn item(&mut self, kind: ItemKind, status: ItemStatus) {
        self.begin().await;
        let event = RunEvent::Item {
            kind: item::kind(kind),
            title: item::title(kind).into(),
            status: item::status(status),
        };
        self.writer.append(event).await;
    }

    /// A skill that the model calls.
    pub(super) async fn skill(&mut self, skill: &str, status: &'static str) {
        self.begin().await;
        let event = RunEvent::Item {
            kind: item::SKILL_CALL,
            title: skill.to_owned().into(),
            status,
        };
        self.writer.append(event).await;
    }

    pub(super) fn finish_reason(&mut self, reason: FinishReason) {
        self.meta.finish_reason = reason;
    }

    /// What the CLI says that the turn has cost.
    pub(super) fn reported_usage(&mut self, reported: ReportedUsage) {
        self.meta.usage = Usage {
            input_tokens: reported.input_tokens,
            cached_input_tokens: reported.cached_input_tokens,
            output_tokens: reported.output_tokens,
            reasoning_tokens: reported.reasoning_tokens,
        };
    }

    /// The answer is over its limit: nothing more will be passed on.
    pub(super) fn is_full(&self) -> bool {
        self.cap.is_full()
    }

    /// Nothing more comes. Whether anything of it was text; none of the rest has been passed on yet.
    pub(super) fn complete(&mut self) -> bool {
        self.rest = self.redactor.finish();
        self.has_text |= !self.rest.trim().is_empty();
        self.meta.redactions.response = self.redactor.counts();
        self.has_text
    }

    /// What is here is the answer.
    pub(super) async fn finish(mut self) {
        self.begin().await;
        self.end().await;
    }

    /// The turn has failed. If a part of the answer has been sent, what is known of the rest follows; else
    /// nothing is sent, and the failure alone is the answer.
    pub(super) async fn break_off(mut self) {
        if self.started {
            self.end().await;
        }
    }

    async fn end(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.send(&rest).await;
        if let Some(truncation) = self.cap.truncation() {
            self.meta.finish_reason = FinishReason::Length;
            self.meta.truncated.insert("answer", truncation);
        }
        let rest = self.cap.finish();
        self.append(rest).await;
    }

    async fn send(&mut self, text: &str) {
        self.has_text |= !text.trim().is_empty();
        let text = self.cap.feed(text);
        self.append(text).await;
    }

    async fn append(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        if self.meta.first_token_ms.is_none() {
            self.meta.first_token_ms = Some(milliseconds(self.record.first_token()));
        }
        self.begin().await;
        self.writer.append(RunEvent::Delta { text }).await;
    }

    async fn begin(&mut self) {
        if !self.started {
            self.started = true;
            let start = RunEvent::Start {
                model: Some(self.meta.model.clone()),
                driver: self.meta.driver,
                skill: None,
            };
            self.writer.append(start).await;
        }
    }
}

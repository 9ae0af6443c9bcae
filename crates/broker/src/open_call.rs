//! A model call that has not come to its end: what it will have cost if it never does.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::usage::Usage;

/// What an event has beside its text.
const EVENT_BYTES: u64 = 250;

/// Fewer bytes than a token has on average.
const BYTES_PER_TOKEN: u64 = 3;

/// A provider that was told how much an answer may have is believed up to so many times of it, and a little
/// more: an answer also has events without text.
const TOLERANCE: u64 = 4;
const FREE_TOKENS: u64 = 256;

/// A call on its way to the provider, or being answered.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) number: u32,
    /// What the request has, by its size.
    input_tokens: u64,
    /// What the answer may have.
    max_output_tokens: Option<u64>,
    output_tokens: AtomicU64,
}

impl OpenCall {
    pub(super) fn new(number: u32, input_tokens: u64, max_output_tokens: Option<u64>) -> Self {
        Self {
            number,
            input_tokens,
            max_output_tokens,
            output_tokens: AtomicU64::new(0),
        }
    }

    pub(super) fn max_output_tokens(&self) -> Option<u64> {
        self.max_output_tokens
    }

    /// Counts an answer that has so many bytes and events by now. False if it is far more than was asked for.
    pub(super) fn count(&self, bytes: usize, events: usize) -> bool {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let events = number(events);
        let text = number(bytes).saturating_sub(events.saturating_mul(EVENT_BYTES));
        let tokens = events.max(text / BYTES_PER_TOKEN);
        self.output_tokens.store(tokens, Ordering::Relaxed);
        self.max_output_tokens.is_none_or(|asked| {
            tokens <= asked.saturating_mul(TOLERANCE).saturating_add(FREE_TOKENS)
        })
    }

    /// The most that it may still come to.
    pub(super) fn reserved(&self) -> u64 {
        let so_far = self.output_tokens.load(Ordering::Relaxed);
        let output = self.max_output_tokens.unwrap_or(0).max(so_far);
        self.input_tokens.saturating_add(output)
    }

    /// The provider bills what it has done, whoever has left meanwhile.
    pub(super) fn estimate(&self) -> Usage {
        Usage {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens.load(Ordering::Relaxed),
            ..Usage::default()
        }
    }
}

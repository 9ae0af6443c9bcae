//! Texts that are done: what is kept of them in case that no item brings them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Of the events that are kept.
const MAX_EVENTS: usize = 256;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The events that hold a finished text, until an item brings it. The CLI passes over them, as all servers
/// known so far repeat the text in an item; compatible ones may not.
#[derive(Default)]
pub(super) struct Texts {
    /// The data of the events.
    kept: Vec<Vec<u8>>,
    bytes: usize,
}

/// A finished text, and where it stands in the answer.
pub(super) struct FinishedText {
    pub(super) output_index: u64,
    pub(super) text: String,
    pub(super) is_refusal: bool,
}

#[derive(Deserialize)]
struct DoneEvent {
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    content_index: u64,
    text: Option<String>,
    refusal: Option<String>,
    part: Option<DonePart>,
}

#[derive(Deserialize)]
struct DonePart {
    r#type: String,
    text: Option<String>,
    refusal: Option<String>,
}

impl Texts {
    pub(super) fn is_text(name: &str) -> bool {
        matches!(
            name,
            "response.output_text.done" | "response.refusal.done" | "response.content_part.done"
        )
    }

    pub(super) fn keep(&mut self, data: &[u8]) {
        if self.kept.len() < MAX_EVENTS && self.bytes + data.len() <= MAX_BYTES {
            self.bytes += data.len();
            self.kept.push(data.to_vec());
        }
    }

    /// An item has brought them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// In the order of the answer, each once, and no empty one.
    pub(super) fn take(&mut self) -> Vec<FinishedText> {
        let mut texts = BTreeMap::new();
        for data in std::mem::take(self).kept {
            let Ok(event) = serde_json::from_slice::<DoneEvent>(&data) else {
                continue;
            };
            let (text, refusal) = match event.part {
                // Reasoning has parts as well.
                Some(part) if !matches!(&*part.r#type, "output_text" | "refusal") => continue,
                Some(part) => (part.text, part.refusal),
                None => (event.text, event.refusal),
            };
            let is_refusal = refusal.is_some();
            let text = refusal.or(text).filter(|text| !text.is_empty());
            let place = (event.output_index, event.content_index);
            if let Some(text) = text {
                let output_index = event.output_index;
                texts.entry(place).or_insert(FinishedText {
                    output_index,
                    text,
                    is_refusal,
                });
            }
        }
        texts.into_values().collect()
    }
}

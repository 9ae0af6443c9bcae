//! The items of an answer: what the CLI reads of them, and what it would pass over in silence.
//!
//! It takes an item from its `response.output_item.done` alone, and a message only if all of its content is
//! `output_text` (seen on 0.169.0).

use std::fmt;

use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Verdict;
use super::terminal::write_event;
use super::texts::Texts;

/// Items of one answer, and parts of one item, that are looked at.
const MAX_ELEMENTS: usize = 1024;

/// What of the answer has reached the CLI as items.
#[derive(Default)]
pub(super) struct Delivered {
    messages: usize,
    calls: usize,
    is_refusal: bool,
    texts: Texts,
}

impl Delivered {
    /// An event that holds a finished text.
    pub(super) fn keep_text(&mut self, data: &[u8]) {
        self.texts.keep(data);
    }

    /// Whether the model refused to answer.
    pub(super) fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// An item that is done, mended if the CLI could not read it.
    pub(super) fn take_done(&mut self, item: &RawValue, data: &[u8]) -> Verdict {
        let Some(item) = Item::read(item) else {
            return Verdict::Pass;
        };
        self.count(&item);
        let Some(mended) = item.mended() else {
            return Verdict::Pass;
        };
        // The other members are small; the item is the only text in it.
        let index = serde_json::from_slice::<OutputPosition>(data)
            .ok()
            .and_then(|place| place.output_index)
            .unwrap_or_default();
        let mut bytes = Vec::new();
        write_done(&mut bytes, index, &mended);
        Verdict::Replace(bytes)
    }

    /// The events of those items that stand only in the answer as a whole, or nowhere but in their texts.
    pub(super) fn missing(&mut self, output: Option<&RawValue>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let output =
            output.and_then(|output| serde_json::from_str::<Elements<'_>>(output.get()).ok());
        let items: Vec<_> = output
            .iter()
            .flat_map(|output| output.0.iter().enumerate())
            .filter_map(|(index, item)| Some((index as u64, Item::read(item)?)))
            .collect();
        let mut messages = self.messages;
        let mut calls = self.calls;
        for (index, item) in items {
            let known = match item.kind {
                Kind::Message => &mut messages,
                Kind::Call => &mut calls,
            };
            if *known > 0 {
                *known -= 1;
                continue;
            }
            self.count(&item);
            let whole = item.mended().unwrap_or_else(|| item.whole());
            write_done(&mut bytes, index, &whole);
        }
        if self.messages == 0 {
            self.write_texts(&mut bytes);
        }
        bytes
    }

    /// A message of the texts that no item has brought.
    fn write_texts(&mut self, bytes: &mut Vec<u8>) {
        let texts = self.texts.take();
        for texts in texts.chunk_by(|one, next| one.output_index == next.output_index) {
            let parts = texts.iter().map(|text| Part {
                text: text.text.clone(),
                is_refusal: text.is_refusal,
                is_readable: false,
            });
            let item = Item {
                kind: Kind::Message,
                sent: SentItem::default(),
                parts: parts.collect(),
                is_readable: false,
            };
            self.count(&item);
            let index = texts.first().map_or(0, |text| text.output_index);
            write_done(bytes, index, &item.whole());
        }
    }

    fn count(&mut self, item: &Item<'_>) {
        match item.kind {
            Kind::Message => {
                self.messages += 1;
                self.texts.clear();
            }
            Kind::Call => self.calls += 1,
        }
        self.is_refusal |= item.parts.iter().any(|part| part.is_refusal);
    }
}

#[derive(Deserialize)]
struct OutputPosition {
    output_index: Option<u64>,
}

fn write_done(bytes: &mut Vec<u8>, index: u64, item: &Value) {
    let name = "response.output_item.done";
    let data = json!({ "type": name, "output_index": index, "item": item });
    write_event(bytes, name, &data);
}

#[derive(Clone, Copy)]
enum Kind {
    Message,
    Call,
}

/// A message or a call of a function.
struct Item<'a> {
    kind: Kind,
    sent: SentItem<'a>,
    parts: Vec<Part>,
    /// All of it is as the CLI wants it.
    is_readable: bool,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct SentItem<'a> {
    r#type: String,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    phase: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

struct Part {
    text: String,
    is_refusal: bool,
    is_readable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentPart {
    r#type: String,
    text: Option<String>,
    refusal: Option<String>,
}

impl<'a> Item<'a> {
    fn read(item: &'a RawValue) -> Option<Self> {
        let sent: SentItem<'a> = serde_json::from_str(item.get()).ok()?;
        match sent.r#type.as_str() {
            "message" => {
                let (parts, is_whole) = parts(sent.content);
                let is_readable = is_whole
                    && sent.role.map(RawValue::get) == Some("\"assistant\"")
                    && parts.iter().all(|part| part.is_readable);
                Some(Self {
                    kind: Kind::Message,
                    sent,
                    parts,
                    is_readable,
                })
            }
            "function_call" => {
                let is_text =
                    |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get().starts_with('"'));
                let is_readable = is_text(sent.arguments) && is_text(sent.call_id);
                Some(Self {
                    kind: Kind::Call,
                    sent,
                    parts: Vec::new(),
                    is_readable,
                })
            }
            _ => None,
        }
    }

    /// The item as the CLI can read it, where it could not.
    fn mended(&self) -> Option<Value> {
        (!self.is_readable).then(|| self.whole())
    }

    fn whole(&self) -> Value {
        let mut whole = match self.kind {
            Kind::Message => {
                let content: Vec<Value> = self
                    .parts
                    .iter()
                    .map(|part| json!({ "type": "output_text", "text": part.text, "annotations": [] }))
                    .collect();
                json!({ "type": "message", "role": "assistant", "content": content })
            }
            Kind::Call => {
                let arguments = match self.sent.arguments {
                    Some(raw) if raw.get().starts_with('"') => json!(raw),
                    Some(raw) => json!(raw.get()),
                    None => json!("{}"),
                };
                json!({
                    "type": "function_call", "name": self.sent.name, "arguments": arguments,
                    "call_id": self.sent.call_id.or(self.sent.id),
                })
            }
        };
        for (name, member) in [("id", self.sent.id), ("phase", self.sent.phase)] {
            if let Some(member) = member {
                whole[name] = json!(member);
            }
        }
        whole
    }
}

/// The texts of a message, and whether they are a list that holds nothing else.
fn parts(content: Option<&RawValue>) -> (Vec<Part>, bool) {
    let Some(content) = content else {
        return (Vec::new(), false);
    };
    if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        let part = Part {
            text,
            is_refusal: false,
            is_readable: false,
        };
        return (vec![part], false);
    }
    let Ok(elements) = serde_json::from_str::<Elements<'_>>(content.get()) else {
        return (Vec::new(), false);
    };
    let count = elements.0.len();
    let parts: Vec<Part> = elements.0.into_iter().filter_map(part).collect();
    let is_whole = parts.len() == count;
    (parts, is_whole)
}

fn part(raw: &RawValue) -> Option<Part> {
    let sent: SentPart = serde_json::from_str(raw.get()).ok()?;
    let is_refusal = sent.r#type == "refusal";
    let text = if is_refusal {
        sent.refusal.or(sent.text)
    } else {
        sent.text
    };
    Some(Part {
        text: text?,
        is_refusal,
        is_readable: sent.r#type == "output_text",
    })
}

/// The elements of an array as the texts that they are, up to a number of them.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array that is not too long")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Vec<&'de RawValue>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    if elements.len() == MAX_ELEMENTS {
                        return Err(serde::de::Error::custom("too many elements"));
                    }
                    elements.push(element);
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Bounded).map(Elements)
    }
}

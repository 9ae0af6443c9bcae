//! The conversation, item by item: each is checked as it is read, and nothing is kept of one that is refused.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::grant::Grant;
use crate::refusal::Refusal;

use super::clean::{CleanText, Cleaner};

/// Items of a request, and parts of all of them together. A turn makes a few for each of its rounds.
const MAX_ENTRIES: usize = 10_000;

/// The model's own name of a call; it is never longer.
const MAX_CALL_ID_BYTES: usize = 256;

/// How the model's call of a tool that was not granted is repeated to it.
const UNKNOWN_TOOL: &str = "unknown_tool";

/// What of a conversation may leave the machine. An item or part that names something stored at the
/// provider (`item_reference`, a `file_id`) could be another tenant's, so that kinds are listed, not banned.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Item {
    Message {
        role: Role,
        content: Content,
    },
    /// The model's own call, repeated to it.
    FunctionCall {
        call_id: String,
        name: String,
        arguments: CleanText,
    },
    FunctionCallOutput {
        call_id: String,
        output: Content,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    User,
    Assistant,
    Developer,
    System,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(CleanText),
    Parts(Vec<Part>),
}

/// A part of text. Any other could name something stored.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part {
    InputText { text: CleanText },
    OutputText { text: CleanText },
    Refusal { refusal: CleanText },
}

impl Part {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::InputText { text } | Self::OutputText { text } => text.as_str(),
            Self::Refusal { refusal } => refusal.as_str(),
        }
    }
}

impl Content {
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text.as_str()],
            Self::Parts(parts) => parts.iter().map(Part::text).collect(),
        }
    }
}

impl Item {
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Message { content, .. }
            | Self::FunctionCallOutput {
                output: content, ..
            } => content.texts(),
            Self::FunctionCall { .. } => Vec::new(),
        }
    }
}

/// An item as it was sent. Ids of the CLI's own making, which trace a thread, are not read.
#[derive(Deserialize)]
struct SentItem<'a> {
    r#type: Option<String>,
    role: Option<Role>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    name: Option<String>,
    call_id: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SentPart<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

/// Reads a conversation.
pub(super) struct Reader<'call, 'redactor> {
    grant: &'call Grant,
    cleaner: &'call mut Cleaner<'redactor>,
    entries: usize,
    /// The calls by the model's names of them. What leaves are numbers: a name is a string that a child
    /// can choose.
    calls: HashMap<String, usize>,
}

impl<'call, 'redactor> Reader<'call, 'redactor> {
    pub(super) fn new(grant: &'call Grant, cleaner: &'call mut Cleaner<'redactor>) -> Self {
        Self {
            grant,
            cleaner,
            entries: 0,
            calls: HashMap::new(),
        }
    }

    pub(super) fn read(&mut self, input: &RawValue) -> Result<Vec<Item>, Refusal> {
        let mut items = Vec::new();
        for_each_element(input, |item| {
            items.extend(self.item(item)?);
            Ok(())
        })?;
        Ok(items)
    }

    fn count(&mut self) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(Refusal::TooLarge);
        }
        Ok(())
    }

    fn item(&mut self, item: &RawValue) -> Result<Option<Item>, Refusal> {
        self.count()?;
        let sent: SentItem<'_> =
            serde_json::from_str(item.get()).map_err(|_| Refusal::Malformed)?;
        let read = match sent.r#type.as_deref() {
            // Without `include: reasoning.encrypted_content` it is a dead reference.
            Some("reasoning") => return Ok(None),
            Some("message") | None => Item::Message {
                role: sent.role.ok_or(Refusal::Malformed)?,
                content: self.content(sent.content)?,
            },
            Some("function_call") => self.call(&sent, sent.arguments)?,
            Some("custom_tool_call") => self.call(&sent, sent.input)?,
            Some("function_call_output" | "custom_tool_call_output") => Item::FunctionCallOutput {
                call_id: self.call_id(sent.call_id)?,
                output: self.content(sent.output)?,
            },
            Some(_) => return Err(Refusal::InputNotGranted),
        };
        Ok(Some(read))
    }

    fn call(&mut self, sent: &SentItem<'_>, arguments: Option<&RawValue>) -> Result<Item, Refusal> {
        let name = sent.name.as_deref().ok_or(Refusal::Malformed)?;
        let granted = self.grant.tools.iter().find(|tool| tool.name == name);
        let name = granted.map_or(UNKNOWN_TOOL, |tool| tool.name.as_str());
        Ok(Item::FunctionCall {
            call_id: self.call_id(sent.call_id.clone())?,
            name: name.to_owned(),
            arguments: self
                .cleaner
                .document(arguments.ok_or(Refusal::Malformed)?)?,
        })
    }

    fn call_id(&mut self, call_id: Option<String>) -> Result<String, Refusal> {
        let call_id = call_id
            .filter(|call_id| call_id.len() <= MAX_CALL_ID_BYTES)
            .ok_or(Refusal::Malformed)?;
        let next = self.calls.len() + 1;
        let number = *self.calls.entry(call_id).or_insert(next);
        Ok(format!("call_{number}"))
    }

    fn content(&mut self, content: Option<&RawValue>) -> Result<Content, Refusal> {
        let content = content.ok_or(Refusal::Malformed)?;
        if content.get().starts_with('"') {
            return Ok(Content::Text(self.cleaner.string(content)?));
        }
        let mut parts = Vec::new();
        for_each_element(content, |part| {
            parts.push(self.part(part)?);
            Ok(())
        })?;
        Ok(Content::Parts(parts))
    }

    fn part(&mut self, part: &RawValue) -> Result<Part, Refusal> {
        self.count()?;
        let sent: SentPart<'_> =
            serde_json::from_str(part.get()).map_err(|_| Refusal::Malformed)?;
        let mut clean =
            |text: Option<&RawValue>| self.cleaner.string(text.ok_or(Refusal::Malformed)?);
        match sent.r#type.as_deref() {
            Some("input_text") => Ok(Part::InputText {
                text: clean(sent.text)?,
            }),
            Some("output_text") => Ok(Part::OutputText {
                text: clean(sent.text)?,
            }),
            Some("refusal") => Ok(Part::Refusal {
                refusal: clean(sent.refusal)?,
            }),
            _ => Err(Refusal::InputNotGranted),
        }
    }
}

/// Gives the elements of an array one by one, each as the text that it is: there is no tree, and after a
/// refusal nothing more is read.
fn for_each_element<'a>(
    array: &'a RawValue,
    take: impl FnMut(&'a RawValue) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    struct Elements<'call, F> {
        take: F,
        refusal: &'call mut Option<Refusal>,
    }
    impl<'a, F: FnMut(&'a RawValue) -> Result<(), Refusal>> Visitor<'a> for Elements<'_, F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'a>>(mut self, mut elements: A) -> Result<(), A::Error> {
            while let Some(element) = elements.next_element()? {
                if let Err(refusal) = (self.take)(element) {
                    *self.refusal = Some(refusal);
                    return Err(serde::de::Error::custom("refused"));
                }
            }
            Ok(())
        }
    }
    let mut refusal = None;
    let elements = Elements {
        take,
        refusal: &mut refusal,
    };
    let read = serde_json::Deserializer::from_str(array.get()).deserialize_seq(elements);
    read.map_err(|_| refusal.unwrap_or(Refusal::Malformed))
}

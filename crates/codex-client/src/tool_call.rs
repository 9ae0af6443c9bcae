use std::fmt;

use redact::Untrusted;

const REFUSAL: &str = "This tool is not available.";

/// Sends the answer of a call to the process: whether the tool succeeded, and its text.
type Answer = Box<dyn FnOnce(bool, &str) + Send + Sync>;

/// The model's call of a tool. Codex waits for the answer. A call that is dropped without one is refused,
/// so that no turn waits for ever.
pub struct ToolCall {
    name: String,
    arguments: Untrusted,
    /// `None` once the call has been answered.
    answer: Option<Answer>,
}

impl ToolCall {
    /// `name` must be the name of one of the turn's tools, so that it is not text of the model.
    pub(crate) fn new(
        name: String,
        arguments: String,
        answer: impl FnOnce(bool, &str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            arguments: Untrusted::new(arguments),
            answer: Some(Box::new(answer)),
        }
    }

    /// The name of one of the turn's tools.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A JSON value, as the model wrote it.
    pub fn arguments(&self) -> &Untrusted {
        &self.arguments
    }

    /// Gives the model `text`: the tool's result if `success` is true, else what was wrong.
    pub fn answer(mut self, success: bool, text: &str) {
        self.send(success, text);
    }

    fn send(&mut self, success: bool, text: &str) {
        if let Some(answer) = self.answer.take() {
            answer(success, text);
        }
    }
}

impl Drop for ToolCall {
    fn drop(&mut self) {
        self.send(false, REFUSAL);
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ToolCall({})", self.name)
    }
}

/// The same tool with the same arguments.
impl PartialEq for ToolCall {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

impl Eq for ToolCall {}

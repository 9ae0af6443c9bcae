//! What a skill takes, as a JSON Schema, and the validation of what a caller gives for it.
//!
//! No message repeats what the caller sent: it names the place and the rule.

mod annotations;
mod numbers;
mod reading;
mod validation;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

pub(super) use validation::Arguments;
pub use values::LIMITS;

/// Keys of `extra`, or of the request, that no skill may declare.
pub(super) const RESERVED: [&str; 3] = ["workspace", "message", "context"];

/// The declared parameters of a skill.
pub struct Parameters {
    /// As it is in the file, an object.
    schema: Value,
    validator: jsonschema::Validator,
    declared: BTreeMap<String, Parameter>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub shape: Shape,
    pub path: Option<PathRule>,
    /// `x-multiline`: its strings may hold line breaks and tabs.
    pub is_multiline: bool,
    pub default: Option<Value>,
    pub is_required: bool,
}

/// What of a value's type matters to a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    Text { may_begin_with_dash: bool },
    Number { may_be_negative: bool },
    Switch,
    List(Box<Shape>),
    Other,
}

/// `x-path`: how a string is kept in the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// It names something that is there, without leaving.
    Workspace,
    /// It is a pattern of names, and cannot lead out.
    Glob,
}

impl Parameters {
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.declared.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.keys().map(String::as_str)
    }
}

impl Shape {
    pub(super) fn may_begin_with_dash(&self) -> bool {
        match self {
            Self::Text {
                may_begin_with_dash,
            } => *may_begin_with_dash,
            Self::Number { may_be_negative } => *may_be_negative,
            Self::Switch => false,
            Self::List(_) | Self::Other => true,
        }
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Parameters({} declared)", self.declared.len())
    }
}

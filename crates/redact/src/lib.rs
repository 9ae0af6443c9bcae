//! The redaction engine: finds secrets in text and puts `[REDACTED:<rule id>]` in their place.
//!
//! It is pure: no file, no socket, no clock, no thread. It never says what a secret was: a
//! [`Finding`] is a rule, an offset and a length.
//!
//! - [`Redactor`] is the compiled rule set; cloning it is cheap.
//! - [`StreamRedactor`] redacts a text that arrives in pieces. Whatever the cuts, the pieces of
//!   output joined equal the output for the whole text; batch redaction *is* one feed and a finish.
//! - [`LineRedactor`] redacts lines that belong together, and keeps them lines.
//! - [`json`] redacts the strings of a JSON document in place.
//! - [`Untrusted`] carries text from a child process or a model, and only this crate opens it.
//! - [`EscapeStripper`] takes terminal escape sequences out of it, before any rule looks.

mod boundary;
mod bytes;
mod escapes;
mod evaluate;
mod finding;
pub mod json;
mod lines;
mod reading;
mod redactor;
mod rules;
mod scan;
mod search;
mod stream;
mod tail;
mod untrusted;
mod window;

pub use escapes::EscapeStripper;
pub use finding::{Counts, Finding, Redacted};
pub use lines::{LineRedactor, RedactedLine, RedactedLines};
pub use redactor::Redactor;
pub use rules::{RuleProblem, RuleSummary, RulesError};
pub use stream::StreamRedactor;
pub use untrusted::Untrusted;

/// The most bytes that a [`StreamRedactor`] keeps back on any input.
///
/// Every evaluator decides within this distance from where the possible secret starts.
pub const HOLD_BACK_LIMIT_BYTES: usize = 512;

/// Compiles only while raw text cannot be printed:
///
/// ```compile_fail,E0277
/// println!("{}", redact::Untrusted::new(String::from("raw")));
/// ```
///
/// only while it cannot be serialised:
///
/// ```compile_fail,E0277
/// fn store(value: impl serde::Serialize) {}
/// store(redact::Untrusted::new(String::from("raw")));
/// ```
///
/// only while it cannot be borrowed as text:
///
/// ```compile_fail,E0277
/// fn log(value: impl AsRef<str>) {}
/// log(redact::Untrusted::new(String::from("raw")));
/// ```
///
/// and only while nobody else may open it:
///
/// ```compile_fail,E0616
/// let open = redact::Untrusted::new(String::from("raw")).text;
/// ```
#[cfg(doctest)]
pub struct UntrustedStaysClosed;

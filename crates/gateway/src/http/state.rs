use redact::Redactor;

use crate::calls::chat::Chat;
use crate::config::ServerSettings;
use crate::health::Health;
use crate::skills::Skills;

use super::body::Bodies;
use super::body::parsing::Parsing;

/// What the handlers and the middleware share.
pub struct AppState {
    pub chat: Chat,
    pub skills: Skills,
    pub health: Health,
    pub settings: ServerSettings,
    /// For what callers choose and get back, or the log.
    pub redactor: Redactor,
    pub bodies: Bodies,
    pub parsing: Parsing,
}

use std::sync::Arc;

use redact::Redactor;

use crate::access::authentication::Authenticator;
use crate::access::limits::CallLimits;
use crate::calls::lifecycle::Calls;
use crate::calls::skills::Skills;
use crate::config::{ChatSettings, ServerSettings};
use crate::health::Health;

use super::body::Bodies;
use super::body::parsing::Parsing;

/// What the handlers and the middleware share.
pub struct AppState {
    pub authenticator: Arc<Authenticator>,
    pub limits: CallLimits,
    pub calls: Calls,
    pub skills: Skills,
    pub health: Health,
    pub settings: ServerSettings,
    pub chat_settings: ChatSettings,
    /// For what callers choose and get back, or the log.
    pub redactor: Redactor,
    pub bodies: Bodies,
    pub parsing: Parsing,
}

use store::Limits;

use super::scopes::Scopes;

/// On whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Processes, places in the queue and credentials are kept apart by it.
    pub tenant: String,
    /// A group within the tenant, with limits of its own.
    pub team: Option<String>,
    /// The public part of the API key that the caller has shown, or the subject of its token.
    pub key_id: Option<String>,
    pub scopes: Scopes,
    /// Of its key alone; its team and its tenant may have others.
    pub limits: Limits,
}

/// The tenant of whoever calls a gateway without access control.
pub const DEFAULT_TENANT: &str = "default";

impl Caller {
    /// Whoever calls a gateway without access control.
    pub fn everybody() -> Self {
        Self {
            tenant: DEFAULT_TENANT.to_owned(),
            team: None,
            key_id: None,
            scopes: Scopes::everything(),
            limits: Limits::default(),
        }
    }
}

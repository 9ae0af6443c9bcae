use jiff::Timestamp;

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    pub subject: String,
    /// `None` if no claim is named for it.
    pub tenant: Option<String>,
    /// `None` if no claim is named for it.
    pub team: Option<String>,
    /// As the token has them, or as the settings map its values.
    pub scopes: Vec<String>,
    pub expires_at: Timestamp,
}

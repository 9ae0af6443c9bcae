use thiserror::Error;

/// Why a token is refused, as its caller may know it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JwtError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid")]
    NotValid,
    /// No token can be checked.
    #[error("the keys of the issuer are not available")]
    NoKeys,
}

/// A check that failed, for the log.
pub(super) struct Failed {
    pub(super) error: JwtError,
    pub(super) check: &'static str,
}

impl Failed {
    pub(super) fn not_valid(check: &'static str) -> Self {
        let error = JwtError::NotValid;
        Self { error, check }
    }
}

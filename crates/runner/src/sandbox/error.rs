use std::time::Duration;

/// Bubblewrap takes 15 ms and the launcher 2, so after this time something is wrong.
pub(super) const LAUNCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a child's sandbox could not be set up. The program has not run.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SandboxError {
    /// With the last message of bubblewrap or of the launcher.
    #[error("the sandbox could not be made ({0})")]
    Refused(String),
    #[error("the sandbox was not made within {} s", LAUNCH_TIMEOUT.as_secs())]
    Timeout,
    #[error("the child was ended while its sandbox was made")]
    Ended,
}

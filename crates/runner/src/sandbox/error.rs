use std::time::Duration;

/// Bubblewrap needs 15 ms, the launcher 2. More than this is not slowness.
pub(super) const LAUNCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a child's sandbox does not stand. The child has not been run.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SandboxError {
    /// With what bubblewrap, or the launcher, said last.
    #[error("the sandbox could not be made ({0})")]
    Refused(String),
    #[error("the sandbox was not made within {} s", LAUNCH_TIMEOUT.as_secs())]
    Timeout,
    #[error("the child was ended while its sandbox was made")]
    Ended,
}

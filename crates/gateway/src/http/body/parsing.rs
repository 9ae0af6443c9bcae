use std::sync::Arc;
use std::time::Duration;

use runner::Deadline;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;

use crate::error::{ErrorCode, Problem};

use super::HeldBody;

/// A body up to this size is parsed in less time than another thread takes to wake up.
const AT_ONCE_BYTES: usize = 32 * 1024;

/// The most large bodies that are parsed at once.
const LARGE_AT_ONCE: usize = 2;

/// Parses large bodies on threads of their own, so that no other answer waits for them.
#[derive(Debug)]
pub struct Parsing {
    places: Arc<Semaphore>,
    /// How long a call may take, for the problem of one that has waited until its deadline.
    timeout: Duration,
    tasks: TaskTracker,
}

impl Parsing {
    pub fn new(timeout: Duration, tasks: TaskTracker) -> Self {
        Self {
            places: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            timeout,
            tasks,
        }
    }

    /// Calls `parse` with the bytes of the body, and gives their memory back.
    pub(in crate::http) async fn run<T: Send + 'static>(
        &self,
        body: HeldBody,
        deadline: Deadline,
        parse: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        if body.bytes.len() <= AT_ONCE_BYTES {
            return parse(&body.bytes);
        }
        let waiting = Arc::clone(&self.places).acquire_owned();
        let place = timeout_at(deadline.instant(), waiting).await;
        let place = place.map_err(|_| Problem::deadline_exceeded(self.timeout))?;
        let parsing = self.tasks.spawn_blocking(move || {
            let _place = place;
            parse(&body.bytes)
        });
        let not_parsed = |_| Problem::new(ErrorCode::Internal, "The body could not be parsed.");
        parsing.await.map_err(not_parsed)?
    }
}

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;

use crate::calls::call::Call;
use crate::calls::request::Parsed;
use crate::error::{ErrorCode, Problem};

use super::HeldBody;
use crate::http::state::AppState;

/// A body up to this size is parsed in less time than another thread takes to wake up.
const AT_ONCE_BYTES: usize = 32 * 1024;

/// Large bodies that are parsed at once.
const LARGE_AT_ONCE: usize = 2;

/// Where large bodies are parsed: on threads of their own, so that nobody else's answer waits.
#[derive(Debug)]
pub struct Parsing {
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Parsing {
    pub fn new(tasks: TaskTracker) -> Self {
        Self {
            places: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            tasks,
        }
    }
}

/// What a body asks for. Its room is given back.
pub(in crate::http) async fn parse(
    state: &Arc<AppState>,
    body: HeldBody,
    call: &Call,
) -> Result<Parsed, Problem> {
    let read = |state: &AppState, body: HeldBody| {
        let takes = |skill: &str, name: &str| state.skills.takes(skill, name);
        Parsed::read(&body.bytes, &state.chat_settings, takes)
    };
    if body.bytes.len() <= AT_ONCE_BYTES {
        return read(state, body);
    }
    let Parsing { places, tasks } = &state.parsing;
    let place = timeout_at(call.deadline.instant(), Arc::clone(places).acquire_owned()).await;
    let place = place.map_err(|_| Problem::deadline_exceeded(state.chat_settings.timeout))?;
    let state = Arc::clone(state);
    let reading = tasks.spawn_blocking(move || {
        let _place = place;
        read(&state, body)
    });
    let not_read = |_| Problem::new(ErrorCode::Internal, "The body could not be parsed.");
    reading.await.map_err(not_read)?
}

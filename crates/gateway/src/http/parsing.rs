use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::chat::request::Parsed;
use crate::error::{ErrorCode, Problem};

use super::Face;
use super::body::HeldBody;

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
pub(super) async fn parse(
    face: &Arc<Face>,
    body: HeldBody,
    call: &Call,
) -> Result<Parsed, Problem> {
    let read = |face: &Face, body: HeldBody| {
        let takes = |skill: &str, name: &str| face.skills.takes(skill, name);
        Parsed::read(&body.bytes, face.chat.settings(), takes)
    };
    if body.bytes.len() <= AT_ONCE_BYTES {
        return read(face, body);
    }
    let Parsing { places, tasks } = &face.parsing;
    let place = timeout_at(call.deadline.instant(), Arc::clone(places).acquire_owned()).await;
    let place = place.map_err(|_| Problem::deadline_exceeded(face.chat.settings().timeout))?;
    let face = Arc::clone(face);
    let reading = tasks.spawn_blocking(move || {
        let _place = place;
        read(&face, body)
    });
    let not_read = |_| Problem::new(ErrorCode::Internal, "The body could not be parsed.");
    reading.await.map_err(not_read)?
}

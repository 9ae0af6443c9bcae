//! A program's output on its way into a result: read on the threads that serve everybody, worked on
//! elsewhere, and by no more than a few at once. So programs that write without end wait for each other,
//! and nobody else waits for them.

use std::sync::Arc;
use std::thread;

use runner::{Block, Lines};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::error::SkillError;
use super::output::Output;

/// Places for those who work on what programs write: half of the processors, and at least one.
pub(super) fn places() -> usize {
    thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1))
}

/// Takes what a program writes, block by block. What [`Intake::read`] has taken is not lost when its
/// future is dropped: [`Intake::finish`] gives the output with all of it.
pub(super) struct Intake<'run> {
    /// None while it is worked on.
    output: Option<Output>,
    /// Read, and not yet worked on.
    block: Option<Block>,
    working: Option<tokio::task::JoinHandle<(Output, bool)>>,
    pub(super) places: &'run Arc<Semaphore>,
    pub(super) tracker: &'run TaskTracker,
}

impl<'run> Intake<'run> {
    pub(super) fn new(
        output: Output,
        places: &'run Arc<Semaphore>,
        tracker: &'run TaskTracker,
    ) -> Self {
        Self {
            output: Some(output),
            block: None,
            working: None,
            places,
            tracker,
        }
    }

    /// Reads until the output ends, or nothing more of it is wanted: true then. Cancel-safe.
    pub(super) async fn read(&mut self, lines: &mut Lines) -> Result<bool, SkillError> {
        loop {
            if !self.work_off().await? {
                return Ok(true);
            }
            let has_lines = self.output.as_ref().is_some_and(Output::has_lines);
            self.block = if has_lines {
                lines.next_block().await
            } else {
                lines.next_piece().await.map(Block::Lines)
            };
            if self.block.is_none() {
                return Ok(false);
            }
        }
    }

    /// The output, with everything that was read.
    pub(super) async fn finish(mut self) -> Result<Output, SkillError> {
        self.work_off().await?;
        self.output.ok_or(SkillError::Lost)
    }

    /// Works on the block that was read, if there is one. Whether more is wanted.
    async fn work_off(&mut self) -> Result<bool, SkillError> {
        if self.block.is_some() {
            let place = Arc::clone(self.places).acquire_owned().await;
            let place = place.map_err(|_| SkillError::Lost)?;
            if let Some(block) = self.block.take() {
                let mut output = self.output.take().ok_or(SkillError::Lost)?;
                self.working = Some(self.tracker.spawn_blocking(move || {
                    let _place = place;
                    let wants_more = output.take(block);
                    (output, wants_more)
                }));
            }
        }
        let Some(working) = &mut self.working else {
            return Ok(true);
        };
        let worked = working.await;
        self.working = None;
        let (output, wants_more) = worked.map_err(|_| SkillError::Lost)?;
        self.output = Some(output);
        Ok(wants_more)
    }
}

//! One run of a skill, from checked values to its redacted result. Dropping the future kills what runs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redact::{Counts, Redactor, Untrusted};
use runner::{Child, ChildHandle, Deadline, Exit, Interrupt, Limits, Line};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codex::TurnAccount;
use super::definition::{Parser, Skill, SkillLimits};
use super::intake::Intake;
use super::output::{BadOutput, End, Finished, Output, Unread};
use super::request::Prepared;
use super::run_directory::RunDirectory;
use super::tests_report;
use super::world::{self, Surroundings, World};
use crate::calls::call::milliseconds;
use crate::error::{ErrorCode, FieldError, Problem};

/// How often the size of what was written to an overlay is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A test run that must end with its call is ended this much earlier, so that it has a result.
const RESULT_MARGIN: Duration = Duration::from_secs(2);

/// Standard error that is longer is not shown: its beginning is lost, and a secret with it half.
const MAX_STDERR_BYTES: u64 = 4096;

/// What a run needs of the gateway.
pub(super) struct Execution<'run> {
    pub(super) surroundings: &'run Surroundings,
    pub(super) redactor: &'run Redactor,
    pub(super) tracker: &'run TaskTracker,
    pub(super) kill_grace: Duration,
    /// Places for copies of workspaces.
    pub(super) copies: &'run Arc<Semaphore>,
    /// Places for work on what programs write.
    pub(super) intake: &'run Arc<Semaphore>,
}

/// Copies of workspaces that are made at once: each keeps the disk busy, and holds descriptors.
pub(super) const MAX_COPIES: usize = 4;

/// A result as a caller gets it, and what its record needs.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) tool_result: Value,
    pub(super) redactions: Counts,
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Of a turn of Codex.
    pub(super) turn: Option<TurnAccount>,
}

/// Why a program was ended before it ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Nothing more of it is wanted.
    Enough,
    /// The skill's own time is over, and what there is is a result.
    TimedOut,
    /// It wrote more files than it may.
    WroteTooMuch,
    /// It printed more than it may.
    PrintedTooMuch,
}

impl Execution<'_> {
    /// `began` is told when the program runs.
    pub(super) async fn run(
        &self,
        prepared: Prepared,
        deadline: Deadline,
        began: impl AsyncFnOnce(),
    ) -> Result<Ended, Problem> {
        let skill = prepared.skill.clone();
        let output = Output::new(
            &prepared,
            self.redactor,
            self.surroundings.search_drops_hidden,
        );
        let mut intake = Intake::new(output, self.intake, self.tracker);
        let is_joined = skill.parser == Some(Parser::Tests);
        let times = Times::of(skill.deadline, deadline, is_joined);
        let making = timeout_at(times.own.instant(), self.world(prepared)).await;
        let world = making.map_err(|_| deadline_exceeded(skill.deadline))??;
        let overlay = world.overlay;
        let start = Instant::now();
        let mut held = self.start(&skill, world, is_joined).await?;
        began().await;
        let handle = held.child.handle.clone();
        let limits = skill.limits;
        let cut = tokio::select! {
            biased;
            is_enough = intake.read(&mut held.child.stdout) => is_enough?.then_some(Cut::Enough),
            () = sleep_until(times.result.instant()) => {
                if !is_joined {
                    return Err(deadline_exceeded(skill.deadline));
                }
                Some(Cut::TimedOut)
            }
            () = wrote_too_much(&handle, overlay, limits) => Some(Cut::WroteTooMuch),
        };
        let exit = if cut.is_some() {
            held.child.handle.shutdown(Interrupt::None).await
        } else {
            // Its output has ended; it need not have.
            tokio::select! {
                exit = held.child.handle.exited() => exit,
                () = sleep_until(times.result.instant()) => {
                    return Err(deadline_exceeded(skill.deadline));
                }
            }
        };
        let cut = cut.or(exit.output_exceeded.then_some(Cut::PrintedTooMuch));
        let stderr = held.child.handle.stderr_tail();
        drop(held);
        let output = intake.finish().await?;
        let ended = Outcome {
            exit,
            cut,
            ok_exit_codes: skill.run.ok_exit_codes().to_vec(),
            duration: start.elapsed(),
            stderr,
        };
        // A document of many megabytes is redacted only now.
        let redactor = self.redactor.clone();
        let place = Arc::clone(self.intake).acquire_owned().await;
        let place = place.map_err(|_| failed())?;
        let shaping = move || {
            let _place = place;
            ended.into_result(output, &redactor)
        };
        let shaped = self.tracker.spawn_blocking(shaping).await;
        shaped.map_err(|_| failed())?
    }

    /// The program, once it runs in its world.
    async fn start(&self, skill: &Skill, world: World, is_joined: bool) -> Result<Held, Problem> {
        let limits = Limits {
            max_line_bytes: Output::max_line_bytes(skill),
            kill_grace: self.kill_grace,
            output: skill.limits.output,
        };
        let spawn = if is_joined {
            runner::spawn_joined
        } else {
            runner::spawn
        };
        let child = spawn(world.spec, limits, None, self.tracker).map_err(|error| {
            tracing::error!(skill = %skill.name, %error, "a skill's program cannot be started");
            failed()
        })?;
        // Held as long as the child may be alive, and removed elsewhere: files take their time.
        let mut held = Held {
            child,
            directory: world.directory,
            tracker: self.tracker.clone(),
        };
        if let Some(bridge) = held.child.bridge.take()
            && let Err(error) = bridge.open().await
        {
            let said = last_line(&mut held.child).await;
            tracing::error!(skill = %skill.name, %error, said, "a skill's sandbox cannot be made");
            return Err(failed());
        }
        Ok(held)
    }

    /// Dropping the future ends a copy that is being made. Its place is taken until it has ended.
    async fn world(&self, prepared: Prepared) -> Result<World, Problem> {
        let surroundings = self.surroundings.clone();
        let name = prepared.skill.name.clone();
        let needs_copy = world::needs_copy(&surroundings, &prepared);
        let place = if needs_copy {
            let place = Arc::clone(self.copies).acquire_owned().await;
            Some(place.map_err(|_| failed())?)
        } else {
            None
        };
        let abandoned = CancellationToken::new();
        let _leaving = abandoned.clone().drop_guard();
        let making = move || {
            let _place = place;
            world::make(&surroundings, prepared, needs_copy, &abandoned)
        };
        let made = self.tracker.spawn_blocking(making).await;
        let made = made.map_err(|_| failed())?;
        made.map_err(|error| {
            if error.is_passing() {
                tracing::warn!(skill = %name, %error, "a skill cannot be run now");
                return workspace_changing();
            }
            tracing::error!(skill = %name, %error, "a skill cannot be run");
            failed()
        })
    }
}

struct Times {
    /// When the skill's own time is over.
    own: Deadline,
    /// Until when there must be a result.
    result: Deadline,
}

impl Times {
    fn of(skill: Duration, call: Deadline, leaves_room: bool) -> Self {
        let own = Deadline::after(skill);
        if !leaves_room {
            return Self { own, result: own };
        }
        let room = call.remaining().saturating_sub(RESULT_MARGIN);
        Self {
            own,
            result: own.min(Deadline::after(room)),
        }
    }
}

/// A child with what of the host is its own.
struct Held {
    child: Child,
    directory: Option<RunDirectory>,
    tracker: TaskTracker,
}

impl Drop for Held {
    /// The directory goes when the child has.
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else {
            return;
        };
        let exited = self.child.handle.exited();
        let tracker = self.tracker.clone();
        self.tracker.spawn(async move {
            exited.await;
            tracker.spawn_blocking(move || drop(directory));
        });
    }
}

/// Of bubblewrap, where it says it on standard output: the program has not run.
async fn last_line(child: &mut Child) -> Option<String> {
    let mut last = None;
    while let Some(line) = child.stdout.next().await {
        if let Line::Text(text) = line {
            last = Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
    last
}

/// Returns when what lies in the overlay is over the limit, or a process shares more memory than it may
/// use at all.
async fn wrote_too_much(child: &ChildHandle, overlay: Option<&Path>, limits: SkillLimits) {
    let shared_limit_bytes = limits.resources.memory_bytes + limits.scratch_bytes;
    let mut ticks = interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let written = overlay.and_then(|place| child.written_bytes(place));
        let is_over = written.is_some_and(|written| written > limits.scratch_bytes);
        if is_over || child.shared_bytes() > shared_limit_bytes {
            return;
        }
    }
}

/// How a program ended.
struct Outcome {
    exit: Exit,
    cut: Option<Cut>,
    ok_exit_codes: Vec<i32>,
    duration: Duration,
    stderr: Vec<u8>,
}

impl Outcome {
    fn end(&self) -> End {
        let is_ok = |code| self.ok_exit_codes.contains(&code);
        match self.cut {
            Some(Cut::Enough) => End::Ok,
            Some(Cut::TimedOut | Cut::WroteTooMuch | Cut::PrintedTooMuch) => End::CutOff,
            None if self.exit.code.is_some_and(is_ok) => End::Ok,
            None => End::Failed,
        }
    }

    fn into_result(self, output: Output, redactor: &Redactor) -> Result<Ended, Problem> {
        let mut end = self.end();
        let mut unread = None;
        if end == End::Failed && output.is_of_many_files() {
            unread = Unread::of(&self.exit, &self.stderr, redactor);
        }
        if unread.is_some() {
            end = End::Ok;
        }
        let is_ok = end == End::Ok;
        let finished = output.finish(end).map_err(bad_output)?;
        let Finished {
            output,
            is_truncated,
            mut redactions,
            exit_code: told_exit_code,
        } = finished;
        // What ended it was the gateway, which is told by other members.
        let (exit_code, signal) = match self.cut {
            Some(_) => (None, None),
            None => (told_exit_code.or(self.exit.code), self.exit.signal),
        };
        let mut tool_result = json!({
            "status": if is_ok { "ok" } else { "failed" },
            "exit_code": exit_code,
            "signal": signal,
            "duration_ms": milliseconds(self.duration),
            "truncated": is_truncated,
            "output": output,
        });
        if let Some(unread) = unread {
            redactions.add(&unread.redactions);
            tool_result["unread"] = unread.told;
        }
        let told = match self.cut {
            Some(Cut::TimedOut) => Some("timed_out"),
            Some(Cut::WroteTooMuch) => Some("scratch_exceeded"),
            Some(Cut::PrintedTooMuch) => Some("output_exceeded"),
            Some(Cut::Enough) | None => None,
        };
        if let Some(told) = told {
            tool_result[told] = true.into();
        }
        if !is_ok && (1..=MAX_STDERR_BYTES).contains(&self.exit.stderr_bytes) {
            let text = String::from_utf8_lossy(&self.stderr).into_owned();
            let redacted = redactor.redact_untrusted(&Untrusted::new(text));
            redactions.add(&redacted.counts());
            tool_result["stderr"] = redacted.text.into();
        }
        Ok(Ended {
            tool_result,
            redactions,
            exit_code,
            signal,
            turn: None,
        })
    }
}

fn bad_output(bad: BadOutput) -> Problem {
    if bad == BadOutput::FilterNotTaken {
        let error = FieldError::new(&["extra", tests_report::FILTER], bad.to_string());
        return Problem::invalid(ErrorCode::InvalidExtra, vec![error], 1);
    }
    Problem::new(ErrorCode::BadToolOutput, bad.to_string())
}

fn failed() -> Problem {
    Problem::new(
        ErrorCode::SkillFailed,
        "The skill's program could not be run on this gateway. Its log says why.",
    )
}

fn workspace_changing() -> Problem {
    Problem::new(
        ErrorCode::WorkspaceChanging,
        "The workspace was being written to each time it was copied. Try again when that is over.",
    )
}

pub(super) fn deadline_exceeded(limit: Duration) -> Problem {
    Problem {
        timeout: Some(limit),
        ..Problem::new(
            ErrorCode::DeadlineExceeded,
            format!(
                "The skill took longer than its {} s and was ended. Ask for less at once.",
                limit.as_secs()
            ),
        )
    }
}

#[cfg(test)]
mod tests;

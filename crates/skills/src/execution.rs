//! One run of a skill, from validated values to its redacted result. Dropping the future kills what runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redact::{Redactor, Untrusted};
use runner::{Child, ChildHandle, Deadline, Exit, Interrupt, Limits, Line};
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::definition::{Parser, Skill, SkillLimits};
use super::error::SkillError;
use super::finished::{BadOutput, End, Finished};
use super::intake::{self, Intake};
use super::invalid_values::{InvalidValue, InvalidValues};
use super::output::{self, Output};
use super::request::{self, ToolRequest, ValidatedCall};
use super::result::{Completed, Status, Stopped, ToolResult};
use super::run_directory::{RUN_DIRECTORIES, RunDirectory};
use super::sandbox_environment::{self, SandboxEnvironment, SandboxedCommand};
use super::tests_report;
use super::workspace::Workspaces;

/// How often the size of what the program has written is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What an unused sandbox takes of its scratch: directories and mount points. So a program that fills one
/// directory meets a full disk, and is not ended.
const UNUSED_SCRATCH_BYTES: u64 = 256 << 10;

/// A test run that must end with its call is ended this much earlier, so that it has a result.
const RESULT_MARGIN: Duration = Duration::from_secs(2);

/// Standard error that is longer is not shown: its beginning is lost, and a secret with it half.
const MAX_STDERR_BYTES: u64 = 4096;

/// Calls whose values are validated in the same moment. It takes a fraction of a millisecond, but where a
/// workspace's disk does not answer.
const MAX_VALIDATING: usize = 8;

/// Copies of workspaces that are made at once: each keeps the disk busy, and holds descriptors.
const MAX_COPIES: usize = 4;

/// Validates calls and runs programs, within its bounds for all of them together. Clones share them.
#[derive(Clone)]
pub struct Executor {
    parts: Arc<ExecutorParts>,
    /// Places for calls whose values are validated.
    validating: Arc<Semaphore>,
    /// Places for copies of workspaces.
    copies: Arc<Semaphore>,
    /// Places for work on what programs write.
    intake: Arc<Semaphore>,
}

/// What an [`Executor`] works with.
pub struct ExecutorParts {
    pub workspaces: Workspaces,
    pub environment: SandboxEnvironment,
    pub redactor: Redactor,
    pub kill_grace: Duration,
    /// Where the tasks of processes run.
    pub tasks: TaskTracker,
}

/// Why a program was ended before it ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Nothing more of it is wanted.
    Enough,
    Stopped(Stopped),
}

impl Executor {
    /// Removes what an earlier process left behind. Blocks on a few directories.
    pub fn new(mut parts: ExecutorParts) -> Self {
        match RUN_DIRECTORIES.remove_left_behind(&parts.environment.runs_dir) {
            Ok(0) => {}
            Ok(removed) => tracing::warn!(removed, "removed what an earlier run's skills left"),
            Err(error) => tracing::warn!(%error, "what an earlier run left cannot be looked for"),
        }
        let plugins = parts.environment.runs_dir.with_file_name("test-plugins");
        match tests_report::install(&plugins) {
            Ok(()) => parts.environment.test_plugins = Some(plugins),
            Err(error) => {
                tracing::warn!(%error, "runs of pytest and of JavaScript are not counted: the plugins that report them cannot be written");
            }
        }
        Self {
            parts: Arc::new(parts),
            validating: Arc::new(Semaphore::new(MAX_VALIDATING)),
            copies: Arc::new(Semaphore::new(MAX_COPIES)),
            intake: Arc::new(Semaphore::new(intake::places())),
        }
    }

    pub fn workspaces(&self) -> &Workspaces {
        &self.parts.workspaces
    }

    pub fn redactor(&self) -> &Redactor {
        &self.parts.redactor
    }

    /// Validates a call. What that may cost is bounded by places of its own.
    pub async fn prepare(
        &self,
        skill: Arc<Skill>,
        request: ToolRequest,
    ) -> Result<ValidatedCall, SkillError> {
        let place = Arc::clone(&self.validating).acquire_owned().await;
        let place = place.map_err(|_| SkillError::Lost)?;
        let parts = Arc::clone(&self.parts);
        let validating = move || {
            let _place = place;
            request::prepare(skill, request, &parts.workspaces)
        };
        let validated = self.parts.tasks.spawn_blocking(validating).await;
        validated.map_err(|_| SkillError::Lost)?
    }

    /// `began` is called when the program runs. Dropping the future kills it.
    pub async fn run(
        &self,
        validated: ValidatedCall,
        deadline: Deadline,
        began: impl AsyncFnOnce(),
    ) -> Result<Completed, SkillError> {
        let skill = validated.skill.clone();
        let output = Output::new(
            &validated,
            &self.parts.redactor,
            self.parts.environment.search_drops_hidden,
        );
        let mut intake = Intake::new(output, &self.intake, &self.parts.tasks);
        let is_joined = skill.parser == Some(Parser::Tests);
        let times = Times::of(skill.deadline, deadline, is_joined);
        let making = timeout_at(times.own.instant(), self.command(validated)).await;
        let command = making.map_err(|_| deadline_exceeded(&skill))??;
        let scratch_paths = command.spec.sandbox.scratch_paths();
        let start = Instant::now();
        let mut held = self.start(&skill, command, is_joined).await?;
        began().await;
        let handle = held.child.handle.clone();
        let limits = skill.limits;
        let cut = tokio::select! {
            biased;
            is_enough = intake.read(&mut held.child.stdout) => is_enough?.then_some(Cut::Enough),
            () = sleep_until(times.result.instant()) => {
                if !is_joined {
                    return Err(deadline_exceeded(&skill));
                }
                Some(Cut::Stopped(Stopped::TimedOut))
            }
            () = wrote_too_much(&handle, &scratch_paths, limits) => Some(Cut::Stopped(Stopped::ScratchExceeded)),
        };
        let exit = if cut.is_some() {
            held.child.handle.shutdown(Interrupt::None).await
        } else {
            // Its output has ended; it need not have.
            tokio::select! {
                exit = held.child.handle.exited() => exit,
                () = sleep_until(times.result.instant()) => {
                    return Err(deadline_exceeded(&skill));
                }
            }
        };
        let cut = cut.or(exit
            .output_exceeded
            .then_some(Cut::Stopped(Stopped::OutputExceeded)));
        let stderr = held.child.handle.stderr_tail();
        drop(held);
        let output = intake.finish().await?;
        let ended = ProgramEnd {
            exit,
            cut,
            ok_exit_codes: skill.run.ok_exit_codes().to_vec(),
            duration: start.elapsed(),
            stderr,
        };
        // A document of many megabytes is redacted only now.
        let redactor = self.parts.redactor.clone();
        let place = Arc::clone(&self.intake).acquire_owned().await;
        let place = place.map_err(|_| SkillError::Lost)?;
        let shaping = move || {
            let _place = place;
            ended.into_result(output, &redactor)
        };
        let shaped = self.parts.tasks.spawn_blocking(shaping).await;
        shaped.map_err(|_| SkillError::Lost)?
    }

    /// The program, once it runs in its sandbox.
    async fn start(
        &self,
        skill: &Skill,
        command: SandboxedCommand,
        is_joined: bool,
    ) -> Result<Held, SkillError> {
        let limits = Limits {
            max_line_bytes: Output::max_line_bytes(skill),
            kill_grace: self.parts.kill_grace,
            output: skill.limits.output,
        };
        let spawn = if is_joined {
            runner::spawn_joined
        } else {
            runner::spawn
        };
        let child = spawn(command.spec, limits, None, &self.parts.tasks).map_err(|error| {
            tracing::error!(skill = %skill.name, %error, "a skill's program cannot be started");
            SkillError::NotRun
        })?;
        // Held as long as the child may be alive, and removed elsewhere: files take their time.
        let mut held = Held {
            child,
            directory: command.directory,
            tracker: self.parts.tasks.clone(),
        };
        if let Some(bridge) = held.child.bridge.take()
            && let Err(error) = bridge.open().await
        {
            let said = last_line(&mut held.child).await;
            tracing::error!(skill = %skill.name, %error, said, "a skill's sandbox cannot be made");
            return Err(SkillError::NotRun);
        }
        Ok(held)
    }

    /// Dropping the future ends a copy that is being made. Its place is taken until it has ended.
    async fn command(&self, validated: ValidatedCall) -> Result<SandboxedCommand, SkillError> {
        let environment = self.parts.environment.clone();
        let name = validated.skill.name.clone();
        let needs_copy = sandbox_environment::needs_copy(&environment, &validated);
        let place = if needs_copy {
            let place = Arc::clone(&self.copies).acquire_owned().await;
            Some(place.map_err(|_| SkillError::Lost)?)
        } else {
            None
        };
        let abandoned = CancellationToken::new();
        let _leaving = abandoned.clone().drop_guard();
        let making = move || {
            let _place = place;
            sandbox_environment::make(&environment, validated, needs_copy, &abandoned)
        };
        let made = self.parts.tasks.spawn_blocking(making).await;
        let made = made.map_err(|_| SkillError::Lost)?;
        made.map_err(|error| {
            if error.is_passing() {
                tracing::warn!(skill = %name, %error, "a skill cannot be run now");
                return SkillError::WorkspaceChanging;
            }
            tracing::error!(skill = %name, %error, "a skill cannot be run");
            SkillError::NotRun
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

/// Returns when the files in all of `scratch_paths` together are over the limit, or a process shares more
/// memory than it may use at all. The kernel limits each path alone.
async fn wrote_too_much(child: &ChildHandle, scratch_paths: &[PathBuf], limits: SkillLimits) {
    let shared_limit_bytes = limits.resources.memory_bytes + limits.scratch_bytes;
    let mut ticks = interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let written = scratch_paths.iter();
        let written: u64 = written.filter_map(|path| child.written_bytes(path)).sum();
        let is_over = written > limits.scratch_bytes + UNUSED_SCRATCH_BYTES;
        if is_over || child.shared_bytes() > shared_limit_bytes {
            return;
        }
    }
}

/// How a program ended.
struct ProgramEnd {
    exit: Exit,
    cut: Option<Cut>,
    ok_exit_codes: Vec<i32>,
    duration: Duration,
    stderr: Vec<u8>,
}

impl ProgramEnd {
    fn end(&self) -> End {
        let is_ok = |code| self.ok_exit_codes.contains(&code);
        match self.cut {
            Some(Cut::Enough) => End::Ok,
            Some(Cut::Stopped(_)) => End::CutOff,
            None if self.exit.code.is_some_and(is_ok) => End::Ok,
            None => End::Failed,
        }
    }

    fn into_result(self, output: Output, redactor: &Redactor) -> Result<Completed, SkillError> {
        let mut end = self.end();
        let unread = match end {
            End::Failed if output.is_of_many_files() => {
                output::unread(&self.exit, &self.stderr, redactor)
            }
            _ => None,
        };
        if unread.is_some() {
            end = End::Ok;
        }
        let is_ok = end == End::Ok;
        let Finished {
            output,
            is_truncated,
            mut redactions,
            exit_code,
        } = output.finish(end).map_err(bad_output)?;
        let status = if is_ok { Status::Ok } else { Status::Failed };
        let mut result = ToolResult::new(status, self.duration, output);
        result.truncated = is_truncated;
        if let Some((unread, replaced)) = unread {
            redactions.add(&replaced);
            result.unread = Some(unread);
        }
        match self.cut {
            Some(Cut::Stopped(stopped)) => result.stopped = Some(stopped),
            Some(Cut::Enough) => {}
            None => {
                result.exit_code = exit_code.or(self.exit.code);
                result.signal = self.exit.signal;
            }
        }
        if !is_ok && (1..=MAX_STDERR_BYTES).contains(&self.exit.stderr_bytes) {
            let text = String::from_utf8_lossy(&self.stderr).into_owned();
            let redacted = redactor.redact_untrusted(&Untrusted::new(text));
            redactions.add(&redacted.counts());
            result.stderr = Some(redacted.text);
        }
        Ok(Completed { result, redactions })
    }
}

fn bad_output(bad: BadOutput) -> SkillError {
    if bad == BadOutput::FilterNotTaken {
        let value = InvalidValue::new(&["extra", tests_report::FILTER], bad.to_string());
        return InvalidValues::from(value).into();
    }
    bad.into()
}

fn deadline_exceeded(skill: &Skill) -> SkillError {
    SkillError::DeadlineExceeded {
        limit: skill.deadline,
    }
}

#[cfg(test)]
mod tests;

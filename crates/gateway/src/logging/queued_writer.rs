use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};

/// Lines that wait for a reader that is slow, with what their place in the queue costs.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
const PLACE_BYTES: usize = 64;

/// How often it is tried to tell of lines that were lost, where no other line comes.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Writes lines from a thread of its own, so that whoever has one never waits for who reads it, and never
/// fails with it. What cannot be queued or written is lost and counted; the count is the next line that
/// goes through.
#[derive(Clone)]
pub(super) struct QueuedWriter {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a line to write.
    queued: Condvar,
    /// All have been written, or lost.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    /// When the line was taken that is written now.
    writing_since: Option<Instant>,
    lost: u64,
    /// Of these, lost since the last line that went through.
    untold: u64,
}

/// Whether what is written gets anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Lines that were lost since the start.
    pub(crate) lost: u64,
    /// Of these, lost since the last line that went through.
    pub(crate) untold: u64,
    /// Lines that wait.
    pub(crate) queued: usize,
    /// How long the line has taken that is written now.
    pub(crate) writing: Duration,
}

impl State {
    fn lose_line(&mut self) {
        self.lost += 1;
        self.untold += 1;
    }
}

/// What the thread does next.
enum Task {
    Write(Vec<u8>),
    TellLosses,
}

impl QueuedWriter {
    /// `tell_losses` makes the line that says how many were lost. The thread ends with the process.
    pub(super) fn start(
        output: impl AsFd,
        tell_losses: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let output = File::from(output.as_fd().try_clone_to_owned()?);
        let shared = Arc::new(Shared::default());
        let thread = WriterThread {
            shared: Arc::clone(&shared),
            output: LineOutput {
                file: output,
                is_torn: false,
            },
            tell_losses,
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Queues a line, with its line break. Never waits.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.shared.state.lock();
        let cost = line.len() + PLACE_BYTES;
        if state.queued_bytes + cost > MAX_QUEUED_BYTES {
            state.lose_line();
        } else {
            state.queued_bytes += cost;
            state.lines.push_back(line);
        }
        drop(state);
        self.shared.queued.notify_one();
    }

    pub(super) fn flow(&self) -> Flow {
        let state = self.shared.state.lock();
        Flow {
            lost: state.lost,
            untold: state.untold,
            queued: state.lines.len(),
            writing: state
                .writing_since
                .map(|since| since.elapsed())
                .unwrap_or_default(),
        }
    }

    /// Waits until everything is written, but not longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state.lock();
        while state.writing_since.is_some() || !state.lines.is_empty() {
            let idle = &self.shared.idle;
            if idle.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }
}

struct WriterThread<T> {
    shared: Arc<Shared>,
    output: LineOutput,
    tell_losses: T,
}

impl<T: Fn(u64) -> Vec<u8>> WriterThread<T> {
    fn run(mut self) {
        loop {
            match self.next() {
                Task::TellLosses => {
                    self.tells_losses();
                }
                Task::Write(line) => {
                    // Lines that were lost come before those that follow them.
                    let is_written = self.tells_losses() && self.output.write_line(&line).is_ok();
                    if !is_written {
                        self.shared.state.lock().lose_line();
                    }
                }
            }
        }
    }

    fn next(&self) -> Task {
        let mut state = self.shared.state.lock();
        state.writing_since = None;
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.queued_bytes -= line.len() + PLACE_BYTES;
                state.writing_since = Some(Instant::now());
                return Task::Write(line);
            }
            self.shared.idle.notify_all();
            if state.untold == 0 {
                self.shared.queued.wait(&mut state);
            } else {
                let queued = &self.shared.queued;
                if queued.wait_for(&mut state, RETRY_INTERVAL).timed_out() {
                    state.writing_since = Some(Instant::now());
                    return Task::TellLosses;
                }
            }
        }
    }

    /// Whether nothing is left to tell.
    fn tells_losses(&mut self) -> bool {
        let untold = self.shared.state.lock().untold;
        if untold == 0 {
            return true;
        }
        let is_told = self.output.write_line(&(self.tell_losses)(untold)).is_ok();
        if is_told {
            self.shared.state.lock().untold -= untold;
        }
        is_told
    }
}

/// Where lines go, each of them whole or ended by the next one.
struct LineOutput {
    file: File,
    /// The last line broke off in the middle.
    is_torn: bool,
}

impl LineOutput {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.write_all(b"\n")?;
            self.is_torn = false;
        }
        self.write_all(line)
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    self.is_torn = !bytes.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever shares the descriptor may have made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

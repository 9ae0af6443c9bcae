//! The streams of an HTTP/2 connection: each is a task, which ends when its connection does, or when its
//! client takes nothing of it.
//!
//! Below TCP's own limit there is one for each stream, which a client can leave at zero while the
//! connection goes on. So a stream has the time limit for writes that a connection has.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

tokio::task_local! {
    /// Of the stream whose task runs.
    static PROGRESS: Cell<Progress>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// How often more of the answer was asked for.
    asked: u64,
    /// The last piece has been given, and no more has been asked for since.
    is_given: bool,
}

/// The server asks for more of an answer when the client can take some.
pub(super) fn more_is_asked_for() {
    change(|progress| Progress {
        asked: progress.asked + 1,
        is_given: false,
    });
}

pub(super) fn more_was_given() {
    change(|progress| Progress {
        is_given: true,
        ..progress
    });
}

/// HTTP/1.1 has no streams.
fn change(next: impl FnOnce(Progress) -> Progress) {
    let _ = PROGRESS.try_with(|progress| progress.set(next(progress.get())));
}

/// Starts the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    tasks: TaskTracker,
    connection: CancellationToken,
    limit: Duration,
}

impl Streams {
    /// They end when `connection` is cancelled.
    pub(super) fn new(tasks: &TaskTracker, connection: CancellationToken, limit: Duration) -> Self {
        Self {
            tasks: tasks.clone(),
            connection,
            limit,
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let stream = Stream {
            task: Box::pin(stream),
            limit: self.limit,
            waiting: None,
        };
        let stream = PROGRESS.scope(Cell::default(), stream);
        let connection = self.connection.clone();
        self.tasks
            .spawn(connection.run_until_cancelled_owned(stream));
    }
}

/// A stream that is dropped, and so reset, when its client takes nothing for the time limit.
struct Stream<F> {
    task: Pin<Box<F>>,
    limit: Duration,
    /// Runs while the client has not taken the last piece.
    waiting: Option<(u64, Pin<Box<Sleep>>)>,
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.task.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Progress { asked, is_given } = PROGRESS.with(Cell::get);
        if !is_given {
            self.waiting = None;
            return Poll::Pending;
        }
        let limit = self.limit;
        let (_, waiting) = match self.waiting.take() {
            Some((since, waiting)) if since == asked => self.waiting.insert((since, waiting)),
            _ => self.waiting.insert((asked, Box::pin(sleep(limit)))),
        };
        waiting.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn run(stream: impl Future<Output = ()> + Send + 'static) {
        let tasks = TaskTracker::new();
        Streams::new(&tasks, CancellationToken::new(), LIMIT).execute(stream);
        tasks.close();
        tasks.wait().await;
    }

    fn give() {
        more_is_asked_for();
        more_was_given();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_loses_its_stream() {
        let begun = Instant::now();
        run(async {
            for _ in 0..3 {
                give();
                sleep(LIMIT / 2).await;
            }
            give();
            pending::<()>().await;
        })
        .await;
        assert_eq!(begun.elapsed(), LIMIT / 2 * 3 + LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_there_yet_is_waited_for() {
        let begun = Instant::now();
        run(async {
            give();
            more_is_asked_for();
            let mut wait = Box::pin(sleep(LIMIT * 10));
            poll_fn(|context| wait.as_mut().poll(context)).await;
        })
        .await;
        assert_eq!(begun.elapsed(), LIMIT * 10);
    }
}

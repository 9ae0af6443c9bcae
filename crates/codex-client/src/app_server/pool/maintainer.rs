//! The pool maintainer: one task that starts, replaces and reaps the pool's processes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::app_server::worker::{Condition, LaunchError, Worker};

use super::{Member, Shared, State};
use crate::settings::PoolLimits;

/// How often age and memory are checked if nothing else happens.
const INSPECTION_INTERVAL: Duration = Duration::from_secs(2);

/// A spare process, except the last one, is stopped after this time without a turn.
const IDLE_LIMIT: Duration = Duration::from_mins(5);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) async fn maintain(pool: Arc<Shared>) {
    let mut changed = pool.config.changed.subscribe();
    let mut measured: Option<Instant> = None;
    loop {
        changed.mark_unchanged();
        if measured.is_none_or(|moment| moment.elapsed() >= INSPECTION_INTERVAL) {
            measured = Some(Instant::now());
            pool.measure_memory();
        }
        pool.reap_ended();
        if pool.closing.is_cancelled() {
            let state = pool.state.lock();
            if state.members.is_empty() && state.starting == 0 {
                return;
            }
        } else {
            pool.retire_expired();
            pool.start_what_is_needed();
        }
        let pause = pool.next_look();
        // After the pause or a change, the loop goes on.
        let _ = timeout(pause, changed.changed()).await;
    }
}

impl Shared {
    /// Reads a file for each process, so it does not hold the lock that every lease needs.
    fn measure_memory(&self) {
        let workers: Vec<_> = {
            let state = self.state.lock();
            let members = state.members.iter();
            members.map(|member| Arc::clone(&member.worker)).collect()
        };
        for worker in workers {
            worker.measure_memory();
        }
    }

    /// Removes processes that have ended, and stops retired ones whose last turn has ended.
    fn reap_ended(&self) {
        let mut state = self.state.lock();
        state.forget_failures_once_proven();
        let (gone, members): (Vec<_>, Vec<_>) = std::mem::take(&mut state.members)
            .into_iter()
            .partition(|member| member.worker.condition() == Condition::Gone);
        state.members = members;
        for member in gone {
            // One that has completed a turn is replaced at once. One that has not may fail again.
            if !member.stopping && member.worker.turns_completed() == 0 {
                state.count_failure("a Codex process ended before its first turn did".to_owned());
                // Waiting calls may have to be refused now.
                self.config.announce();
            }
        }
        for member in &mut state.members {
            let done = member.worker.condition() == Condition::Retiring
                && member.worker.active_turns() == 0;
            if done {
                self.stop(member);
            }
        }
    }

    /// Retires expired processes if another one is ready, and spare ones that have been idle for long.
    fn retire_expired(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        for member in &mut state.members {
            let idle = member.worker.active_turns() == 0;
            member.idle_since = idle.then(|| member.idle_since.unwrap_or(now));
        }
        let ready: Vec<_> = state.ready().collect();
        let fresh = ready
            .iter()
            .filter(|member| !is_expired(&member.worker, &self.limits))
            .count();
        let mut spare = ready.len();
        for member in ready {
            let expired = is_expired(&member.worker, &self.limits) && fresh > 0;
            let idle = member
                .idle_since
                .is_some_and(|since| now - since > IDLE_LIMIT);
            if expired || (idle && spare > 1) {
                spare -= 1;
                member.worker.retire();
            }
        }
    }

    /// Starts one process if calls wait, if few slots are free, or if a ready one has expired.
    fn start_what_is_needed(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.starting > 0
                || state
                    .not_before
                    .is_some_and(|moment| moment > Instant::now())
            {
                return;
            }
            let (expired, fresh): (Vec<_>, Vec<_>) = state
                .ready()
                .partition(|member| is_expired(&member.worker, &self.limits));
            let free: usize = fresh
                .iter()
                .map(|member| self.limits.turns_per_process - member.worker.active_turns())
                .sum();
            let unclaimed = fresh.iter().any(|member| member.tenant.is_none());
            let needed = free < self.limits.turns_per_process.div_ceil(2)
                || (!state.waiting.is_empty() && !unclaimed);
            // An expired process works on while its successor starts, so it does not count.
            let room = fresh.len() < self.limits.max_processes;
            let replace = !expired.is_empty() && fresh.is_empty();
            if !(needed && room || replace) {
                self.make_room(&state);
                return;
            }
            state.starting += 1;
        }
        let pool = Arc::clone(self);
        self.config
            .tracker
            .spawn(async move { pool.launch().await });
    }

    /// If the pool is full and a tenant without a process waits, retires the process of another tenant that
    /// has been idle longest.
    fn make_room(&self, state: &State) {
        // A process of a tenant that waits too is what that tenant waits for.
        let is_another_s = |member: &Member| {
            let owner = member.tenant.as_ref();
            owner.is_some_and(|owner| !state.waiting.contains(owner))
        };
        if state.waiting.is_empty() {
            return;
        }
        let idle = state
            .ready()
            .filter(|member| is_another_s(member) && member.worker.active_turns() == 0)
            .min_by_key(|member| member.idle_since);
        let all_taken = state.ready().count() >= self.limits.max_processes;
        if let (Some(member), true) = (idle, all_taken) {
            member.worker.retire();
        }
    }

    async fn launch(self: Arc<Self>) {
        let begun = Instant::now();
        let outcome = Worker::launch(Arc::clone(&self.config)).await;
        {
            let mut state = self.state.lock();
            state.starting -= 1;
            match outcome {
                Ok(worker) => {
                    tracing::info!(
                        pid = worker.process_id(),
                        duration_ms = begun.elapsed().as_millis(),
                        "codex worker ready"
                    );
                    if self.closing.is_cancelled() {
                        worker.retire();
                    }
                    state.not_before = None;
                    state.last_failure = None;
                    state.members.push(Member::new(worker));
                }
                Err(LaunchError::Closing) => {}
                Err(error) => {
                    let reason = format!("the process was started, but {error}");
                    tracing::error!(%reason, failures = state.failures + 1, "codex worker did not start");
                    state.count_failure(reason);
                }
            }
        }
        self.config.announce();
    }

    fn next_look(&self) -> Duration {
        let state = self.state.lock();
        let pause = state.not_before.map_or(INSPECTION_INTERVAL, |moment| {
            moment.saturating_duration_since(Instant::now())
        });
        pause.clamp(Duration::from_millis(1), INSPECTION_INTERVAL)
    }
}

impl State {
    fn ready(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|member| member.worker.condition() == Condition::Ready)
    }

    /// Resets the count of failures when a process that was launched after the last failure has completed a
    /// turn. An older process proves nothing: the reason may have come after its launch.
    fn forget_failures_once_proven(&mut self) {
        let proven = self.members.iter().any(|member| {
            let is_newer = self
                .failed_at
                .is_none_or(|moment| member.worker.born() > moment);
            is_newer && member.worker.turns_completed() > 0
        });
        if proven {
            self.failures = 0;
            self.last_failure = None;
        }
    }

    /// Each consecutive failure doubles the pause before the next launch.
    fn count_failure(&mut self, reason: String) {
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.failed_at = Some(now);
        self.not_before = Some(now + pause.min(LONGEST_PAUSE));
        self.last_failure = Some(reason);
    }
}

/// Whether a process has reached a limit on turns, age or memory. Memory counts only after its first turn:
/// if the limit is below what a new process needs, each successor would have to be replaced at once.
fn is_expired(worker: &Worker, limits: &PoolLimits) -> bool {
    let is_too_large = || {
        let rss = worker.rss_bytes();
        rss.is_some_and(|bytes| bytes > limits.max_rss_bytes)
    };
    worker.turns_started() >= limits.max_turns
        || worker.age() >= limits.max_age
        || (worker.turns_started() > 0 && is_too_large())
}

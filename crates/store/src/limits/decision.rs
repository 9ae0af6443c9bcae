//! What the limits say, as plain arithmetic on what was read.

use std::time::Duration;

use super::account::{Counters, Held, Period};
use super::{Amount, Limit, LimitState, Limits, Refusal, Subject};

const MINUTE: i64 = 60_000_000;

/// What one subject says to a turn.
pub(super) struct Verdict {
    /// Set if the subject counts requests: when its next one is due after this turn.
    pub(super) arrival_at: Option<i64>,
    pub(super) states: Vec<LimitState>,
    pub(super) violations: Vec<Refusal>,
}

/// One subject with all that its verdict depends on. Times are the database's, in microseconds.
pub(super) struct Question<'a> {
    pub(super) subject: Subject,
    pub(super) limits: &'a Limits,
    pub(super) counters: &'a Counters,
    pub(super) held: Held,
    pub(super) period: &'a Period,
    pub(super) now: i64,
}

impl Question<'_> {
    /// Whether a turn may begin.
    pub(super) fn begin(&self, reserve: Amount) -> Verdict {
        let mut verdict = self.budgets(reserve);
        if let Some(quota) = self.limits.max_concurrent_turns {
            let quota = u64::from(quota);
            let state = self.state(
                Limit::MaxConcurrentTurns,
                quota,
                quota.saturating_sub(self.held.turns + 1),
                None,
            );
            verdict.add(state, self.held.turns < quota, None);
        }
        if let Some(per_minute) = self.limits.requests_per_minute {
            self.rate(per_minute, &mut verdict);
        }
        verdict
    }

    /// Whether a turn that runs may use more.
    pub(super) fn budgets(&self, reserve: Amount) -> Verdict {
        let mut verdict = Verdict {
            arrival_at: None,
            states: Vec::new(),
            violations: Vec::new(),
        };
        let (tokens_today, month) = self.counters.used(self.period);
        let reserved = self.held.reserved;
        let day_left = self.until(self.period.day_ends);
        let month_left = self.until(self.period.month_ends);
        let budgets = [
            (
                Limit::TokensPerDay,
                self.limits.tokens_per_day,
                tokens_today,
                reserved.tokens,
                reserve.tokens,
                day_left,
            ),
            (
                Limit::TokensPerMonth,
                self.limits.tokens_per_month,
                month.tokens,
                reserved.tokens,
                reserve.tokens,
                month_left,
            ),
            (
                Limit::CostMicrosPerMonth,
                self.limits.cost_micros_per_month,
                month.cost_micros,
                reserved.cost_micros,
                reserve.cost_micros,
                month_left,
            ),
        ];
        for (limit, quota, used, reserved, wanted, left) in budgets {
            let Some(quota) = quota else { continue };
            let free = quota.saturating_sub(used.saturating_add(reserved));
            // A budget that is used up refuses even a turn for which nothing is reserved.
            let fits = wanted <= free && free > 0;
            let remaining = if fits { free - wanted } else { free };
            verdict.add(
                self.state(limit, quota, remaining, Some(left)),
                fits,
                Some(left),
            );
        }
        verdict
    }

    /// The generic cell rate algorithm: a request is due one interval after the one before, and may come
    /// early by a burst.
    fn rate(&self, per_minute: u32, verdict: &mut Verdict) {
        let quota = u64::from(self.limits.burst.unwrap_or(per_minute));
        let limit = Limit::RequestsPerMinute;
        let Some(interval) = MINUTE
            .checked_div(i64::from(per_minute))
            .filter(|_| quota > 0)
        else {
            // No request at all is allowed, ever.
            return verdict.add(self.state(limit, quota, 0, None), false, None);
        };
        let interval = interval.max(1);
        let burst = i64::try_from(quota)
            .unwrap_or(i64::MAX)
            .saturating_mul(interval);
        // A limit that was lowered, or a clock that was ahead, must not refuse for longer than a burst takes.
        let due = self
            .counters
            .arrival_at
            .clamp(self.now, self.now.saturating_add(burst));
        let next = due.saturating_add(interval);
        let early = next - self.now - burst;
        let fits = early <= 0;
        let arrival_at = if fits { next } else { due };
        let ahead = arrival_at - self.now;
        let remaining = u64::try_from((burst - ahead) / interval).unwrap_or(0);
        let state = self.state(limit, quota, remaining, Some(microseconds(ahead)));
        verdict.arrival_at = Some(arrival_at);
        verdict.add(state, fits, Some(microseconds(early)));
    }

    fn state(
        &self,
        limit: Limit,
        quota: u64,
        remaining: u64,
        reset_after: Option<Duration>,
    ) -> LimitState {
        LimitState {
            subject: self.subject,
            limit,
            quota,
            remaining,
            reset_after,
        }
    }

    fn until(&self, end: jiff::Timestamp) -> Duration {
        microseconds(end.as_microsecond() - self.now)
    }
}

impl Verdict {
    fn add(&mut self, state: LimitState, fits: bool, retry_after: Option<Duration>) {
        if !fits {
            self.violations.push(Refusal { state, retry_after });
        }
        self.states.push(state);
    }
}

fn microseconds(number: i64) -> Duration {
    Duration::from_micros(u64::try_from(number).unwrap_or(0))
}

//! What a caller is told whose limit is reached.

use std::time::Duration;

use store::{Account, Limit, LimitState, Refusal, Subject};

use crate::error::{ErrorCode, Problem};

pub(super) fn problem(refusal: &Refusal) -> Problem {
    let LimitState {
        subject,
        limit,
        quota,
        remaining,
        ..
    } = refusal.state;
    let whose = match subject {
        Subject::Key => "This key",
        Subject::Team => "This key's team",
        Subject::Tenant => "This key's tenant",
    };
    let (code, what) = match limit {
        Limit::RequestsPerMinute => (ErrorCode::RateLimited, format!("{quota} calls a minute")),
        Limit::MaxConcurrentTurns => (ErrorCode::TooManyTurns, format!("{quota} calls at once")),
        Limit::TokensPerDay => (
            ErrorCode::BudgetExhausted,
            format!("{quota} tokens a day, {remaining} of which are left"),
        ),
        Limit::TokensPerMonth => (
            ErrorCode::BudgetExhausted,
            format!("{quota} tokens a month, {remaining} of which are left"),
        ),
        Limit::CostMicrosPerMonth => (
            ErrorCode::BudgetExhausted,
            "a budget for each month, too little of which is left".to_owned(),
        ),
    };
    let problem = Problem::new(code, format!("{whose} may have {what}."));
    Problem {
        // Whole seconds, and not one too early.
        retry_after: refusal
            .retry_after
            .map(whole_seconds)
            .or(problem.retry_after),
        exceeded: Some(Box::new(refusal.state)),
        ..problem
    }
}

pub(super) fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

pub(super) fn no_price(model: &str) -> Problem {
    Problem::new(
        ErrorCode::BudgetExhausted,
        format!(
            "A budget of money applies, and the gateway has no price for the model {model}: its [[prices]] must name it."
        ),
    )
}

/// Others have taken what was left between two tries.
pub(super) fn contended() -> Problem {
    Problem {
        retry_after: Some(Duration::from_secs(1)),
        ..Problem::new(
            ErrorCode::BudgetExhausted,
            "Other calls are using what is left of a budget. Try again in a second.",
        )
    }
}

pub(super) fn log_shadowed(account: &Account, refusal: &Refusal) {
    tracing::info!(
        tenant = account.tenant,
        team = account.team,
        key_id = account.key,
        subject = ?refusal.state.subject,
        limit = ?refusal.state.limit,
        quota = refusal.state.quota,
        "a call is over a limit that is in shadow"
    );
}

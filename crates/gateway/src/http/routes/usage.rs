//! `GET /usage`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::{AccountLimits, AccountUsage, Consumption, Limits, Subject};

use crate::access::caller::Caller;
use crate::http::problem;
use crate::http::state::AppState;

/// What the caller's key, team and tenant have used, against their limits.
pub(in crate::http) async fn show(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    match state.limits.usage_of(&caller).await {
        Ok((used, limits)) => {
            let subjects = used.iter().map(|used| subject(used, &limits));
            let subjects: Vec<Value> = subjects.collect();
            Json(json!({
                "key_id": caller.key_id,
                "team": caller.team,
                "tenant": caller.tenant,
                "usage": subjects,
            }))
            .into_response()
        }
        Err(refusal) => problem::response(refusal),
    }
}

fn subject(used: &AccountUsage, limits: &AccountLimits) -> Value {
    let limits: &Limits = match used.subject {
        Subject::Key => &limits.key,
        Subject::Team => &limits.team,
        Subject::Tenant => &limits.tenant,
    };
    json!({
        "subject": used.subject,
        "requests_per_minute": { "limit": limits.requests_per_minute },
        "concurrent_turns": { "used": used.concurrent_turns, "limit": limits.max_concurrent_turns },
        "tokens_today": amount(used.tokens_today, limits.tokens_per_day),
        "tokens_this_month": amount(used.tokens_this_month, limits.tokens_per_month),
        "cost_micros_this_month": amount(used.cost_micros_this_month, limits.cost_micros_per_month),
        "day_ends": used.day_ends.to_string(),
        "month_ends": used.month_ends.to_string(),
        "shadow": limits.shadow,
    })
}

fn amount(used: Consumption, limit: Option<u64>) -> Value {
    json!({ "used": used.used, "reserved": used.reserved, "limit": limit })
}

//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): where the caller stands.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use store::{Limit, LimitState, Subject};

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * 60;
/// Of most months; the reset says when this one ends.
const MONTH: u64 = 30 * DAY;

/// Of an admitted call all its limits, of a refused one that which refused it. Limits without a window have
/// no place in these headers.
pub(super) fn add(headers: &mut HeaderMap, states: &[LimitState], exceeded: Option<LimitState>) {
    let states = states.iter().copied().chain(exceeded);
    let (mut policies, mut limits) = (String::new(), String::new());
    for state in states {
        let Some((limit, window)) = windowed(state.limit) else {
            continue;
        };
        let separator = if policies.is_empty() { "" } else { ", " };
        let name = format!("\"{}-{limit}\"", subject(state.subject));
        let LimitState {
            quota, remaining, ..
        } = state;
        // Writing to a String cannot fail.
        let _ = write!(policies, "{separator}{name};q={quota};w={window}");
        let _ = write!(limits, "{separator}{name};r={remaining}");
        if let Some(reset) = state.reset_after {
            let _ = write!(
                limits,
                ";t={}",
                reset.as_secs() + u64::from(reset.subsec_nanos() > 0)
            );
        }
    }
    let fields = [(&RATE_LIMIT_POLICY, policies), (&RATE_LIMIT, limits)];
    for (name, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Key => "key",
        Subject::Team => "team",
        Subject::Tenant => "tenant",
    }
}

fn windowed(limit: Limit) -> Option<(&'static str, u64)> {
    match limit {
        Limit::RequestsPerMinute => Some(("requests", MINUTE)),
        Limit::TokensPerDay => Some(("tokens-day", DAY)),
        Limit::TokensPerMonth => Some(("tokens-month", MONTH)),
        Limit::MaxConcurrentTurns | Limit::CostMicrosPerMonth => None,
    }
}

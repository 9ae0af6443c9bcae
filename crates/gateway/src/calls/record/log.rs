use std::time::Duration;

use super::{Facts, Mode};
use crate::calls::result::milliseconds::milliseconds;
use crate::client_address::ClientAddress;
use crate::error::{ErrorCode, Problem};
use crate::logging::RECORD;

/// Writes a record to the log, in one line.
pub(super) fn report(request_id: &str, client: ClientAddress, duration: Duration, facts: &Facts) {
    let code = facts.code();
    let left = code == Some(ErrorCode::ClientGone);
    if facts.mode.is_some() || (facts.is_call && left) {
        return call(request_id, client, duration, facts);
    }
    let Facts { method, route, .. } = facts;
    let client = client.ip();
    let status = facts.status();
    let duration_ms = milliseconds(duration);
    if let Some(code) = code.map(ErrorCode::as_str) {
        tracing::info!(request_id, %client, %method, route, status, code, duration_ms, "request refused");
    } else {
        tracing::debug!(request_id, %client, %method, route, status, duration_ms, "request answered");
    }
}

fn call(request_id: &str, client: ClientAddress, duration: Duration, facts: &Facts) {
    let problem = facts.problem();
    let detail = problem.and_then(Problem::logged_detail);
    let errors = problem.map(|problem| problem.errors.len());
    tracing::info!(
        target: RECORD,
        request_id,
        client = %client.ip(),
        tenant = facts.tenant,
        key_id = facts.key_id,
        mode = facts.mode.map(Mode::as_str),
        skill = facts.skill,
        workspace = facts.workspace,
        driver = facts.driver,
        model = facts.model,
        status = facts.status(),
        code = facts.code().map(ErrorCode::as_str),
        detail = detail.filter(|detail| !detail.is_empty()),
        errors = errors.filter(|count| *count > 0),
        exit_code = facts.exit_code,
        signal = facts.signal,
        duration_ms = milliseconds(duration),
        admitted = facts.queued.is_some(),
        queued_ms = facts.queued.map(milliseconds),
        first_token_ms = facts.first_token.map(milliseconds),
        message_bytes = facts.message_bytes,
        context_bytes = facts.context_bytes,
        extra_bytes = facts.extra_bytes,
        result_bytes = facts.result_bytes,
        redactions = facts.redactions,
        input_tokens = facts.usage.map(|usage| usage.input_tokens),
        output_tokens = facts.usage.map(|usage| usage.output_tokens),
        "call ended"
    );
}

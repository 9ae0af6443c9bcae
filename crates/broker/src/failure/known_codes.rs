//! The closed set of error codes: what a provider writes comes out as a name of this table, or as `other`.

use super::cause::Cause;

/// What a code of a provider is called that is not in the table.
pub(super) const OTHER: &str = "other";

/// How much a code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It decides.
    Sure,
    /// It is what remains when the message and the other codes say nothing.
    Vague,
}

/// Lower case, because Azure's codes are in camel case.
const KNOWN: &[(&str, Weight, Cause)] = {
    use Cause::{
        ApiVersion, KeyRefused, NoQuota, NoSuchModel, Overloaded, Refused, Region, RequestRefused,
        ServerFailed, TooLong, TooManyRequests,
    };
    use Weight::{Sure, Vague};
    &[
        ("access_denied", Vague, KeyRefused),
        ("account_deactivated", Sure, KeyRefused),
        ("accessdenied", Vague, KeyRefused),
        ("api_key_expired", Sure, KeyRefused),
        ("authentication_error", Sure, KeyRefused),
        ("forbidden", Vague, KeyRefused),
        ("invalid_api_key", Sure, KeyRefused),
        ("invalid_authentication", Sure, KeyRefused),
        ("invalid_organization", Sure, KeyRefused),
        ("invalid_token", Sure, KeyRefused),
        ("ip_not_authorized", Sure, KeyRefused),
        ("mismatched_organization", Sure, KeyRefused),
        ("permission_denied", Vague, KeyRefused),
        ("permission_error", Vague, KeyRefused),
        ("permissiondenied", Vague, KeyRefused),
        ("token_expired", Sure, KeyRefused),
        ("unauthenticated", Sure, KeyRefused),
        ("unauthorized", Sure, KeyRefused),
        ("arrearage", Sure, NoQuota),
        ("billing_error", Sure, NoQuota),
        ("billing_hard_limit_reached", Sure, NoQuota),
        ("billing_not_active", Sure, NoQuota),
        ("budget_exceeded", Sure, NoQuota),
        ("credit_balance_too_low", Sure, NoQuota),
        ("exceeded_current_quota_error", Sure, NoQuota),
        ("insufficient_balance", Sure, NoQuota),
        ("insufficient_credits", Sure, NoQuota),
        ("insufficient_funds", Sure, NoQuota),
        ("insufficient_quota", Sure, NoQuota),
        ("payment_required", Sure, NoQuota),
        ("quota_exceeded", Sure, NoQuota),
        ("quotaexceeded", Sure, NoQuota),
        ("usage_limit_exceeded", Sure, NoQuota),
        ("usage_limit_reached", Sure, NoQuota),
        ("usage_not_included", Sure, NoQuota),
        ("rate_limit_error", Sure, TooManyRequests),
        ("rate_limit_exceeded", Sure, TooManyRequests),
        ("rate_limit_reached", Sure, TooManyRequests),
        ("rate_limited", Sure, TooManyRequests),
        ("ratelimitexceeded", Sure, TooManyRequests),
        ("ratelimitreached", Sure, TooManyRequests),
        ("requests", Sure, TooManyRequests),
        ("resource_exhausted", Vague, TooManyRequests),
        ("slow_down", Sure, TooManyRequests),
        ("throttlingexception", Sure, TooManyRequests),
        ("tokens", Sure, TooManyRequests),
        ("too_many_requests", Sure, TooManyRequests),
        ("toomanyrequests", Sure, TooManyRequests),
        ("deploymentnotfound", Sure, NoSuchModel),
        ("invalid_model", Sure, NoSuchModel),
        ("model_decommissioned", Sure, NoSuchModel),
        ("model_not_available", Sure, NoSuchModel),
        ("model_not_found", Sure, NoSuchModel),
        ("model_not_supported", Sure, NoSuchModel),
        ("modelnotfound", Sure, NoSuchModel),
        ("operationnotsupported", Sure, NoSuchModel),
        ("unknown_model", Sure, NoSuchModel),
        ("unsupported_model", Sure, NoSuchModel),
        ("bad_request", Vague, RequestRefused),
        ("badrequest", Vague, RequestRefused),
        ("badrequesterror", Vague, RequestRefused),
        ("failed_precondition", Vague, RequestRefused),
        ("invalid_argument", Vague, RequestRefused),
        ("invalid_function_parameters", Sure, RequestRefused),
        ("invalid_json_schema", Sure, RequestRefused),
        ("invalid_request", Vague, RequestRefused),
        ("invalid_request_error", Vague, RequestRefused),
        ("invalid_type", Vague, RequestRefused),
        ("invalid_value", Vague, RequestRefused),
        ("missing_required_parameter", Vague, RequestRefused),
        ("unknown_parameter", Sure, RequestRefused),
        ("unsupported_parameter", Sure, RequestRefused),
        ("unsupported_value", Sure, RequestRefused),
        ("array_above_max_length", Sure, TooLong),
        ("context_length_exceeded", Sure, TooLong),
        ("context_window_exceeded", Sure, TooLong),
        ("payload_too_large", Sure, TooLong),
        ("prompt_too_long", Sure, TooLong),
        ("request_too_large", Sure, TooLong),
        ("string_above_max_length", Sure, TooLong),
        ("tokens_limit_reached", Sure, TooLong),
        ("bio_policy", Sure, Refused),
        ("content_filter", Sure, Refused),
        ("content_policy_violation", Sure, Refused),
        ("cyber_policy", Sure, Refused),
        ("cyber_policy_violation", Sure, Refused),
        ("data_inspection_failed", Sure, Refused),
        ("invalid_prompt", Sure, Refused),
        ("moderation_blocked", Sure, Refused),
        ("policy_violation", Sure, Refused),
        ("prohibited_content", Sure, Refused),
        ("responsibleaipolicyviolation", Sure, Refused),
        ("safety", Sure, Refused),
        ("usage_policy_violation", Sure, Refused),
        ("location_not_supported", Sure, Region),
        ("region_not_supported", Sure, Region),
        ("unsupported_country_region_territory", Sure, Region),
        ("unsupported_region", Sure, Region),
        ("api_version_not_supported", Sure, ApiVersion),
        ("invalidapiversionparameter", Sure, ApiVersion),
        ("missingapiversionparameter", Sure, ApiVersion),
        ("unsupported_api_version", Sure, ApiVersion),
        ("unsupportedapiversion", Sure, ApiVersion),
        ("capacity_exceeded", Sure, Overloaded),
        ("engine_overloaded_error", Sure, Overloaded),
        ("model_overloaded", Sure, Overloaded),
        ("overloaded", Sure, Overloaded),
        ("overloaded_error", Sure, Overloaded),
        ("server_is_overloaded", Sure, Overloaded),
        ("service_unavailable", Sure, Overloaded),
        ("serviceunavailable", Sure, Overloaded),
        ("unavailable", Sure, Overloaded),
        ("api_error", Vague, ServerFailed),
        ("bad_gateway", Sure, ServerFailed),
        ("gateway_timeout", Sure, ServerFailed),
        ("internal", Vague, ServerFailed),
        ("internal_error", Sure, ServerFailed),
        ("internal_server_error", Sure, ServerFailed),
        ("internalservererror", Sure, ServerFailed),
        ("server_error", Sure, ServerFailed),
        ("timeout", Sure, ServerFailed),
    ]
};

/// Of a code that is not in the table, what a part of its name gives away. The first that is found counts.
const PARTS: &[(&str, Cause)] = &[
    ("policy", Cause::Refused),
    ("moderation", Cause::Refused),
    ("content_filter", Cause::Refused),
    ("contentfilter", Cause::Refused),
    ("safety", Cause::Refused),
    ("api_version", Cause::ApiVersion),
    ("apiversion", Cause::ApiVersion),
    ("country", Cause::Region),
    ("region", Cause::Region),
    ("rate_limit", Cause::TooManyRequests),
    ("ratelimit", Cause::TooManyRequests),
    ("throttl", Cause::TooManyRequests),
    ("too_many", Cause::TooManyRequests),
    ("quota", Cause::NoQuota),
    ("billing", Cause::NoQuota),
    ("balance", Cause::NoQuota),
    ("credit", Cause::NoQuota),
    ("usage_limit", Cause::NoQuota),
    ("overload", Cause::Overloaded),
    ("unavailable", Cause::Overloaded),
    ("context_length", Cause::TooLong),
    ("too_long", Cause::TooLong),
    ("too_large", Cause::TooLong),
    ("api_key", Cause::KeyRefused),
    ("apikey", Cause::KeyRefused),
    ("authentication", Cause::KeyRefused),
    ("model_not", Cause::NoSuchModel),
    ("modelnot", Cause::NoSuchModel),
    ("deployment", Cause::NoSuchModel),
];

/// What a code means. Only the name of the table's own row comes out, never the provider's characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) name: &'static str,
    pub(super) cause: Option<(Weight, Cause)>,
}

/// Longer than any code; what is longer is text.
const MAX_CODE_BYTES: usize = 64;

pub(super) fn meaning(code: &str) -> Option<Meaning> {
    // The name of every error event.
    if code.is_empty() || code == "error" {
        return None;
    }
    let unknown = Meaning {
        name: OTHER,
        cause: None,
    };
    if code.len() > MAX_CODE_BYTES {
        return Some(unknown);
    }
    let code = code.to_ascii_lowercase().replace(['-', ' '], "_");
    if let Some((name, weight, cause)) = KNOWN.iter().find(|(name, ..)| *name == code) {
        return Some(Meaning {
            name,
            cause: Some((*weight, *cause)),
        });
    }
    let part = PARTS.iter().find(|(part, _)| code.contains(part));
    Some(Meaning {
        cause: part.map(|(_, cause)| (Weight::Sure, *cause)),
        ..unknown
    })
}

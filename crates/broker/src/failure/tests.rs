use std::time::Duration;

use serde_json::{Value, json};

use super::{Cause, ErrorAnswer, Media, ProviderFailure, ProviderFailureClass as Class, Signs};

fn told(status: u16, body: &Value) -> ProviderFailure {
    ProviderFailure::of_answer(&ErrorAnswer {
        status,
        media: Media::Json,
        signs: Signs::read(body),
        retry_after: None,
    })
}

fn error(code: &Value, kind: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "code": code}})
}

/// Each row: status, body, and the cause that a person would name who reads it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row for each answer")]
fn an_answer_in_json_has_one_cause() {
    let none = Value::Null;
    for (status, body, cause) in [
        (
            401,
            error(&json!("invalid_api_key"), "invalid_request_error", ""),
            Cause::KeyRefused,
        ),
        (403, json!({}), Cause::KeyRefused),
        (
            403,
            error(&json!("model_not_found"), "invalid_request_error", ""),
            Cause::NoSuchModel,
        ),
        (
            403,
            error(
                &json!("unsupported_country_region_territory"),
                "request_forbidden",
                "Country, region, or territory not supported",
            ),
            Cause::Region,
        ),
        (
            400,
            json!([{"error": {"code": 400, "status": "FAILED_PRECONDITION", "message": "User location is not supported for the API use."}}]),
            Cause::Region,
        ),
        (402, json!({}), Cause::NoQuota),
        (
            429,
            error(
                &json!("insufficient_quota"),
                "insufficient_quota",
                "You exceeded your current quota",
            ),
            Cause::NoQuota,
        ),
        (
            429,
            error(&json!(429), "insufficient_quota", ""),
            Cause::NoQuota,
        ),
        (
            429,
            error(&json!("429"), "insufficient_quota", ""),
            Cause::NoQuota,
        ),
        (
            429,
            error(&none, "billing_hard_limit_reached", ""),
            Cause::NoQuota,
        ),
        (
            400,
            error(
                &none,
                "invalid_request_error",
                "Your credit balance is too low to access the API.",
            ),
            Cause::NoQuota,
        ),
        (
            400,
            json!({"code": "Arrearage", "message": "Access denied, account not in good standing"}),
            Cause::NoQuota,
        ),
        (
            403,
            error(&json!("insufficient_balance"), "error", ""),
            Cause::NoQuota,
        ),
        (
            429,
            error(
                &json!("quota_exceeded"),
                "error",
                "Quota of 20000 tokens per minute is exceeded",
            ),
            Cause::TooManyRequests,
        ),
        (
            429,
            error(&json!("rate_limit_exceeded"), "tokens", ""),
            Cause::TooManyRequests,
        ),
        (
            429,
            error(&json!(429), "rate_limit_error", ""),
            Cause::TooManyRequests,
        ),
        (
            429,
            json!({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 20 seconds."}),
            Cause::TooManyRequests,
        ),
        (
            429,
            json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota, please check your plan and billing details. Please retry in 20s."}}]),
            Cause::TooManyRequests,
        ),
        (429, Value::Null, Cause::TooManyRequests),
        (
            404,
            error(&json!("DeploymentNotFound"), "", ""),
            Cause::NoSuchModel,
        ),
        (
            404,
            error(
                &none,
                "api_error",
                "model \"llama9\" not found, try pulling it first",
            ),
            Cause::NoSuchModel,
        ),
        (
            404,
            json!({"error": "model 'llama9' not found"}),
            Cause::NoSuchModel,
        ),
        (
            400,
            json!({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}),
            Cause::NoSuchModel,
        ),
        (
            404,
            error(
                &none,
                "invalid_request_error",
                "Invalid URL (POST /v1/v1/responses)",
            ),
            Cause::WrongAddress,
        ),
        (404, json!({"detail": "Not Found"}), Cause::WrongAddress),
        (
            404,
            error(&json!("404"), "", "Resource not found"),
            Cause::WrongAddress,
        ),
        (404, Value::Null, Cause::WrongAddress),
        (
            405,
            json!({"detail": "Method Not Allowed"}),
            Cause::WrongAddress,
        ),
        (302, Value::Null, Cause::WrongAddress),
        (308, Value::Null, Cause::WrongAddress),
        (
            400,
            error(&json!("BadRequest"), "", "API version not supported"),
            Cause::ApiVersion,
        ),
        (
            404,
            error(
                &json!("404"),
                "",
                "Missing required query parameter: api-version",
            ),
            Cause::ApiVersion,
        ),
        (
            400,
            error(
                &json!("context_length_exceeded"),
                "invalid_request_error",
                "",
            ),
            Cause::TooLong,
        ),
        (
            400,
            error(
                &none,
                "invalid_request_error",
                "prompt is too long: 210000 tokens > 200000 maximum",
            ),
            Cause::TooLong,
        ),
        (
            400,
            error(
                &json!(400),
                "BadRequestError",
                "This model's maximum context length is 8192 tokens.",
            ),
            Cause::TooLong,
        ),
        (413, Value::Null, Cause::TooLong),
        (400, error(&json!("content_filter"), "", ""), Cause::Refused),
        (
            400,
            json!({"error": {"code": "BadRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
            Cause::Refused,
        ),
        (
            400,
            error(&json!("invalid_prompt"), "invalid_request_error", ""),
            Cause::Refused,
        ),
        (
            403,
            error(&json!("cyber_policy"), "invalid_request_error", ""),
            Cause::Refused,
        ),
        (
            400,
            error(&json!("a_new_policy_of_2031"), "invalid_request_error", ""),
            Cause::Refused,
        ),
        (
            400,
            error(&json!("unsupported_parameter"), "invalid_request_error", ""),
            Cause::RequestRefused,
        ),
        (
            400,
            error(&none, "invalid_request_error", ""),
            Cause::RequestRefused,
        ),
        (
            422,
            json!({"detail": [{"loc": ["body"], "msg": "field required"}]}),
            Cause::RequestRefused,
        ),
        (407, Value::Null, Cause::ProxyRefused),
        (
            500,
            error(&json!("server_error"), "server_error", ""),
            Cause::ServerFailed,
        ),
        (
            500,
            error(&json!("insufficient_quota"), "error", ""),
            Cause::NoQuota,
        ),
        (503, Value::Null, Cause::Overloaded),
        (
            529,
            error(&none, "overloaded_error", "Overloaded"),
            Cause::Overloaded,
        ),
        (418, Value::Null, Cause::ServerFailed),
        (
            200,
            error(&json!("insufficient_quota"), "insufficient_quota", ""),
            Cause::NoQuota,
        ),
        (200, error(&json!(429), "", ""), Cause::TooManyRequests),
        (200, error(&json!(401), "", ""), Cause::KeyRefused),
        (
            200,
            json!({"object": "response", "output": []}),
            Cause::WrongAddress,
        ),
    ] {
        assert_eq!(told(status, &body).cause, cause, "{status} {body}");
    }
}

#[test]
fn a_page_for_people_is_not_the_providers() {
    for (status, cause) in [
        (200, Cause::WrongAddress),
        (400, Cause::WrongAddress),
        (401, Cause::KeyRefused),
        (403, Cause::Firewall),
        (404, Cause::WrongAddress),
        (405, Cause::WrongAddress),
        (413, Cause::TooLong),
        (429, Cause::TooManyRequests),
        (502, Cause::ServerFailed),
        (503, Cause::Overloaded),
    ] {
        let answer = ErrorAnswer {
            status,
            media: Media::Page,
            ..ErrorAnswer::default()
        };
        assert_eq!(ProviderFailure::of_answer(&answer).cause, cause, "{status}");
    }
}

/// The status decides, unless the text says more.
#[test]
fn a_line_of_text_is_the_providers() {
    for (status, text, cause) in [
        (400, "Bad Request", Cause::RequestRefused),
        (400, "model `x` does not exist", Cause::NoSuchModel),
        (401, "Unauthorized", Cause::KeyRefused),
        (401, "Missing credentials", Cause::KeyRefused),
        (401, "no key, no model: not found", Cause::KeyRefused),
        (402, "Payment Required", Cause::NoQuota),
        (403, "Forbidden", Cause::KeyRefused),
        (403, "Access denied by the firewall", Cause::Firewall),
        (403, "country not supported", Cause::Region),
        (404, "404 page not found", Cause::WrongAddress),
        (404, "model not found", Cause::NoSuchModel),
        (405, "Method Not Allowed", Cause::WrongAddress),
        (407, "Proxy Authentication Required", Cause::ProxyRefused),
        (413, "Payload Too Large", Cause::TooLong),
        (422, "Unprocessable Entity", Cause::RequestRefused),
        (429, "Too Many Requests", Cause::TooManyRequests),
        (429, "You exceeded your quota", Cause::NoQuota),
        (429, "the model is overloaded", Cause::TooManyRequests),
        (413, "over the rate limit of bytes", Cause::TooLong),
        (500, "Internal Server Error", Cause::ServerFailed),
        (502, "error code: 502", Cause::ServerFailed),
        (503, "no healthy upstream", Cause::Overloaded),
    ] {
        let answer = ErrorAnswer {
            status,
            media: Media::Text,
            signs: Signs::of_text(text),
            retry_after: None,
        };
        let found = ProviderFailure::of_answer(&answer).cause;
        assert_eq!(found, cause, "{status} {text}");
    }
}

#[test]
fn a_quota_that_comes_back_is_a_limit_of_the_rate() {
    let body = error(&json!("insufficient_quota"), "insufficient_quota", "");
    let mut answer = ErrorAnswer {
        status: 429,
        media: Media::Json,
        signs: Signs::read(&body),
        retry_after: None,
    };
    assert_eq!(ProviderFailure::of_answer(&answer).class(), Class::Quota);
    answer.retry_after = Some(Duration::from_secs(20));
    let failure = ProviderFailure::of_answer(&answer);
    assert_eq!(failure.class(), Class::Rate);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(20)));
}

#[test]
fn an_event_without_a_status_has_its_cause_too() {
    for (error, cause, code) in [
        (
            json!({"code": "rate_limit_exceeded"}),
            Cause::TooManyRequests,
            Some("rate_limit_exceeded"),
        ),
        (
            json!({"code": 429, "type": "insufficient_quota"}),
            Cause::NoQuota,
            Some("insufficient_quota"),
        ),
        (json!({"code": 429}), Cause::TooManyRequests, None),
        (
            json!({"code": 400, "type": "invalid_request_error"}),
            Cause::RequestRefused,
            Some("invalid_request_error"),
        ),
        (
            json!({"code": null, "type": "rate_limit_error"}),
            Cause::TooManyRequests,
            Some("rate_limit_error"),
        ),
        (
            json!({"code": "invalid_prompt"}),
            Cause::Refused,
            Some("invalid_prompt"),
        ),
        (
            json!({"code": "something_new"}),
            Cause::ServerFailed,
            Some("other"),
        ),
        (json!({}), Cause::ServerFailed, None),
    ] {
        let failure = ProviderFailure::in_stream(&Signs::read(&error));
        assert_eq!((failure.cause, failure.code), (cause, code), "{error}");
    }
}

/// What a provider writes where a code stands is never repeated, however much it looks like one.
#[test]
fn only_names_of_the_table_come_out() {
    for canary in [
        "sk-canary0123456789",
        "canary_quota",
        "canary-policy",
        "the key canary is wrong",
        &"canary".repeat(50),
    ] {
        for body in [
            json!({"error": {"code": canary, "message": canary}}),
            json!({"error": {"type": canary}}),
            json!({"error": canary}),
            json!({"code": canary, "status": canary, "innererror": {"code": canary}}),
            json!([{"error": {"code": {"canary": canary}}}]),
        ] {
            for status in [200, 400, 401, 403, 404, 429, 500] {
                let failure = told(status, &body);
                let shown = format!("{} {failure:?}", failure.detail());
                assert!(!shown.contains("canary"), "{shown}");
            }
        }
    }
    let body = error(&json!("DeploymentNotFound"), "", "");
    assert_eq!(told(404, &body).code, Some("deploymentnotfound"));
}

#[test]
fn detail_says_what_happened_and_what_to_do() {
    let body = error(&json!("invalid_api_key"), "", "");
    assert_eq!(
        told(401, &body).detail(),
        "The model provider refused the gateway's key (HTTP 401, invalid_api_key). Check the \
         provider's key in the gateway's settings, and what the key may use."
    );
}

//! Load shedding: at the limit of requests, only probes are answered.

use axum::extract::{Extension, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;

use crate::error::{ErrorCode, Problem};

use crate::http::problem;
use crate::http::request_info::RequestInfo;

const PROBES: [&str; 2] = ["/livez", "/readyz"];

pub(in crate::http) async fn shed_load(
    Extension(info): Extension<RequestInfo>,
    request: Request,
    next: Next,
) -> Response {
    if !info.is_overloaded {
        return next.run(request).await;
    }
    let mut response = if PROBES.contains(&request.uri().path()) {
        next.run(request).await
    } else {
        let refusal = Problem::new(
            ErrorCode::Overloaded,
            "As many requests are being answered as may be, in all (PORTCULLIS_MAX_CONNECTIONS) or \
             for one address (PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS). Try again later.",
        );
        problem::response(refusal)
    };
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

//! How a request's body is marked off, where the server would take more than is safe.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, TRANSFER_ENCODING};

use crate::error::{ErrorCode, Problem};

use crate::http::problem;

/// Takes `chunked` alone. A connection that has carried chunks is closed after the answer: a proxy that
/// took the body for longer or shorter than we did cannot make the rest of it a request of somebody
/// else's (RFC 9112, section 11.2). The server drops a `Content-Length` beside it unseen.
pub(in crate::http) async fn check_transfer_encoding(request: Request, next: Next) -> Response {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return next.run(request).await;
    };
    let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut response = if is_chunked && codings.next().is_none() {
        next.run(request).await
    } else {
        let refusal = Problem::new(
            ErrorCode::MalformedRequest,
            "Of transfer codings only \"Transfer-Encoding: chunked\" is taken.",
        );
        problem::response(refusal)
    };
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

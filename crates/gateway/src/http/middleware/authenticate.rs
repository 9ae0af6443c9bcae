//! Who calls: asked before anything of a request but its head is read.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::error::{ErrorCode, Problem};
use crate::http::problem;
use crate::http::request_info::RequestInfo;
use crate::http::state::AppState;

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

const BEARER: &str = "bearer";

/// Puts the `Caller` into the request, for its route.
pub(in crate::http) async fn authenticate(
    State(state): State<Arc<AppState>>,
    Extension(info): Extension<RequestInfo>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match credential(request.headers()) {
        Ok(credential) => {
            let authenticating = state.authenticator.authenticate(credential, info.client);
            authenticating.await
        }
        Err(refusal) => Err(refusal),
    };
    match caller {
        Ok(caller) => {
            info.record.called_by(&caller);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => problem::response(refusal),
    }
}

/// What the caller has shown. Two of them are none: one reader might look at the first and another at the
/// second.
fn credential(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let bearers = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim())
    });
    let keys = headers.get_all(&X_API_KEY).iter();
    let mut shown = bearers.chain(keys.map(|value| value.to_str().ok().map(str::trim)));
    let first = shown.next();
    match (first, shown.next()) {
        (None, _) => Ok(None),
        (Some(Some(credential)), None) => Ok(Some(credential)),
        (Some(None), None) => Err(unauthenticated(
            "The Authorization header is not of the form \"Bearer KEY\".",
        )),
        (Some(_), Some(_)) => Err(unauthenticated(
            "There is more than one credential. Send the key once, as \"Authorization: Bearer KEY\" or as \"x-api-key: KEY\".",
        )),
    }
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(ErrorCode::Unauthenticated, detail)
}

//! What is known of a request when its head has been read.

use http::{HeaderMap, HeaderName, Method, Request};
use redact::Redactor;
use uuid::Uuid;

use crate::calls::record::Record;
use crate::client_address::ClientAddress;

pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The path of calls.
pub(super) const CHAT: &str = "/chat";

const MAX_REQUEST_ID_CHARS: usize = 128;

/// Made by the server before anything can await, so that a request has its record whatever comes.
#[derive(Clone, Debug)]
pub(super) struct RequestInfo {
    pub(super) client: ClientAddress,
    /// More requests are being answered than there may be.
    pub(super) is_overloaded: bool,
    pub(super) record: Record,
}

impl RequestInfo {
    pub(super) fn new<B>(
        request: &Request<B>,
        client: ClientAddress,
        is_overloaded: bool,
        redactor: &Redactor,
    ) -> Self {
        let id = request_id(request.headers(), redactor);
        let method = request.method();
        let is_call = method == Method::POST && request.uri().path() == CHAT;
        Self {
            client,
            is_overloaded,
            record: Record::new(id, client, method.to_string(), is_call),
        }
    }

    /// The name of the request in every answer, log line and record.
    pub(super) fn id(&self) -> &str {
        self.record.request_id()
    }
}

/// The caller's own if it is 1–128 visible characters and no secret, else a new UUIDv7: it stands in every
/// line of the log, and goes to where a secret does not.
fn request_id(headers: &HeaderMap, redactor: &Redactor) -> String {
    let given = headers.get(&X_REQUEST_ID);
    let given = given.and_then(|value| value.to_str().ok());
    let usable = given.filter(|id| {
        (1..=MAX_REQUEST_ID_CHARS).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic())
            && redactor.redact(id).findings.is_empty()
    });
    usable.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

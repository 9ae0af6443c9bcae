//! Requests to the process and their replies.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::app_server::protocol::{self, RpcError};

use super::outgoing::NotSent;
use super::{Condition, Worker};

/// A process that does not answer within this time is replaced. A healthy one takes milliseconds.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often, and after which pause, a request to an overloaded process is repeated.
const OVERLOAD_RETRIES: u32 = 3;
const OVERLOAD_PAUSE: Duration = Duration::from_millis(50);

pub(super) type Reply = Result<Box<RawValue>, RpcError>;

#[derive(Debug, Error)]
pub(crate) enum CallError {
    #[error("the process ended")]
    Gone,
    #[error("no reply within {} s", REPLY_TIMEOUT.as_secs())]
    Timeout,
    #[error("JSON-RPC error {}", .0.code)]
    Refused(RpcError),
    #[error("a reply that is not of the protocol")]
    Malformed,
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

impl CallError {
    /// Whether the process refused the request for another reason than overload.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_)) && !self.is_overload()
    }

    pub(crate) fn is_overload(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code == protocol::OVERLOADED)
    }
}

/// Registers a request until it is dropped, so that its reply finds it.
struct Pending<'worker> {
    worker: &'worker Worker,
    id: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.worker.state.lock().pending.remove(&self.id);
    }
}

impl Worker {
    /// Sends a request and returns its reply. Repeats it a few times if the process is overloaded.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        parameters: &Value,
    ) -> Result<T, CallError> {
        self.call_while(|| true, method, parameters).await
    }

    /// The same, but repeats the request only while `is_wanted` returns true.
    pub(super) async fn call_while<T: DeserializeOwned>(
        &self,
        is_wanted: impl Fn() -> bool,
        method: &str,
        parameters: &Value,
    ) -> Result<T, CallError> {
        let mut attempt = 0;
        loop {
            match self.call_once(method, parameters).await {
                Err(error) if error.is_overload() && attempt < OVERLOAD_RETRIES => {
                    attempt += 1;
                    tokio::time::sleep(OVERLOAD_PAUSE * attempt + jitter()).await;
                    if !is_wanted() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
                Ok(reply) => {
                    return serde_json::from_str(reply.get()).map_err(|_| CallError::Malformed);
                }
            }
        }
    }

    async fn call_once(
        &self,
        method: &str,
        parameters: &Value,
    ) -> Result<Box<RawValue>, CallError> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut state = self.state.lock();
            if state.condition == Condition::Gone {
                return Err(CallError::Gone);
            }
            state.last_request += 1;
            let id = state.last_request;
            state.pending.insert(id, sender);
            id
        };
        let _pending = Pending { worker: self, id };
        let exchange = async {
            let line = protocol::request(id, method, parameters);
            self.push(line)?;
            receiver
                .await
                .map_err(|_| CallError::Gone)?
                .map_err(CallError::Refused)
        };
        timeout(REPLY_TIMEOUT, exchange)
            .await
            .unwrap_or(Err(CallError::Timeout))
    }

    /// Sends a request without waiting for its reply.
    pub(super) fn send_request(&self, method: &str, parameters: &Value) {
        let id = {
            let mut state = self.state.lock();
            state.last_request += 1;
            state.last_request
        };
        self.send(protocol::request(id, method, parameters));
    }

    /// Sends a line. A failure means that the process is ending, which its turns learn by other means.
    pub(crate) fn send(&self, line: Vec<u8>) {
        let _ = self.push(line);
    }

    fn push(&self, line: Vec<u8>) -> Result<(), CallError> {
        self.outgoing.push(line).map_err(|error| {
            if error == NotSent::Full {
                self.end_stalled("it sends requests and does not read the replies");
            }
            CallError::Gone
        })
    }
}

/// A random part of the pause, so that requests that were refused together are not repeated together.
fn jitter() -> Duration {
    let random = getrandom::u32().unwrap_or_default();
    OVERLOAD_PAUSE.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

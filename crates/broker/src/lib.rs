//! The broker: the only thing a Codex child can reach.
//!
//! A child holds a throw-away credential and one address on loopback. The broker admits
//! `POST /v1/responses` with a live credential, rebuilds the request from what the turn was granted,
//! sends it with the provider's key to the one configured endpoint, streams the answer back and meters
//! it on the way. It never hands out the key, never passes a header of the child on, never logs or
//! stores content, and keeps the words of a provider's error answer to itself.
//!
//! The straight line: `listener` accepts, `call` admits and answers, `request` rebuilds, one of the `providers`
//! responds, `relay` streams through `meter`; `grants` holds who may.

mod answer;
mod answer_body;
mod body;
mod broker;
mod call;
mod connection;
mod connectivity;
mod document;
mod event_stream;
mod events;
mod failure;
mod finish;
mod grant;
mod grants;
mod listener;
mod memory_budget;
mod meter;
mod open_call;
mod providers;
mod proxies;
mod question;
mod record;
mod refusal;
mod relay;
mod request;
mod settings;
mod start_error;
#[cfg(test)]
mod tests;
mod turn_token;
mod usage;

pub use broker::Broker;
pub use connectivity::{ConnectivityCheck, check_connectivity, probably_meant};
pub use document::{FetchError, fetch_document};
pub use failure::{ProviderFailure, ProviderFailureClass};
pub use finish::Finish;
pub use grant::{Grant, GrantedTool};
pub use proxies::Proxies;
pub use question::{Asked, ask};
pub use settings::{AzureSettings, ConnectionSettings, OpenAiSettings, ProviderSettings};
pub use start_error::BrokerStartError;
pub use turn_token::TurnToken;
pub use usage::Usage;

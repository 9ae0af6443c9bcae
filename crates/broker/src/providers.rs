//! The one configured way out, and the only holder of the provider's key.

mod azure;
mod demo;
mod endpoint;
mod network_error;
mod openai;

use crate::event_stream::EventStream;
use crate::failure::ProviderFailure;
use crate::request::LeanRequest;
use crate::settings::ProviderSettings;
use crate::start_error::BrokerStartError;

pub(crate) use endpoint::{Endpoint, TurnState, is_loopback, parse_url};
pub(crate) use network_error::network_code;

/// Where model calls go.
pub(crate) enum Provider {
    Endpoint(Box<Endpoint>),
    /// The broker answers itself; nothing leaves the machine.
    Demo,
}

impl Provider {
    pub(crate) fn new(settings: &ProviderSettings) -> Result<Self, BrokerStartError> {
        match settings {
            ProviderSettings::OpenAi(settings) => openai::endpoint(settings).map(Self::endpoint),
            ProviderSettings::Azure(settings) => azure::endpoint(settings).map(Self::endpoint),
            ProviderSettings::Demo => Ok(Self::Demo),
        }
    }

    fn endpoint(endpoint: Endpoint) -> Self {
        Self::Endpoint(Box::new(endpoint))
    }

    /// Resolves with the head of a streamed answer. Dropping the future cancels the call.
    pub(crate) async fn respond(
        &self,
        request: &LeanRequest,
        turn: &TurnState,
    ) -> Result<EventStream, ProviderFailure> {
        match self {
            Self::Endpoint(endpoint) => endpoint.respond(request, turn).await,
            Self::Demo => Ok(demo::respond(request)),
        }
    }
}

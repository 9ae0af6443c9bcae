use std::time::{Duration, Instant};

use super::BrokerStartError;
use super::failure::ProviderFailure;
use super::provider::Provider;
use crate::config::ProviderSettings;

/// Longer than any connection takes that people would wait for.
const LIMIT: Duration = Duration::from_secs(5);

/// What became of a request that costs nothing, sent as the broker sends a model call: with its key, its
/// certificates, its proxy.
#[derive(Debug)]
pub struct Reach {
    /// Where it went; `None` for the demo model, which is in this program.
    pub origin: Option<String>,
    pub elapsed: Duration,
    /// The HTTP status, whatever it was.
    pub outcome: Result<u16, ProviderFailure>,
}

/// Asks the provider once. It fails as the start of the broker does.
pub async fn reach(settings: &ProviderSettings) -> Result<Reach, BrokerStartError> {
    let begun = Instant::now();
    let (origin, outcome) = match Provider::new(settings)? {
        Provider::Demo => (None, Ok(200)),
        Provider::Endpoint(endpoint) => {
            let outcome = endpoint.list_models(LIMIT).await;
            (Some(endpoint.origin()), outcome)
        }
    };
    Ok(Reach {
        origin,
        elapsed: begun.elapsed(),
        outcome,
    })
}

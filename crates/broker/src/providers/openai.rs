use http::header::AUTHORIZATION;
use secrecy::ExposeSecret as _;

use crate::settings::OpenAiSettings;
use crate::start_error::BrokerStartError;

use super::endpoint::{Endpoint, key_header, parse_url};

pub(super) fn endpoint(settings: &OpenAiSettings) -> Result<Endpoint, BrokerStartError> {
    let url = parse_url(&format!(
        "{}/responses",
        settings.base_url.trim_end_matches('/')
    ))?;
    let key = settings.api_key.expose_secret();
    // In one piece and of the exact size, so that no half-written copy is left on the heap.
    let mut value = String::with_capacity("Bearer ".len() + key.len());
    value.push_str("Bearer ");
    value.push_str(key);
    let key = (AUTHORIZATION, key_header(value.into())?);
    Endpoint::new(&url, key, &settings.connection)
}

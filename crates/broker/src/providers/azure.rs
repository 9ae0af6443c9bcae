use http::HeaderName;
use url::Url;

use crate::settings::AzureSettings;
use crate::start_error::BrokerStartError;

use super::endpoint::{Endpoint, key_header, parse_url};

pub(super) fn endpoint(settings: &AzureSettings) -> Result<Endpoint, BrokerStartError> {
    let url = azure_url(&settings.endpoint, &settings.api_version)?;
    let name = HeaderName::from_static("api-key");
    let key = (name, key_header(settings.api_key.clone())?);
    Endpoint::new(&url, key, &settings.connection)
}

/// The address of Azure's Responses API.
///
/// A dated version: `/openai/responses?api-version=2025-04-01-preview`. The v1 API, whose versions have
/// no dates: `/openai/v1/responses`, with `api-version=preview` for what is not released and none for
/// what is (<https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>,
/// <https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses>). The deployment is the
/// request's `model` in both.
fn azure_url(endpoint: &str, api_version: &str) -> Result<Url, BrokerStartError> {
    let endpoint = endpoint.trim_end_matches('/');
    match api_version {
        "v1" | "latest" => parse_url(&format!("{endpoint}/openai/v1/responses")),
        version => {
            let path = if version == "preview" {
                "/openai/v1/responses"
            } else {
                "/openai/responses"
            };
            let mut url = parse_url(&format!("{endpoint}{path}"))?;
            url.query_pairs_mut().append_pair("api-version", version);
            Ok(url)
        }
    }
}

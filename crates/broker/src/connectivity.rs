//! What can be found out about a provider before any caller asks: in the way model calls go, with their
//! key, certificates and proxy.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use url::Url;

use super::answer;
use super::failure::{ErrorAnswer, Media, ProviderFailure, Signs};
use super::providers::{Endpoint, Provider};
use super::start_error::BrokerStartError;
use crate::settings::{OpenAiSettings, ProviderSettings};

/// Longer than any connection takes that people would wait for.
const LIMIT: Duration = Duration::from_secs(5);

/// A list of some hundred models, with a description of each, is a megabyte.
const MAX_LIST_BYTES: usize = 8 * 1024 * 1024;

/// What became of a request that costs nothing, for the list of the models.
#[derive(Debug)]
pub struct ConnectivityCheck {
    /// Where it went; `None` for the demo model, which is in this program.
    pub origin: Option<String>,
    pub elapsed: Duration,
    /// The names of the models; none where the list has another form.
    pub outcome: Result<BTreeSet<String>, ProviderFailure>,
}

/// Asks the provider once. It fails as the start of the broker does.
pub async fn check_connectivity(
    settings: &ProviderSettings,
) -> Result<ConnectivityCheck, BrokerStartError> {
    let begun = Instant::now();
    let (origin, outcome) = match Provider::new(settings)? {
        Provider::Demo => (None, Ok(BTreeSet::new())),
        Provider::Endpoint(endpoint) => (Some(endpoint.origin()), list_models(&endpoint).await),
    };
    Ok(ConnectivityCheck {
        origin,
        elapsed: begun.elapsed(),
        outcome,
    })
}

/// Of settings whose address has no list of models, those that were probably meant: on the same host, where
/// there is such a list.
pub async fn probably_meant(settings: &ProviderSettings) -> Option<String> {
    let look = async {
        for (words, neighbour) in neighbours(settings) {
            let Ok(check) = check_connectivity(&neighbour).await else {
                continue;
            };
            if check.outcome.is_ok_and(|models| !models.is_empty()) {
                return Some(words);
            }
        }
        None
    };
    tokio::time::timeout(LIMIT, look).await.ok().flatten()
}

async fn list_models(endpoint: &Endpoint) -> Result<BTreeSet<String>, ProviderFailure> {
    let asked = async {
        let response = endpoint.list_models().await?;
        let status = response.status().as_u16();
        let body = answer::read_whole(response, MAX_LIST_BYTES).await?;
        read_list(status, &body)
    };
    let answered = tokio::time::timeout(LIMIT, asked).await;
    answered.unwrap_or_else(|_| Err(ProviderFailure::network("connect_timeout")))
}

fn read_list(status: u16, body: &[u8]) -> Result<BTreeSet<String>, ProviderFailure> {
    let wrong = |media, signs| {
        Err(ProviderFailure::of_answer(&ErrorAnswer {
            status,
            media,
            signs,
            retry_after: None,
        }))
    };
    let Ok(list @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(body) else {
        return wrong(Media::Unknown, Signs::default());
    };
    let signs = Signs::read(&list);
    if signs.is_error {
        return wrong(Media::Json, signs);
    }
    let models = ["data", "models"].iter().find_map(|name| list.get(name));
    let models = models.unwrap_or(&list).as_array().into_iter().flatten();
    let names = models.filter_map(|model| model.get("id").or(model.get("name"))?.as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Each with the words of the setting that would be another.
fn neighbours(settings: &ProviderSettings) -> Vec<(String, ProviderSettings)> {
    match settings {
        ProviderSettings::OpenAi(settings) => bases(&settings.base_url)
            .into_iter()
            .map(|base_url| {
                let words = format!("OPENAI_BASE_URL={base_url}");
                let settings = OpenAiSettings {
                    base_url,
                    ..settings.clone()
                };
                (words, ProviderSettings::OpenAi(settings))
            })
            .collect(),
        ProviderSettings::Azure(settings) => {
            let mut alone = settings.clone();
            alone.endpoint = origin(&settings.endpoint).unwrap_or_default();
            let mut undated = settings.clone();
            "v1".clone_into(&mut undated.api_version);
            let words = format!("AZURE_OPENAI_ENDPOINT={}", alone.endpoint);
            let version = "AZURE_OPENAI_API_VERSION=v1".to_owned();
            [(words, alone), (version, undated)]
                .into_iter()
                .filter(|(_, other)| {
                    other.endpoint != settings.endpoint || other.api_version != settings.api_version
                })
                .map(|(words, other)| (words, ProviderSettings::Azure(other)))
                .collect()
        }
        ProviderSettings::Demo => Vec::new(),
    }
}

/// Where providers have their API, from what was said.
fn bases(said: &str) -> Vec<String> {
    let origin = origin(said).unwrap_or_default();
    let parent = said.rsplit_once('/').map_or("", |(parent, _)| parent);
    let candidates = [
        format!("{said}/v1"),
        format!("{origin}/v1"),
        format!("{origin}/api/v1"),
        format!("{origin}/openai/v1"),
        parent.to_owned(),
    ];
    let mut bases: Vec<String> = Vec::new();
    for base in candidates {
        if base != said && base.starts_with(&origin) && !bases.contains(&base) {
            bases.push(base);
        }
    }
    bases
}

fn origin(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProviderFailureClass;

    #[test]
    fn a_list_of_models_is_read_in_every_form_and_a_page_is_none() {
        for list in [
            r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#,
            r#"{"models":[{"name":"a"},{"name":"b"}]}"#,
            r#"[{"id":"a"},{"id":"b"}]"#,
        ] {
            let names = read_list(200, list.as_bytes()).unwrap();
            assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        }
        assert!(read_list(200, b"{}").unwrap().is_empty());
        for page in ["<!doctype html><title>Sign in</title>", "", "\"ok\"", "OK"] {
            let failure = read_list(200, page.as_bytes()).unwrap_err();
            assert_eq!(failure.class(), ProviderFailureClass::Address, "{page}");
        }
        let error = br#"{"error":{"code":"invalid_api_key","message":"x"}}"#;
        let failure = read_list(200, error).unwrap_err();
        assert_eq!(failure.class(), ProviderFailureClass::Auth);
    }

    #[test]
    fn neighbours_of_an_address_stay_on_its_host() {
        assert_eq!(
            bases("https://a.example:8443"),
            [
                "https://a.example:8443/v1",
                "https://a.example:8443/api/v1",
                "https://a.example:8443/openai/v1",
            ]
        );
        assert_eq!(
            bases("https://a.example/api/v4/x").last().unwrap(),
            "https://a.example/api/v4"
        );
    }
}

use crate::broker::{ProviderFailure, ProviderFailureClass, Reach, reach};
use crate::config::ProviderSettings;

use super::name::PROVIDER;
use super::report::Check;

/// Whether the provider can be reached in the way model calls go, and takes the key.
pub(super) async fn check(settings: &ProviderSettings) -> Check {
    if matches!(settings, ProviderSettings::Demo) {
        return Check::skipped(PROVIDER, "the demo model is built in");
    }
    match reach(settings).await {
        Ok(reach) => judge(&reach),
        Err(error) => {
            let remedy =
                "Correct the provider's settings: without them the gateway does not start.";
            Check::failed(PROVIDER, error.to_string(), remedy)
        }
    }
}

fn judge(reach: &Reach) -> Check {
    let origin = reach.origin.as_deref().unwrap_or_default();
    let took = format!("{} ms", reach.elapsed.as_millis());
    let status = match &reach.outcome {
        Ok(status) => *status,
        Err(failure) => {
            let detail = format!("{origin} after {took}: {}", failure.what());
            return Check::failed(PROVIDER, detail, failure.advice());
        }
    };
    let answered = format!("{origin} answered in {took}");
    match status {
        200..300 => Check::ok(PROVIDER, format!("{answered} and takes the key")),
        300..400 => Check::warning(
            PROVIDER,
            format!(
                "{answered} with a redirection (HTTP {status}), which the gateway does not follow"
            ),
            "Check the base URL or endpoint: name the address that it leads to.",
        ),
        407 => Check::failed(
            PROVIDER,
            format!("{answered} for its proxy, which wants to know who asks (HTTP 407)"),
            "Put user and password into the proxy's URL, HTTPS_PROXY.",
        ),
        _ => refused(&answered, &ProviderFailure::from_status(status)),
    }
}

/// Where the list of models cannot be had, the provider was reached all the same.
fn refused(answered: &str, failure: &ProviderFailure) -> Check {
    let status = failure.status.unwrap_or_default();
    match failure.class() {
        ProviderFailureClass::Auth => Check::failed(
            PROVIDER,
            format!("{answered}, and refuses the key (HTTP {status})"),
            failure.advice(),
        ),
        ProviderFailureClass::Model
        | ProviderFailureClass::Address
        | ProviderFailureClass::TooLong
        | ProviderFailureClass::Policy
        | ProviderFailureClass::Network => Check::ok(
            PROVIDER,
            format!(
                "{answered}; it has no list of models (HTTP {status}), so the key was not tried"
            ),
        ),
        ProviderFailureClass::Quota | ProviderFailureClass::Rate | ProviderFailureClass::Server => {
            let detail = format!("{answered}: {}", failure.what());
            Check::warning(PROVIDER, detail, failure.advice())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::Status;

    #[test]
    fn every_status_has_its_meaning() {
        for (status, meaning) in [
            (200, Status::Ok),
            (302, Status::Warning),
            (400, Status::Ok),
            (401, Status::Failed),
            (403, Status::Failed),
            (404, Status::Ok),
            (407, Status::Failed),
            (429, Status::Warning),
            (500, Status::Warning),
            (503, Status::Warning),
        ] {
            let check = judge(&Reach {
                origin: Some("https://api.example".to_owned()),
                elapsed: Duration::from_millis(12),
                outcome: Ok(status),
            });
            assert_eq!(check.status, meaning, "{status}: {check:?}");
            assert!(check.detail.starts_with("https://api.example "));
        }
    }
}

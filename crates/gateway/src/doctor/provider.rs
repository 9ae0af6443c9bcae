use std::collections::BTreeSet;

use broker::{
    Asked, BrokerStartError, ConnectivityCheck, ProviderFailure, ProviderFailureClass,
    ProviderSettings, check_connectivity, probably_meant,
};

use crate::config::Settings;

use super::Question;
use super::name::{MODEL_CALL, PROVIDER};
use super::report::Check;

/// Whether the provider can be reached in the way model calls go, takes the key, and, if it is to be asked,
/// answers.
pub(super) async fn check(settings: &Settings, question: Question) -> Vec<Check> {
    let provider = &settings.provider;
    if matches!(provider, ProviderSettings::Demo) {
        let names = match question {
            Question::None => &[PROVIDER][..],
            Question::Tiny => &[PROVIDER, MODEL_CALL],
        };
        let skipped = |name: &&'static str| Check::skipped(name, "the demo model is built in");
        return names.iter().map(skipped).collect();
    }
    let connectivity = match check_connectivity(provider).await {
        Ok(connectivity) => connectivity,
        Err(error) => return vec![unusable(&error)],
    };
    let asked = match question {
        Question::None => None,
        Question::Tiny => match broker::ask(provider).await {
            Ok(asked) => asked,
            Err(error) => return vec![unusable(&error)],
        },
    };
    let answers = asked.as_ref().is_some_and(|asked| asked.outcome.is_ok());
    let reached = if answers && has_no_list(&connectivity) {
        Check::ok(PROVIDER, "it has no list of models, and answers")
    } else {
        let meant = if has_no_list(&connectivity) {
            probably_meant(provider).await
        } else {
            None
        };
        check_models(
            &connectivity,
            &missing_models(settings, &connectivity),
            meant.as_deref(),
        )
    };
    let model = provider.model();
    let asked = asked.map(|asked| check_answer(model, &asked));
    std::iter::once(reached).chain(asked).collect()
}

fn unusable(error: &BrokerStartError) -> Check {
    let remedy = "Correct the provider's settings: without them the gateway does not start.";
    Check::failed(PROVIDER, error.to_string(), remedy)
}

fn has_no_list(connectivity: &ConnectivityCheck) -> bool {
    let failure = connectivity.outcome.as_ref().err();
    failure.is_some_and(|failure| {
        matches!(
            failure.class(),
            ProviderFailureClass::Address
                | ProviderFailureClass::Model
                | ProviderFailureClass::TooLong
        )
    })
}

/// What may be asked for and is not in the list. Azure lists models, not the deployments of them.
fn missing_models(settings: &Settings, connectivity: &ConnectivityCheck) -> Vec<String> {
    let listed = match (&settings.provider, &connectivity.outcome) {
        (ProviderSettings::OpenAi(_), Ok(listed)) if !listed.is_empty() => listed,
        _ => &BTreeSet::new(),
    };
    let allowed = settings.chat.allowed_models.iter();
    let missing = allowed.filter(|model| !listed.is_empty() && !listed.contains(*model));
    missing.cloned().collect()
}

fn check_models(
    connectivity: &ConnectivityCheck,
    missing: &[String],
    meant: Option<&str>,
) -> Check {
    let origin = connectivity.origin.as_deref().unwrap_or_default();
    let took = format!("{} ms", connectivity.elapsed.as_millis());
    let answered = format!("{origin} answered in {took}");
    match &connectivity.outcome {
        Ok(_) if missing.is_empty() => Check::ok(PROVIDER, format!("{answered} and takes the key")),
        Ok(_) => Check::warning(
            PROVIDER,
            format!(
                "{answered} and takes the key, but does not list {}",
                missing.join(", ")
            ),
            "Correct OPENAI_MODEL and CHAT_ALLOWED_MODELS, or let `portcullis doctor --ask` find out whether the model answers.",
        ),
        Err(failure) => {
            if let Some(status) = failure.status {
                return refused(&answered, failure, status, meant);
            }
            let detail = format!("{origin} after {took}: {}", failure.what());
            Check::failed(PROVIDER, detail, failure.advice())
        }
    }
}

fn refused(answered: &str, failure: &ProviderFailure, status: u16, meant: Option<&str>) -> Check {
    let at_another_address = |detail: String, otherwise: &str| {
        let remedy = match meant {
            Some(meant) => format!("It is probably {meant}"),
            None => otherwise.to_owned(),
        };
        Check::failed(PROVIDER, detail, remedy)
    };
    match (failure.class(), status) {
        (_, 200..=299) if failure.class() == ProviderFailureClass::Address => at_another_address(
            format!("{answered} with what is no API's, such as a page to log in (HTTP {status})"),
            "Check the base URL or endpoint: it usually ends in /v1.",
        ),
        (_, 300..=399) => at_another_address(
            format!(
                "{answered} with a redirection (HTTP {status}), which the gateway does not follow"
            ),
            "Check the base URL or endpoint: name the address that it leads to.",
        ),
        (_, 407) => Check::failed(
            PROVIDER,
            format!("{answered} for its proxy, which wants to know who asks (HTTP 407)"),
            failure.advice(),
        ),
        (ProviderFailureClass::Network, 401 | 403) => Check::failed(
            PROVIDER,
            format!(
                "{answered}, and refuses the key, or something on the way does (HTTP {status})"
            ),
            format!("Check the key. {}", failure.advice()),
        ),
        // Many compatible servers have no list, so that this alone says nothing against the address.
        (_, 404 | 405 | 501) if meant.is_none() => Check::warning(
            PROVIDER,
            format!(
                "{answered}, but has no list of models (HTTP {status}), so that nothing shows that it is the API and takes the key"
            ),
            format!(
                "Let `portcullis doctor --ask` find out whether it answers. {}",
                failure.advice()
            ),
        ),
        (ProviderFailureClass::Auth, _) => Check::failed(
            PROVIDER,
            format!("{answered}, and refuses the key (HTTP {status})"),
            failure.advice(),
        ),
        (
            ProviderFailureClass::Address
            | ProviderFailureClass::Model
            | ProviderFailureClass::TooLong,
            _,
        ) => at_another_address(
            format!(
                "{answered}, but has no list of models (HTTP {status}), so that nothing shows that it is the API and takes the key"
            ),
            failure.advice(),
        ),
        (
            ProviderFailureClass::Policy
            | ProviderFailureClass::Network
            | ProviderFailureClass::Quota,
            _,
        ) => Check::failed(
            PROVIDER,
            format!("{answered}: {}", failure.what()),
            failure.advice(),
        ),
        (ProviderFailureClass::Rate | ProviderFailureClass::Server, _) => {
            let detail = format!("{answered}: {}", failure.what());
            Check::warning(PROVIDER, detail, failure.advice())
        }
    }
}

fn check_answer(model: &str, asked: &Asked) -> Check {
    let took = format!("{} ms", asked.elapsed.as_millis());
    match &asked.outcome {
        Ok(usage) => Check::ok(
            MODEL_CALL,
            format!(
                "{model} answered in {took}, for {} tokens",
                usage.input_tokens.saturating_add(usage.output_tokens)
            ),
        ),
        Err(failure) => {
            let class = failure.class().as_str();
            let what = failure.what();
            let detail = format!("{model} did not answer ({class}) after {took}: {what}");
            Check::failed(MODEL_CALL, detail, failure.advice())
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
            (302, Status::Failed),
            (400, Status::Failed),
            (401, Status::Failed),
            (402, Status::Failed),
            (403, Status::Failed),
            (404, Status::Warning),
            (405, Status::Warning),
            (501, Status::Warning),
            (407, Status::Failed),
            (429, Status::Warning),
            (500, Status::Warning),
            (503, Status::Warning),
        ] {
            let connectivity = ConnectivityCheck {
                origin: Some("https://api.example".to_owned()),
                elapsed: Duration::from_millis(12),
                outcome: Err(ProviderFailure::from_status(status)),
            };
            let check = check_models(&connectivity, &[], None);
            assert_eq!(check.status, meaning, "{status}: {check:?}");
            assert!(check.detail.starts_with("https://api.example "));
        }
    }
}

//! What settings must agree on. A setting that was refused is left out of every check: its problem
//! is already reported, and nothing follows from it.

use std::collections::BTreeSet;

use super::address::{host_over_http, is_host_alone};
use super::kind::Value;
use super::layers::Gathered;
use super::origins::{Origin, Origins};
use super::problem::{Problem, Warning};
use super::table::SETTINGS;
use super::text::misspelt_level;
use super::workspace::name_of;

pub(super) fn check(gathered: &mut Gathered) {
    let origins = &gathered.origins;
    if !gathered.file_refused {
        gathered.problems.extend(missing_of_provider(origins));
    }
    gathered.problems.extend(workspaces_disagree(origins));
    let (refused, in_the_clear) = over_http(origins);
    gathered.problems.extend(refused);
    gathered.warnings.extend(in_the_clear);
    let warnings = [
        base_url_has_no_path(origins),
        grace_exceeds_timeout(origins),
        queue_wait_exceeds_timeout(origins),
        pool_is_smaller_than_limit(origins),
        body_is_smaller_than_caps(origins),
        filter_misspells_level(origins),
        skills_are_missing(origins),
    ];
    gathered.warnings.extend(warnings.into_iter().flatten());
}

fn missing_of_provider(origins: &Origins) -> Vec<Problem> {
    match origins.value("provider.kind") {
        Some(Value::Text(kind)) if kind == "openai" => {
            missing(origins, "openai", &["provider.openai.api_key"])
        }
        Some(Value::Text(kind)) if kind == "azure" => {
            let required = [
                "provider.azure.api_key",
                "provider.azure.endpoint",
                "provider.azure.deployment",
                "provider.azure.api_version",
            ];
            missing(origins, "azure", &required)
        }
        _ => Vec::new(),
    }
}

fn missing(origins: &Origins, provider: &str, required: &[&str]) -> Vec<Problem> {
    SETTINGS
        .iter()
        .filter(|setting| required.contains(&setting.path))
        .filter(|setting| matches!(origins.value(setting.path), Some(Value::Unset)))
        .map(|setting| {
            let variable = setting.variable;
            let or_file = match setting.file_variable() {
                Some(file_variable) => format!(" or {file_variable}"),
                None => String::new(),
            };
            let detail = format!(
                "LLM_PROVIDER={provider} needs it: set {variable}{or_file}, or run with --demo"
            );
            Problem::of(setting.path, Origin::NotSet, detail)
        })
        .collect()
}

/// Addresses of a provider that are reached over http: refused, or allowed by name and warned of.
fn over_http(origins: &Origins) -> (Vec<Problem>, Vec<Warning>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let allowed = match origins.value("provider.plain_http_hosts") {
        Some(Value::List(hosts)) => hosts.as_slice(),
        _ => &[],
    };
    for path in ["provider.openai.base_url", "provider.azure.endpoint"] {
        let Some(Value::Text(url)) = origins.value(path) else {
            continue;
        };
        let Some(host) = host_over_http(url) else {
            continue;
        };
        if allowed.contains(&host) {
            let detail = format!(
                "the key and every text travel to {host} in the clear: whoever is on the way can read and change them"
            );
            warnings.push(Warning::of(path, detail));
        } else {
            let origin = origins.origin(path).cloned().unwrap_or(Origin::NotSet);
            let detail = "must be https: over http the key would travel in the clear. For a host on a network of your own, name it in PORTCULLIS_PLAIN_HTTP_HOSTS";
            problems.push(Problem::of(path, origin, detail));
        }
    }
    (problems, warnings)
}

/// Nearly every API has one.
fn base_url_has_no_path(origins: &Origins) -> Option<Warning> {
    let path = "provider.openai.base_url";
    let Some(Value::Text(url)) = origins.value(path) else {
        return None;
    };
    is_host_alone(url).then(|| {
        let detail = format!("has no path; the address is probably {url}/v1");
        Warning::of(path, detail)
    })
}

fn grace_exceeds_timeout(origins: &Origins) -> Option<Warning> {
    let timeout_sec = count(origins, "chat.timeout_sec")?;
    let grace_sec = count(origins, "codex.kill_grace_sec")?;
    (grace_sec >= timeout_sec).then(|| {
        let detail = format!(
            "CODEX_KILL_GRACE_SEC ({grace_sec}) is not less than CODEX_TIMEOUT_SEC \
             ({timeout_sec}): a turn may take longer to end than it was allowed to run"
        );
        Warning::of("codex.kill_grace_sec", detail)
    })
}

fn queue_wait_exceeds_timeout(origins: &Origins) -> Option<Warning> {
    let timeout_sec = count(origins, "chat.timeout_sec")?;
    let wait_sec = count(origins, "limits.queue_wait_sec")?;
    (wait_sec >= timeout_sec).then(|| {
        let detail = format!(
            "PORTCULLIS_QUEUE_WAIT_SEC ({wait_sec}) is not less than CODEX_TIMEOUT_SEC \
             ({timeout_sec}): a call may spend all its time waiting"
        );
        Warning::of("limits.queue_wait_sec", detail)
    })
}

fn pool_is_smaller_than_limit(origins: &Origins) -> Option<Warning> {
    let turns = count(origins, "limits.max_concurrent_turns")?;
    let processes = count(origins, "codex.pool.max_processes")?;
    let per_process = count(origins, "codex.pool.turns_per_process")?;
    let capacity = processes.saturating_mul(per_process);
    (capacity < turns).then(|| {
        let detail = format!(
            "PORTCULLIS_MAX_CONCURRENT_TURNS ({turns}) is more than the pool can run: \
             CODEX_POOL_MAX_PROCESSES × CODEX_POOL_TURNS_PER_PROCESS = {capacity}"
        );
        Warning::of("limits.max_concurrent_turns", detail)
    })
}

/// With a body limit below the caps, plain ASCII already meets 413 where a marked cut was promised.
fn body_is_smaller_than_caps(origins: &Origins) -> Option<Warning> {
    let body_bytes = count(origins, "server.max_body_bytes")?;
    let input_chars = count(origins, "chat.max_input_chars")?;
    let context_chars = count(origins, "chat.max_context_chars")?;
    let needed = input_chars.saturating_add(context_chars);
    (body_bytes < needed).then(|| {
        let detail = format!(
            "PORTCULLIS_MAX_BODY_BYTES ({body_bytes}) is less than CHAT_MAX_INPUT_CHARS + \
             CHAT_MAX_CTX_CHARS ({needed}): long requests are refused before the caps apply"
        );
        Warning::of("server.max_body_bytes", detail)
    })
}

fn filter_misspells_level(origins: &Origins) -> Option<Warning> {
    let Some(Value::Text(filter)) = origins.value("log.filter") else {
        return None;
    };
    let level = misspelt_level(filter)?;
    let detail = format!("a word of it is taken for the name of a module; did you mean {level}?");
    Some(Warning::of("log.filter", detail))
}

/// The default names a directory that need not be there; who names one means it.
fn skills_are_missing(origins: &Origins) -> Option<Warning> {
    let Some(Value::Path(path)) = origins.value("skills.dir") else {
        return None;
    };
    let is_said = origins.origin("skills.dir") != Some(&Origin::Default);
    (is_said && !path.is_dir()).then(|| {
        let detail = "there is no such directory, so there are no skills";
        Warning::of("skills.dir", detail)
    })
}

/// Names that stand twice, and tests of a workspace that there is not.
fn workspaces_disagree(origins: &Origins) -> Vec<Problem> {
    let list = |path| match origins.value(path) {
        Some(Value::List(items)) => items.iter().map(|item| name_of(item)).collect(),
        _ => Vec::new(),
    };
    let workspaces: Vec<&str> = list("skills.workspaces");
    let tests: Vec<&str> = list("skills.workspace_tests");
    let mut problems = Vec::new();
    for (path, names) in [
        ("skills.workspaces", &workspaces),
        ("skills.workspace_tests", &tests),
    ] {
        let mut seen = BTreeSet::new();
        let twice = names.iter().filter(|name| !seen.insert(**name));
        problems.extend(twice.map(|name| {
            let origin = origins.origin(path).cloned().unwrap_or(Origin::NotSet);
            Problem::of(path, origin, format!("{name} stands in it twice"))
        }));
    }
    let path = "skills.workspace_tests";
    let unknown = tests.iter().filter(|name| !workspaces.contains(name));
    problems.extend(unknown.map(|name| {
        let origin = origins.origin(path).cloned().unwrap_or(Origin::NotSet);
        Problem::of(
            path,
            origin,
            format!("{name} is no workspace of skills.workspaces"),
        )
    }));
    problems
}

fn count(origins: &Origins, path: &str) -> Option<u64> {
    match origins.value(path) {
        Some(Value::Count(count)) => Some(*count),
        _ => None,
    }
}

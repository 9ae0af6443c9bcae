//! What settings must agree on. A setting that was refused is left out of every check: its mistake is
//! already reported, and nothing follows from the value that stands in for it.

use std::collections::BTreeSet;

use redact::Redactor;

use super::declaration::Setting;
use super::format::{host_over_http, is_host_alone, misspelt_level, workspace};
use super::layers::Layers;
use super::origin::Origin;
use super::sections::{ProviderKind, Sections, redactor};

/// Reports what does not agree. Gives the redactor of the file of rules, if one is named and good.
pub(super) fn check(sections: &Sections, layers: &mut Layers) -> Option<Redactor> {
    let rules = check_rules(sections, layers);
    if !layers.is_file_refused {
        check_provider_is_complete(sections, layers);
    }
    check_workspaces(sections, layers);
    check_plain_http(sections, layers);
    check_base_url_has_path(sections, layers);
    check_grace(sections, layers);
    check_queue_wait(sections, layers);
    check_pool_size(sections, layers);
    check_body_size(sections, layers);
    check_filter(sections, layers);
    check_skills_exist(sections, layers);
    rules
}

impl Layers {
    /// About the first setting, if none of those that led to it was refused.
    fn warn_of(&mut self, paths: &[&str], detail: impl Into<String>) {
        if !paths.iter().any(|path| self.is_refused(path)) {
            self.diagnostics.warn(paths[0], detail);
        }
    }

    /// About the first setting, if none of those that led to it was refused.
    fn refuse_for(&mut self, paths: &[&str], detail: impl Into<String>) {
        if !paths.iter().any(|path| self.is_refused(path)) {
            let origin = self.origin(paths[0]);
            self.diagnostics.refuse(paths[0], origin, detail);
        }
    }
}

fn check_rules(sections: &Sections, layers: &mut Layers) -> Option<Redactor> {
    let file = sections.redaction.rules_file.as_deref()?;
    match redactor(Some(file)) {
        Ok(redactor) => Some(redactor),
        Err(detail) => {
            if let Some(setting) = Setting::find("redaction.rules_file") {
                let origin = layers.origin(&setting.path);
                layers.refuse(setting, origin, detail);
            }
            None
        }
    }
}

fn check_provider_is_complete(sections: &Sections, layers: &mut Layers) {
    let (openai, azure) = (&sections.provider.openai, &sections.provider.azure);
    let (name, needed) = match sections.provider.kind {
        ProviderKind::OpenAi => (
            "openai",
            vec![("provider.openai.api_key", openai.api_key.is_some())],
        ),
        ProviderKind::Azure => (
            "azure",
            vec![
                ("provider.azure.api_key", azure.api_key.is_some()),
                ("provider.azure.endpoint", azure.endpoint.is_some()),
                ("provider.azure.deployment", azure.deployment.is_some()),
                ("provider.azure.api_version", azure.api_version.is_some()),
            ],
        ),
        ProviderKind::Demo => return,
    };
    for (path, is_set) in needed {
        let is_refused = layers.is_refused(path) || layers.is_refused("provider.kind");
        let Some(setting) = Setting::find(path).filter(|_| !is_set && !is_refused) else {
            continue;
        };
        let variable = &setting.variable;
        let file_variable = setting.file_variable().map(|name| format!(" or {name}"));
        let or_file = file_variable.unwrap_or_default();
        let detail =
            format!("LLM_PROVIDER={name} needs it: set {variable}{or_file}, or run with --demo");
        layers.diagnostics.refuse(path, Origin::NotSet, detail);
    }
}

/// Addresses of a provider that are reached over http: refused, or allowed by name and warned of.
fn check_plain_http(sections: &Sections, layers: &mut Layers) {
    let provider = &sections.provider;
    for (path, url) in [
        ("provider.openai.base_url", Some(&provider.openai.base_url)),
        ("provider.azure.endpoint", provider.azure.endpoint.as_ref()),
    ] {
        let Some(host) = url.and_then(|url| host_over_http(url)) else {
            continue;
        };
        if provider.plain_http_hosts.contains(&host) {
            let detail = format!(
                "the key and every text travel to {host} in the clear: whoever is on the way can read and change them"
            );
            layers.warn_of(&[path], detail);
        } else {
            let detail = "must be https: over http the key would travel in the clear. For a host on a network of your own, name it in PORTCULLIS_PLAIN_HTTP_HOSTS";
            layers.refuse_for(&[path, "provider.plain_http_hosts"], detail);
        }
    }
}

/// Nearly every API has one.
fn check_base_url_has_path(sections: &Sections, layers: &mut Layers) {
    let url = &sections.provider.openai.base_url;
    if is_host_alone(url) {
        let detail = format!("has no path; the address is probably {url}/v1");
        layers.warn_of(&["provider.openai.base_url"], detail);
    }
}

fn check_grace(sections: &Sections, layers: &mut Layers) {
    let timeout_sec = sections.chat.timeout.as_secs();
    let grace_sec = sections.codex.kill_grace.as_secs();
    if grace_sec >= timeout_sec {
        let detail = format!(
            "CODEX_KILL_GRACE_SEC ({grace_sec}) is not less than CODEX_TIMEOUT_SEC \
             ({timeout_sec}): a turn may take longer to end than it was allowed to run"
        );
        layers.warn_of(&["codex.kill_grace_sec", "chat.timeout_sec"], detail);
    }
}

fn check_queue_wait(sections: &Sections, layers: &mut Layers) {
    let timeout_sec = sections.chat.timeout.as_secs();
    let wait_sec = sections.limits.queue_wait.as_secs();
    if wait_sec >= timeout_sec {
        let detail = format!(
            "PORTCULLIS_QUEUE_WAIT_SEC ({wait_sec}) is not less than CODEX_TIMEOUT_SEC \
             ({timeout_sec}): a call may spend all its time waiting"
        );
        layers.warn_of(&["limits.queue_wait_sec", "chat.timeout_sec"], detail);
    }
}

fn check_pool_size(sections: &Sections, layers: &mut Layers) {
    let turns = sections.limits.max_concurrent_turns;
    let pool = &sections.codex.pool;
    let capacity = pool.max_processes.saturating_mul(pool.turns_per_process);
    if capacity < turns {
        let detail = format!(
            "PORTCULLIS_MAX_CONCURRENT_TURNS ({turns}) is more than the pool can run: \
             CODEX_POOL_MAX_PROCESSES × CODEX_POOL_TURNS_PER_PROCESS = {capacity}"
        );
        let paths = [
            "limits.max_concurrent_turns",
            "codex.pool.max_processes",
            "codex.pool.turns_per_process",
        ];
        layers.warn_of(&paths, detail);
    }
}

/// With a body limit below the caps, plain ASCII already meets 413 where a marked cut was promised.
fn check_body_size(sections: &Sections, layers: &mut Layers) {
    let body_bytes = sections.server.max_body_bytes;
    let chat = &sections.chat;
    let needed = chat.max_input_chars.saturating_add(chat.max_context_chars);
    if body_bytes < needed {
        let detail = format!(
            "PORTCULLIS_MAX_BODY_BYTES ({body_bytes}) is less than CHAT_MAX_INPUT_CHARS + \
             CHAT_MAX_CTX_CHARS ({needed}): long requests are refused before the caps apply"
        );
        let paths = [
            "server.max_body_bytes",
            "chat.max_input_chars",
            "chat.max_context_chars",
        ];
        layers.warn_of(&paths, detail);
    }
}

fn check_filter(sections: &Sections, layers: &mut Layers) {
    if let Some(level) = misspelt_level(&sections.log.filter) {
        let detail =
            format!("a word of it is taken for the name of a module; did you mean {level}?");
        layers.warn_of(&["log.filter"], detail);
    }
}

/// The default names a directory that need not be there; who names one means it.
fn check_skills_exist(sections: &Sections, layers: &mut Layers) {
    let is_named = layers.origin("skills.dir") != Origin::Default;
    if is_named && !sections.skills.dir.is_dir() {
        let detail = "there is no such directory, so there are no skills";
        layers.warn_of(&["skills.dir"], detail);
    }
}

/// Names that stand twice, and tests of a workspace that there is not.
fn check_workspaces(sections: &Sections, layers: &mut Layers) {
    let (paths, tests) = ("skills.workspaces", "skills.workspace_tests");
    let name = |text: &'_ String| workspace::split(text).0.to_owned();
    let workspaces: Vec<String> = sections.skills.workspaces.iter().map(name).collect();
    let tested: Vec<String> = sections.skills.workspace_tests.iter().map(name).collect();
    for (path, names) in [(paths, &workspaces), (tests, &tested)] {
        let mut seen = BTreeSet::new();
        for name in names.iter().filter(|name| !seen.insert(*name)) {
            layers.refuse_for(&[path], format!("{name} stands in it twice"));
        }
    }
    for name in tested.iter().filter(|name| !workspaces.contains(name)) {
        let detail = format!("{name} is no workspace of skills.workspaces");
        layers.refuse_for(&[tests, paths], detail);
    }
}

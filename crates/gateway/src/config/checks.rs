//! What settings must agree on. A setting that was refused is left out of every check: its mistake is
//! already reported, and nothing follows from the value that stands in for it.

use std::collections::BTreeSet;

use redact::Redactor;

use crate::tls::{TlsError, TlsFile};

use super::format::{host_over_http, is_host_alone, misspelt_level, workspace};
use super::layers::Layers;
use super::origin::Origin;
use super::sections::{ProviderKind, Sections, TeamTable, TenantTable, redactor};

/// Reports what does not agree. Gives the redactor of the file of rules, if one is named and good.
pub(super) fn check(sections: &Sections, layers: &mut Layers) -> Option<Redactor> {
    if !layers.is_file_refused {
        check_provider_is_complete(sections, layers);
    }
    check_workspaces(sections, layers);
    check_provider_address(sections, layers);
    check_limits(sections, layers);
    check_tls(sections, layers);
    check_jwt(sections, layers);
    check_access(sections, layers);
    let is_public = sections.server.is_public();
    let callers_are_known = sections.access.takes_keys(is_public) || sections.access.takes_tokens();
    check_public_address(sections, callers_are_known, layers);
    if let Some(level) = misspelt_level(&sections.log.filter) {
        let detail =
            format!("a word of it is taken for the name of a module; did you mean {level}?");
        layers.warn_of(&["log.filter"], detail);
    }
    // The default need not be there; a directory that is named is meant.
    if layers.origin("skills.dir") != Origin::Default && !sections.skills.dir.is_dir() {
        let detail = "there is no such directory, so there are no skills";
        layers.warn_of(&["skills.dir"], detail);
    }
    let rules = redactor(Some(sections.redaction.rules_file.as_deref()?));
    rules
        .map_err(|detail| layers.refuse_for(&["redaction.rules_file"], vec![detail]))
        .ok()
}

impl Layers {
    /// About the first setting, unless one of those that led to it was refused.
    fn warn_of(&mut self, paths: &[&str], detail: impl Into<String>) {
        if !paths.iter().any(|path| self.is_refused(path)) {
            self.diagnostics.warn(paths[0], detail);
        }
    }

    /// Refuses the first setting, unless one of those that led to it was refused.
    fn refuse_for(&mut self, paths: &[&str], details: Vec<String>) {
        if !paths.iter().any(|path| self.is_refused(path)) {
            for detail in details {
                self.refuse_winner(paths[0], detail);
            }
        }
    }
}

fn check_provider_is_complete(sections: &Sections, layers: &mut Layers) {
    let (openai, azure) = (&sections.provider.openai, &sections.provider.azure);
    let (name, needed) = match sections.provider.kind {
        ProviderKind::Demo => return,
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
    };
    let settings = layers.origins.settings;
    for (path, is_set) in needed {
        let is_refused = layers.is_refused(path) || layers.is_refused("provider.kind");
        let setting = settings.iter().find(|setting| setting.path == path);
        if let Some(setting) = setting.filter(|_| !is_set && !is_refused) {
            let ways: Vec<String> = [Some(setting.variable.clone()), setting.file_variable()]
                .into_iter()
                .flatten()
                .collect();
            let ways = ways.join(" or ");
            let detail = format!("LLM_PROVIDER={name} needs it: set {ways}, or run with --demo");
            layers.diagnostics.refuse(path, Origin::NotSet, detail);
        }
    }
}

/// Over http only to hosts that are named for it, and then with a warning.
fn check_provider_address(sections: &Sections, layers: &mut Layers) {
    let provider = &sections.provider;
    let base_url = &provider.openai.base_url;
    for (path, url) in [
        ("provider.openai.base_url", Some(base_url)),
        ("provider.azure.endpoint", provider.azure.endpoint.as_ref()),
    ] {
        let paths = [path, "provider.plain_http_hosts"];
        match url.and_then(|url| host_over_http(url)) {
            None => {}
            Some(host) if provider.plain_http_hosts.contains(&host) => layers.warn_of(
                &paths,
                format!(
                    "the key and every text travel to {host} in the clear: anyone on the way \
                     can read and change them"
                ),
            ),
            Some(_) => {
                let detail = "must be https: over http the key would travel in the clear. For a host \
                              on a network of your own, name it in PORTCULLIS_PLAIN_HTTP_HOSTS";
                layers.refuse_for(&paths, vec![detail.to_owned()]);
            }
        }
    }
    // Nearly every API has one.
    if is_host_alone(base_url) {
        let detail = format!("has no path; the address is probably {base_url}/v1");
        layers.warn_of(&["provider.openai.base_url"], detail);
    }
}

fn check_limits(sections: &Sections, layers: &mut Layers) {
    let (chat, codex) = (&sections.chat, &sections.codex);
    let timeout_sec = chat.timeout.as_secs();
    let grace_sec = codex.kill_grace.as_secs();
    if grace_sec >= timeout_sec {
        let detail = format!(
            "CODEX_KILL_GRACE_SEC ({grace_sec}) is not less than CODEX_TIMEOUT_SEC \
             ({timeout_sec}): a turn may take longer to end than it was allowed to run"
        );
        layers.warn_of(&["codex.kill_grace_sec", "chat.timeout_sec"], detail);
    }
    let wait_sec = sections.limits.queue_wait.as_secs();
    if wait_sec >= timeout_sec {
        let detail = format!(
            "PORTCULLIS_QUEUE_WAIT_SEC ({wait_sec}) is not less than CODEX_TIMEOUT_SEC \
             ({timeout_sec}): a call may spend all its time waiting"
        );
        layers.warn_of(&["limits.queue_wait_sec", "chat.timeout_sec"], detail);
    }
    let turns = sections.limits.max_concurrent_turns;
    let (processes, per_process) = (codex.pool.max_processes, codex.pool.turns_per_process);
    let capacity = processes.saturating_mul(per_process);
    if capacity < turns {
        let detail = format!(
            "PORTCULLIS_MAX_CONCURRENT_TURNS ({turns}) is more than the pool can run: \
             CODEX_POOL_MAX_PROCESSES × CODEX_POOL_TURNS_PER_PROCESS = {capacity}"
        );
        let pool = ["codex.pool.max_processes", "codex.pool.turns_per_process"];
        layers.warn_of(&["limits.max_concurrent_turns", pool[0], pool[1]], detail);
    }
    // Plain ASCII would meet 413 where a marked cut was promised.
    let body_bytes = sections.server.max_body_bytes;
    let capped = chat.max_input_chars.saturating_add(chat.max_context_chars);
    if body_bytes < capped {
        let detail = format!(
            "PORTCULLIS_MAX_BODY_BYTES ({body_bytes}) is less than CHAT_MAX_INPUT_CHARS + \
             CHAT_MAX_CTX_CHARS ({capped}): long requests are refused before the caps apply"
        );
        let caps = ["chat.max_input_chars", "chat.max_context_chars"];
        layers.warn_of(&["server.max_body_bytes", caps[0], caps[1]], detail);
    }
}

/// The files are there, can be used, and fit together.
fn check_tls(sections: &Sections, layers: &mut Layers) {
    const PATHS: [&str; 3] = ["tls.cert_file", "tls.key_file", "tls.client_ca_file"];
    let [certificate, key, client_ca] = PATHS;
    let tls = &sections.tls;
    match (&tls.cert_file, &tls.key_file) {
        (None, None) if tls.client_ca_file.is_some() => {
            let detail = "needs TLS: set PORTCULLIS_TLS_CERT_FILE and PORTCULLIS_TLS_KEY_FILE too";
            layers.refuse_for(&[client_ca, certificate, key], vec![detail.to_owned()]);
        }
        (Some(_), None) => {
            let detail = "needs its key: set PORTCULLIS_TLS_KEY_FILE too";
            layers.refuse_for(&[certificate, key], vec![detail.to_owned()]);
        }
        (None, Some(_)) => {
            let detail = "needs its certificate: set PORTCULLIS_TLS_CERT_FILE too";
            layers.refuse_for(&[key, certificate], vec![detail.to_owned()]);
        }
        _ => {}
    }
    let Some(files) = tls.files() else { return };
    match files.load() {
        Ok(loaded) => {
            if let Some(notice) = loaded.validity.notice() {
                layers.warn_of(&PATHS, notice);
            }
            if loaded.key_is_open {
                layers.warn_of(&[key], "the file can be read by others: chmod 600 it");
            }
        }
        Err(TlsError { file, detail }) => {
            let path = match file {
                TlsFile::Certificate => certificate,
                TlsFile::Key => key,
                TlsFile::ClientCa => client_ca,
            };
            layers.refuse_for(&[path, certificate, key, client_ca], vec![detail]);
        }
    }
    if sections.server.h2c {
        let detail = "has no effect: with TLS, HTTP/2 is offered in the handshake";
        layers.warn_of(&["server.h2c", certificate], detail);
    }
}

/// A public address needs callers who are known, and a way that nobody can listen to.
pub(super) fn check_public_address(
    sections: &Sections,
    callers_are_known: bool,
    layers: &mut Layers,
) {
    const BIND: &str = "server.bind";
    let server = &sections.server;
    if !server.is_public() {
        return;
    }
    if !callers_are_known {
        let detail = "is not a loopback address, and callers are not asked who they are, so anyone who \
                      reaches it could use it: set PORTCULLIS_AUTH to keys or jwt, or bind 127.0.0.1";
        layers.refuse_for(&[BIND, "access.auth"], vec![detail.to_owned()]);
    } else if sections.tls.files().is_none() && server.trusted_proxies.is_empty() {
        let detail = "is not a loopback address, so what callers send and get could be read on the way: \
                      set PORTCULLIS_TLS_CERT_FILE and PORTCULLIS_TLS_KEY_FILE, or name the networks of \
                      the proxies that have TLS in PORTCULLIS_TRUST_PROXY";
        let paths = [
            BIND,
            "tls.cert_file",
            "tls.key_file",
            "server.trusted_proxies",
        ];
        layers.refuse_for(&paths, vec![detail.to_owned()]);
    }
    if server.allowed_hosts.is_empty() {
        let detail = "is empty, so only requests for localhost are answered: name the hosts that callers \
                      ask for";
        layers.warn_of(&["server.allowed_hosts", BIND], detail);
    }
}

/// Whoever is to be asked for a token needs an issuer; limits and prices stand once, and fit together.
fn check_access(sections: &Sections, layers: &mut Layers) {
    if sections.access.takes_tokens() && sections.jwt.issuer.is_none() {
        let detail = "needs the issuer of the tokens: set PORTCULLIS_JWT_ISSUER";
        layers.refuse_for(&["access.auth", "jwt.issuer"], vec![detail.to_owned()]);
    }
    if let Err(error) = sections.database.location(&sections.server.data_dir) {
        layers.refuse_for(&["database.url"], vec![error.to_string()]);
    }
    let tenants = sections.tenants.iter().map(|table| table.name.clone());
    let teams = sections.teams.iter();
    let teams = teams.map(|table| format!("{}/{}", table.tenant, table.name));
    let models = sections.prices.iter().map(|table| table.model.clone());
    check_once("tenants", tenants, layers);
    check_once("teams", teams, layers);
    check_once("prices", models, layers);
    let limits_cost = sections.tenants.iter().any(TenantTable::limits_cost)
        || sections.teams.iter().any(TeamTable::limits_cost);
    if limits_cost && sections.prices.is_empty() {
        let detail =
            "cost_per_month is limited, and there are no prices: every call would be refused";
        layers
            .diagnostics
            .refuse_unknown(Origin::NotSet, format!("prices: {detail}"));
    }
}

fn check_once(path: &str, names: impl Iterator<Item = String>, layers: &mut Layers) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name.clone()) {
            let origin = layers.origin(&format!("{path}.{index}"));
            let detail = format!("{name} stands twice in [[{path}]]");
            layers.diagnostics.refuse_unknown(origin, detail);
        }
    }
}

fn check_jwt(sections: &Sections, layers: &mut Layers) {
    const ISSUER: &str = "jwt.issuer";
    let (url, file) = ("jwt.jwks_url", "jwt.jwks_file");
    let jwt = &sections.jwt;
    if jwt.issuer.is_some() && jwt.audience.is_empty() {
        let detail = "needs an audience (PORTCULLIS_JWT_AUDIENCE): without one, a token that was made for \
                      another service would be taken";
        layers.refuse_for(&[ISSUER, "jwt.audience"], vec![detail.to_owned()]);
    }
    if jwt.jwks_url.is_some() && jwt.jwks_file.is_some() {
        let detail = format!("cannot stand beside {file}: keys come from one place");
        layers.refuse_for(&[url, file], vec![detail]);
    }
    for (path, is_set) in [
        (url, jwt.jwks_url.is_some()),
        (file, jwt.jwks_file.is_some()),
        ("jwt.audience", !jwt.audience.is_empty()),
    ] {
        if is_set && jwt.issuer.is_none() {
            let detail = "needs the issuer (PORTCULLIS_JWT_ISSUER)";
            layers.refuse_for(&[path, ISSUER], vec![detail.to_owned()]);
        }
    }
}

/// Names that stand twice, and tests of a workspace that there is not.
fn check_workspaces(sections: &Sections, layers: &mut Layers) {
    let (workspaces, tests) = ("skills.workspaces", "skills.workspace_tests");
    let skills = &sections.skills;
    for (path, texts) in [
        (workspaces, &skills.workspaces),
        (tests, &skills.workspace_tests),
    ] {
        let mut seen = BTreeSet::new();
        let names = texts.iter().map(|text| workspace::split(text).0);
        let twice = names.filter(|name| !seen.insert(*name));
        let details = twice.map(|name| format!("{name} stands in it twice"));
        layers.refuse_for(&[path], details.collect());
    }
    let names = skills
        .workspaces
        .iter()
        .map(|text| workspace::split(text).0);
    let known: BTreeSet<&str> = names.collect();
    let tested = skills.workspace_tests.iter();
    let unknown = tested
        .map(|text| workspace::split(text).0)
        .filter(|name| !known.contains(name));
    let details = unknown.map(|name| format!("{name} is no workspace of skills.workspaces"));
    layers.refuse_for(&[tests, workspaces], details.collect());
}

//! The layer of the environment, and the names in it that are no settings.

use std::ffi::OsStr;

use super::declaration::Setting;
use super::environment::Environment;
use super::layers::Layers;
use super::nearest::nearest;
use super::origin::Origin;

/// Names the file of settings; not a setting itself.
pub(super) const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Variables of the design that later versions read. They are refused: to ignore them would give false
/// safety.
pub(super) const LATER_VARIABLES: [&str; 2] = ["PORTCULLIS_ADMIN_BIND", "PORTCULLIS_JOB_TTL_SEC"];

/// A variable that begins like this is meant for the gateway, or a slip. All others (`CODEX_HOME`,
/// `OPENAI_ORG_ID`, …) may belong to other programs.
pub(super) const OWN_PREFIXES: [&str; 7] = [
    "PORTCULLIS_",
    "CODEX_POOL_",
    "CODEX_LIMIT_",
    "CODEX_SANDBOX_",
    "CODEX_CHAT_",
    "CHAT_MAX_",
    "CHAT_ALLOWED_",
];

/// Prefixes that the gateway shares with other programs. A name that is nearly a setting is refused, any
/// other is left alone.
const SHARED_PREFIXES: [&str; 2] = ["CODEX_", "CHAT_"];

/// Variables of the Codex CLI that look like slips of ours.
const CLI_VARIABLES: [&str; 1] = ["CODEX_SANDBOX"];

pub(super) fn read(environment: &Environment, layers: &mut Layers) {
    let mut known = vec![CONFIG_VARIABLE.to_owned()];
    for setting in layers.origins.settings {
        if !setting.variable.is_empty() {
            read_setting(environment, setting, layers);
            known.push(setting.variable.clone());
            known.extend(setting.file_variable());
        }
    }
    for (name, value) in environment.iter() {
        if !known.iter().any(|known| known == name) {
            check_unknown(name, value, &known, layers);
        }
    }
}

pub(super) fn as_text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "is not UTF-8 text".to_owned())
}

fn read_setting(environment: &Environment, setting: &'static Setting, layers: &mut Layers) {
    let Setting { path, variable, .. } = setting;
    let file_variable = setting.file_variable().unwrap_or_default();
    let origin = |name: &str| Origin::Variable(name.to_owned());
    match (environment.get(variable), environment.get(&file_variable)) {
        (None, None) => {}
        (Some(_), Some(_)) => {
            let detail = format!("both {variable} and {file_variable} are set: unset one of them");
            layers.refuse(setting, path, origin(variable), detail);
        }
        (None, Some(file)) => {
            layers.take_secret_file(setting, path, origin(&file_variable), as_text(file));
        }
        (Some(value), None) => {
            let read = as_text(value).and_then(|text| {
                // A blank in a secret is a mistake to be reported.
                let text = if setting.is_secret { text } else { text.trim() };
                setting.form.read_text(text)
            });
            layers.take(setting, path, origin(variable), read);
        }
    }
}

fn check_unknown(name: &str, value: &OsStr, known: &[String], layers: &mut Layers) {
    if !OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        check_foreign(name, known, layers);
        return;
    }
    if is_service_link(name, value.as_encoded_bytes()) {
        return;
    }
    let is_later = LATER_VARIABLES.contains(&name);
    let detail = match nearest(name, known.iter().map(String::as_str)) {
        _ if is_later => {
            "this version does not have this setting yet, and would ignore it: unset it".to_owned()
        }
        Some(meant) => format!("unknown variable; did you mean {meant}?"),
        None => "unknown variable: unset it, or see docs/settings.md".to_owned(),
    };
    let origin = Origin::Variable(name.to_owned());
    layers.diagnostics.refuse_unknown(origin, detail);
}

/// A name outside our prefixes may be another program's, so that only one that is nearly a setting is
/// reported: as a mistake where the prefix is shared, else as a warning.
fn check_foreign(name: &str, known: &[String], layers: &mut Layers) {
    if CLI_VARIABLES.contains(&name) {
        return;
    }
    let shared = SHARED_PREFIXES.iter().find_map(|prefix| {
        let rest = name.strip_prefix(prefix)?;
        Some((*prefix, rest))
    });
    if let Some((prefix, rest)) = shared {
        // Held against the rest of the name: the prefix is no likeness.
        let siblings = known.iter().filter_map(|known| known.strip_prefix(prefix));
        if let Some(meant) = nearest(rest, siblings) {
            let detail = format!("unknown variable; did you mean {prefix}{meant}?");
            let origin = Origin::Variable(name.to_owned());
            layers.diagnostics.refuse_unknown(origin, detail);
        }
    } else if let Some(meant) = nearest(name, known.iter().map(String::as_str)) {
        let detail = format!("is no setting and does nothing; did you mean {meant}?");
        layers.diagnostics.warn(name, detail);
    }
}

/// Whether Kubernetes put the variable there: it gives every pod a set of variables for each
/// service of its namespace, and a service of ours is named `portcullis`.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
fn is_service_link(name: &str, value: &[u8]) -> bool {
    let is_port_url = |value: &[u8]| {
        ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| value.starts_with(scheme.as_bytes()))
    };
    let is_port_detail = || {
        ["_TCP_", "_UDP_", "_SCTP_"].iter().any(|protocol| {
            name.rsplit_once(protocol)
                .is_some_and(|(_, part)| matches!(part, "PROTO" | "PORT" | "ADDR"))
        })
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.contains("_PORT") && (is_port_url(value) || is_port_detail()))
}

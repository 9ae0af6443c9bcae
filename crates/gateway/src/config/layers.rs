//! The layers, from the lowest to the highest, and what is wrong in each.

use std::ffi::OsStr;

use super::environment::Environment;
use super::kind::Value;
use super::names::{CONFIG_VARIABLE, LATER_VARIABLES, OF_THE_CLI, OWN_FAMILIES, OWN_PREFIXES};
use super::nearest::nearest;
use super::origins::{Origin, Origins};
use super::problem::{Problem, Warning};
use super::table::{SETTINGS, Setting};
use super::{Overrides, file, secret};

/// What all layers said, before one setting is held against another.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) origins: Origins,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
    /// The file could not be read at all: what seems to be missing may stand in it.
    pub(super) file_refused: bool,
}

pub(super) fn gather(environment: &Environment, overrides: Overrides) -> Gathered {
    let mut gathered = Gathered::default();
    file::read_defaults(&mut gathered);
    if let Some(named) = environment.get(CONFIG_VARIABLE) {
        file::read_named(as_text(named), &mut gathered);
    }
    for setting in SETTINGS {
        read_setting(environment, setting, &mut gathered);
    }
    refuse_unknown(environment, &mut gathered);
    if overrides.demo {
        let demo = Value::Text("demo".to_owned());
        let origin = Origin::CommandLine("--demo");
        gathered.origins.say("provider.kind", origin, Some(demo));
    }
    gathered
}

impl Gathered {
    /// Takes what a layer said about a setting; a refusal is remembered as a problem and as the
    /// setting's value, so that nothing further is concluded from its absence.
    pub(super) fn say(
        &mut self,
        setting: &'static Setting,
        origin: Origin,
        said: Result<Value, String>,
    ) {
        let value = match said {
            Ok(value) => Some(value),
            Err(detail) => {
                let problem = Problem::of(setting.path, origin.clone(), detail);
                self.problems.push(problem);
                None
            }
        };
        self.origins.say(setting.path, origin, value);
    }

    /// Takes a secret from the file that a layer names for it.
    pub(super) fn say_secret_file(
        &mut self,
        setting: &'static Setting,
        origin: Origin,
        named: Result<&str, String>,
    ) {
        let said = named.and_then(secret::from_file).map(|file| {
            if file.read_by_others {
                let detail = format!("the file of {origin} can be read by others: chmod 600 it");
                self.warnings.push(Warning::of(setting.path, detail));
            }
            Value::Secret(file.secret)
        });
        self.say(setting, origin, said);
    }
}

fn read_setting(environment: &Environment, setting: &'static Setting, gathered: &mut Gathered) {
    let variable = setting.variable;
    let origin = |name: &str| Origin::Variable(name.to_owned());
    let said = environment.get(variable);
    let file_variable = setting.file_variable().unwrap_or_default();
    let named = environment.get(&file_variable);
    match (said, named) {
        (None, None) => {}
        (Some(_), Some(_)) => {
            let both = format!("both {variable} and {file_variable} are set: unset one of them");
            gathered.say(setting, origin(variable), Err(both));
        }
        (None, Some(named)) => {
            gathered.say_secret_file(setting, origin(&file_variable), as_text(named));
        }
        (Some(said), None) => {
            let value = as_text(said).and_then(|said| setting.kind.read_text(said));
            gathered.say(setting, origin(variable), value);
        }
    }
}

fn as_text(said: &OsStr) -> Result<&str, String> {
    said.to_str().ok_or_else(|| "is not UTF-8 text".to_owned())
}

fn refuse_unknown(environment: &Environment, gathered: &mut Gathered) {
    let known: Vec<String> = SETTINGS
        .iter()
        .flat_map(|setting| [Some(setting.variable.to_owned()), setting.file_variable()])
        .flatten()
        .chain([CONFIG_VARIABLE.to_owned()])
        .collect();
    for (name, value) in environment.iter() {
        if known.iter().any(|known| known == name) {
            continue;
        }
        if !OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            note_misspelt(name, &known, gathered);
            continue;
        }
        if is_service_link(name, value.as_encoded_bytes()) {
            continue;
        }
        let later = LATER_VARIABLES.iter().find(|(later, _)| *later == name);
        let detail = match later {
            Some((_, harmless)) if harmless.iter().any(|harmless| value == *harmless) => {
                let detail =
                    "this version does not have this setting yet; the value is what it does";
                gathered.warnings.push(Warning::of(name, detail));
                continue;
            }
            Some(_) => "this version does not have this setting yet, and would ignore it: unset it"
                .to_owned(),
            None => match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("unknown variable; did you mean {meant}?"),
                None => "unknown variable: unset it, or see docs/settings.md".to_owned(),
            },
        };
        let origin = Origin::Variable(name.to_owned());
        gathered.problems.push(Problem::elsewhere(origin, detail));
    }
}

/// A name outside our prefixes may be somebody else's, so that only one that is nearly a setting says
/// anything: a problem in a family of names that is ours, else a warning.
fn note_misspelt(name: &str, known: &[String], gathered: &mut Gathered) {
    if OF_THE_CLI.contains(&name) {
        return;
    }
    let family = OWN_FAMILIES
        .iter()
        .find(|family| name.starts_with(**family));
    if let Some(family) = family {
        // Held against the rest of the name: the family is no likeness.
        let rest = name.strip_prefix(family).unwrap_or(name);
        let siblings = known.iter().filter_map(|known| known.strip_prefix(family));
        if let Some(meant) = nearest(rest, siblings) {
            let detail = format!("unknown variable; did you mean {family}{meant}?");
            let origin = Origin::Variable(name.to_owned());
            gathered.problems.push(Problem::elsewhere(origin, detail));
        }
    } else if let Some(meant) = nearest(name, known.iter().map(String::as_str)) {
        let detail = format!("is no setting and does nothing; did you mean {meant}?");
        gathered.warnings.push(Warning::of(name, detail));
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

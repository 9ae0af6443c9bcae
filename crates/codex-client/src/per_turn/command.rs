use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use secrecy::SecretString;

use crate::turn::Turn;

/// What the command of a process for one turn is made from.
pub(crate) struct TurnContext<'turn> {
    pub(crate) turn: &'turn Turn,
    pub(crate) instructions: Option<&'turn str>,
    pub(crate) credential: &'turn SecretString,
    pub(crate) broker_base_url: &'turn str,
    pub(crate) search_path: &'turn OsStr,
}

/// Arguments, environment and input of a process for one turn.
pub(crate) struct TurnCommand {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// Written to standard input, which is then closed.
    pub(crate) input: String,
}

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use secrecy::SecretString;

use crate::turn::Turn;

/// All that a process has to be told.
pub(crate) struct TurnContext<'turn> {
    pub(crate) turn: &'turn Turn,
    pub(crate) instructions: Option<&'turn str>,
    pub(crate) credential: &'turn SecretString,
    pub(crate) broker_base_url: &'turn str,
    pub(crate) search_path: &'turn OsStr,
}

/// What a process is started with, beside its program.
pub(crate) struct TurnCommand {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// Written to its standard input, which is then closed.
    pub(crate) input: String,
}

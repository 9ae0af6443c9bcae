//! The environment, read once and passed on as a value, so that tests bring their own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// The variables of the process at start. An empty one counts as not set.
///
/// `Debug` shows names only: values are keys.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The one place that reads the process's environment.
    pub fn from_process() -> Self {
        // Not `vars`, which panics at a value that is not UTF-8.
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the process's environment is read"
        )]
        let variables = std::env::vars_os();
        variables.collect()
    }

    /// The value of a variable; `None` when it is unset or empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value.as_os_str())
    }

    /// Every variable that is set and whose name is text, in the order of the names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.variables
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
    }
}

impl<Name: Into<OsString>, Text: Into<OsString>> FromIterator<(Name, Text)> for Environment {
    fn from_iter<Pairs: IntoIterator<Item = (Name, Text)>>(pairs: Pairs) -> Self {
        let pairs = pairs.into_iter();
        Self {
            variables: pairs
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.variables.keys())
            .finish()
    }
}

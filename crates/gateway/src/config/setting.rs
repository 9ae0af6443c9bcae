//! A row of the table of settings.

use super::kind::Kind;

#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Section and key in the file.
    pub(super) path: &'static str,
    pub(super) variable: &'static str,
    pub(super) kind: Kind,
    pub(super) presence: Presence,
    /// One or two sentences; the same as above the key in `defaults.toml`.
    pub(super) help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Has a default, so that there is always a value.
    Always,
    /// May be absent; an empty string says so.
    Optional,
}

impl Setting {
    /// The key or variable that names a file with the secret, when there may be one.
    pub(super) fn file_path(&self) -> Option<String> {
        let path = self.path;
        self.kind.is_secret().then(|| format!("{path}_file"))
    }

    pub(super) fn file_variable(&self) -> Option<String> {
        let variable = self.variable;
        self.kind.is_secret().then(|| format!("{variable}_FILE"))
    }

    pub(super) fn section(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }
}

pub(super) const fn always(
    path: &'static str,
    variable: &'static str,
    kind: Kind,
    help: &'static str,
) -> Setting {
    Setting {
        path,
        variable,
        kind,
        presence: Presence::Always,
        help,
    }
}

pub(super) const fn optional(
    path: &'static str,
    variable: &'static str,
    kind: Kind,
    help: &'static str,
) -> Setting {
    Setting {
        path,
        variable,
        kind,
        presence: Presence::Optional,
        help,
    }
}

pub(super) const fn count(least: u64, most: u64, unit: &'static str) -> Kind {
    Kind::Count { least, most, unit }
}

//! The two dialects, and SQL that both databases take, with the few pieces in which they differ.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// The same statement in both dialects.
pub(crate) struct Statement {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl Statement {
    pub(crate) const fn new(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// Joins texts and named fragments: `statement!("SELECT ", now, " AS now")`.
///
/// | fragment | what it is |
/// |---|---|
/// | `now` | the database's clock, in microseconds since 1970 |
/// | `for_update` | locks the rows that were read; SQLite's writer is alone anyway |
/// | `first`, `then` | two writes in one round trip: with the same parameters, neither reading what the other writes |
/// | `texts_1` | a table of the texts, column `value`, in parameter 1, a JSON array |
macro_rules! statement {
    ($($part:tt),+ $(,)?) => {
        $crate::database::dialect::Statement::new(
            concat!($($crate::database::dialect::sqlite_part!($part)),+),
            concat!($($crate::database::dialect::postgres_part!($part)),+),
        )
    };
}

macro_rules! sqlite_part {
    (now) => {
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    };
    (for_update) => {
        ""
    };
    (first) => {
        ""
    };
    (then) => {
        "; "
    };
    (texts_1) => {
        "json_each($1)"
    };
    ($text:literal) => {
        $text
    };
}

macro_rules! postgres_part {
    (now) => {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
    };
    (for_update) => {
        " FOR UPDATE"
    };
    (first) => {
        "WITH first AS ("
    };
    (then) => {
        ") "
    };
    (texts_1) => {
        "jsonb_array_elements_text(CAST($1 AS JSONB))"
    };
    ($text:literal) => {
        $text
    };
}

pub(crate) use {postgres_part, sqlite_part, statement};

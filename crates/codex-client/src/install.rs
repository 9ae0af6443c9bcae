//! The installed CLI: where its program is, and what it can do.

pub(crate) mod locate;
pub(crate) mod probe;

//! What both databases do alike.

pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod schema;

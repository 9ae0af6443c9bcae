//! The end of a child: everything that it started is found, killed and waited for.

pub(crate) mod child_registry;
pub(crate) mod descendants;
pub(crate) mod exit;
pub(crate) mod group;
pub(crate) mod process_table;
pub(crate) mod supervisor;

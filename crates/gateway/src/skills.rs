//! Skills.

mod catalogue;
mod definition;
mod file;
mod parameters;
mod problem;
mod section;
mod template;

pub use catalogue::Catalogue;
pub use definition::*;
pub use problem::*;

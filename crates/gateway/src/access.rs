//! Who calls, what they may use, and how much of it. Nothing here knows HTTP.

pub mod authentication;
pub mod caller;
pub mod jwt;
pub mod scopes;

//! Who calls, what they may use, and how much of it. Nothing here knows HTTP.

pub mod api_key;
pub mod authentication;
pub mod caller;
mod failed_attempts;
pub mod jwt;
mod known_keys;
pub mod limits;
pub mod scopes;

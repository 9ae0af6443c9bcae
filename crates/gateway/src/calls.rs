//! One call, from checked request to terminal event. Nothing here knows HTTP.

pub mod call;
pub mod chat;
pub mod lifecycle;
pub mod prompt;
pub mod record;
pub mod request;
pub mod result;
pub mod run;
pub mod skills;
pub mod tool;
pub mod tool_grants;
pub mod turn;

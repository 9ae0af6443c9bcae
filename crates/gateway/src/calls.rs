//! One call, from checked request to terminal event. Nothing here knows HTTP.

pub mod call;
pub mod caps;
pub mod chat;
pub mod finish_reason;
pub mod lifecycle;
pub mod milliseconds;
pub mod prompt;
pub mod record;
pub mod request;
pub mod result;
pub mod run;
pub mod skills;
pub mod tool;
pub mod tool_grants;
pub mod turn;

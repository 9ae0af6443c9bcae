//! One call, from checked request to terminal event. Nothing here knows HTTP.

pub mod call;
pub mod caps;
pub mod chat;
pub mod prompt;
pub mod request;
pub mod run;
pub mod turn;

//! HTTP: the server, the routes, and what every request passes on its way to them. No business rule here.

mod body;
mod forwarded;
mod middleware;
mod negotiate;
mod problem;
mod request_info;
mod routes;
pub mod server;
mod sse;
mod state;

pub use body::parsing::Parsing;
pub use body::{Bodies, BodyLimits};
pub use routes::router;
pub use state::AppState;

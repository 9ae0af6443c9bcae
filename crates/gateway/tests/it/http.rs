//! What a caller meets: answers in both forms, refusals, connections, and leaving.

mod answers;
mod connections;
mod disconnects;
mod hostile;
mod http2;
mod proxies;
mod readiness;
mod refusals;
mod streams;
mod tls;

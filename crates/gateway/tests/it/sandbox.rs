//! What a child can reach, and what is left of it.

mod child;
mod comforts;
mod evasion;
mod fail_closed;
mod isolation;
mod remnants;
mod unprivileged;

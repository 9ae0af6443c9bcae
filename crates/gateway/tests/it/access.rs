//! Who calls, and how much: keys, tokens of a real identity provider, scopes and limits.

mod issuer;
mod keys;
mod limits;
mod tokens;

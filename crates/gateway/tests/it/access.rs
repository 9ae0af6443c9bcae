//! Who calls: tokens of a real identity provider.

mod issuer;
mod tokens;

//! What the model's provider does, and what of it a caller learns; the way to it.

mod failures;
mod finish;
mod redaction;
mod spellings;
mod way_out;

//! The redaction engine of Portcullis. Pure: no I/O, no async; it never knows who calls it.

mod untrusted;

pub use untrusted::Untrusted;

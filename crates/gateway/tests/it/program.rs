//! The program as its operator meets it.

mod canary;
mod descriptors;
mod doctor;
mod drain;
mod log;
mod redaction_filter;
mod serve;

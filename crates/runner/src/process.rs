//! One child process: what it is started with, how it is started, and its pipes.

pub(crate) mod descriptors;
pub(crate) mod error;
pub(crate) mod handle;
pub(crate) mod lines;
pub(crate) mod output_meter;
pub(crate) mod pipe;
pub(crate) mod spawn;
pub(crate) mod spawner;
pub(crate) mod spec;
pub(crate) mod stderr;
pub(crate) mod stdin;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// The body of an answer to a child.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, StreamAborted>;

/// The turn ended while its answer was on the way: the child's connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the turn has ended")]
pub(crate) struct StreamAborted;

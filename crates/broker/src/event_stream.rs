use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use crate::failure::ProviderFailure;

/// A provider's event stream. Dropping it cancels the call: the connection is closed.
pub(crate) type EventStream = Pin<Box<dyn Stream<Item = Result<Bytes, ProviderFailure>> + Send>>;

//! The escape that a text begins with, alone.

use super::{Reading, Seam};

/// The first escape of a text that begins with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// It begins with none.
    Plain,
    /// More is needed to tell.
    Partial,
    Read {
        read: Vec<u8>,
        /// As written.
        length: usize,
    },
}

/// Reads the escape that begins a text.
pub(crate) fn first_unit(text: &[u8], is_complete: bool) -> Unit {
    let mut reading = Reading::from(0);
    for (index, byte) in text.iter().enumerate() {
        reading.extend(&[*byte]);
        if reading.open.first().is_some_and(|open| open.read == 0) {
            continue;
        }
        return match reading.seams.first() {
            Some(Seam { read: 0, .. }) => Unit::Read {
                read: reading.plain,
                length: index + 1,
            },
            _ => Unit::Plain,
        };
    }
    if is_complete {
        Unit::Plain
    } else {
        Unit::Partial
    }
}

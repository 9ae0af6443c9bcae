//! Which keys were used lately, so that a busy key costs one write a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const WRITE_EVERY: Duration = Duration::from_mins(1);

/// More than any gateway sees in a minute; the use of further keys is not noted.
const MAX_KEYS: usize = 100_000;

#[derive(Default)]
pub(super) struct LastUse {
    keys: Mutex<HashMap<String, State>>,
}

enum State {
    Used,
    WrittenAt(Instant),
}

impl LastUse {
    pub(super) fn note(&self, public_id: &str) {
        let mut keys = self.keys.lock();
        if !keys.contains_key(public_id) && keys.len() < MAX_KEYS {
            keys.insert(public_id.to_owned(), State::Used);
        }
    }

    /// What is to be written now, if anything. A key that was written counts as noted for a minute.
    pub(super) fn take(&self) -> Option<Vec<String>> {
        let now = Instant::now();
        let mut keys = self.keys.lock();
        keys.retain(|_, state| match state {
            State::Used => true,
            State::WrittenAt(at) => now.duration_since(*at) < WRITE_EVERY,
        });
        let mut used = Vec::new();
        for (public_id, state) in keys.iter_mut() {
            if matches!(state, State::Used) {
                used.push(public_id.clone());
                *state = State::WrittenAt(now);
            }
        }
        (!used.is_empty()).then_some(used)
    }
}

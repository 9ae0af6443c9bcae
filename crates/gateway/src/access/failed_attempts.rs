//! Wrong credentials, counted by the address they came from.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashlink::LruCache;
use parking_lot::Mutex;

use crate::client_address::ClientAddress;

/// Addresses that are remembered: the last ones.
const MAX_ADDRESSES: usize = 10_000;

/// Wrong credentials that an address may send at once.
const BURST: u32 = 20;

/// After this time it may send one more.
const INTERVAL: Duration = Duration::from_secs(3);

/// How many attempts each address has failed lately.
#[derive(Debug)]
pub(super) struct FailedAttempts {
    /// When the attempts of an address will be forgotten.
    forgotten: Mutex<LruCache<IpAddr, Instant>>,
}

impl Default for FailedAttempts {
    fn default() -> Self {
        Self {
            forgotten: Mutex::new(LruCache::new(MAX_ADDRESSES)),
        }
    }
}

impl FailedAttempts {
    /// How long the address has to wait; nothing while it may fail once more.
    pub(super) fn wait(&self, address: ClientAddress) -> Option<Duration> {
        let forgotten = *self.forgotten.lock().get(&address.network())?;
        let owed = forgotten.saturating_duration_since(Instant::now());
        owed.checked_sub(INTERVAL * (BURST - 1))
            .filter(|wait| !wait.is_zero())
    }

    pub(super) fn add(&self, address: ClientAddress) {
        let now = Instant::now();
        let mut all = self.forgotten.lock();
        let forgotten = all.get(&address.network()).map_or(now, |at| (*at).max(now));
        // What comes after the burst is refused anyway, and must not make the wait longer for ever.
        let next = (forgotten + INTERVAL).min(now + INTERVAL * BURST);
        all.insert(address.network(), next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> ClientAddress {
        ClientAddress::new([10, 0, 0, last].into())
    }

    #[test]
    fn an_address_has_a_burst_and_the_others_have_theirs() {
        let attempts = FailedAttempts::default();
        for _ in 0..BURST {
            assert_eq!(attempts.wait(address(1)), None);
            attempts.add(address(1));
        }
        let wait = attempts.wait(address(1)).unwrap();
        assert!(wait <= INTERVAL);
        for _ in 0..1_000 {
            attempts.add(address(1));
        }
        assert!(attempts.wait(address(1)).unwrap() <= INTERVAL);
        assert_eq!(attempts.wait(address(2)), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let attempts = FailedAttempts::default();
        for number in 0..20_000_u32 {
            attempts.add(ClientAddress::new(IpAddr::V4(number.into())));
        }
        assert_eq!(attempts.forgotten.lock().len(), MAX_ADDRESSES);
    }
}

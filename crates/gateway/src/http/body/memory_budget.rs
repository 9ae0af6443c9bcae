//! The memory that large bodies share while they are read and parsed.
//!
//! A slow body must not keep others out, and neither must an address that sends many. So when the budget is
//! exhausted, a body that is still arriving is evicted: one of the address that holds the most, or one that
//! has stalled.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A body of which nothing has arrived for this long has stalled.
const STALLED_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(in crate::http) struct BodyMemoryBudget {
    state: Mutex<State>,
}

/// The share of one body. Dropping it releases the memory.
#[derive(Debug)]
pub(in crate::http) struct BodyReservation {
    budget: Arc<BodyMemoryBudget>,
    number: u64,
    evicted: CancellationToken,
}

/// The budget is used up, and no other body can be evicted.
#[derive(Debug)]
pub(in crate::http) struct BudgetExhausted;

#[derive(Debug)]
struct State {
    free_bytes: usize,
    next: u64,
    bodies: HashMap<u64, Body>,
}

#[derive(Debug)]
struct Body {
    address: IpAddr,
    bytes: usize,
    /// `None`: it has arrived whole, and is not evicted.
    progressed: Option<Instant>,
    evicted: CancellationToken,
}

impl BodyMemoryBudget {
    pub(in crate::http) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free_bytes: bytes,
                next: 0,
                bodies: HashMap::new(),
            }),
        })
    }

    /// Registers a body that begins to arrive. It reserves nothing yet.
    pub(in crate::http) fn register(self: &Arc<Self>, address: IpAddr) -> BodyReservation {
        let evicted = CancellationToken::new();
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let body = Body {
            address,
            bytes: 0,
            progressed: Some(Instant::now()),
            evicted: evicted.clone(),
        };
        state.bodies.insert(number, body);
        BodyReservation {
            budget: Arc::clone(self),
            number,
            evicted,
        }
    }
}

impl BodyReservation {
    /// Raises the reservation to `bytes`, if need be by evicting another body.
    pub(in crate::http) fn grow_to(&self, bytes: usize) -> Result<(), BudgetExhausted> {
        let mut state = self.budget.state.lock();
        let Some(own) = state.bodies.get(&self.number) else {
            return Err(BudgetExhausted);
        };
        let more = bytes.saturating_sub(own.bytes);
        while state.free_bytes < more {
            let other = state
                .eviction_candidate(self.number, more)
                .ok_or(BudgetExhausted)?;
            if let Some(body) = state.bodies.remove(&other) {
                state.free_bytes += body.bytes;
                body.evicted.cancel();
            }
        }
        state.free_bytes -= more;
        if let Some(own) = state.bodies.get_mut(&self.number) {
            own.bytes += more;
        }
        Ok(())
    }

    pub(in crate::http) fn progressed(&self) {
        if let Some(own) = self.budget.state.lock().bodies.get_mut(&self.number) {
            own.progressed = Some(Instant::now());
        }
    }

    /// The whole body has arrived. It is not evicted from now on.
    pub(in crate::http) fn keep(&self) {
        if let Some(own) = self.budget.state.lock().bodies.get_mut(&self.number) {
            own.progressed = None;
        }
    }

    /// Returns when this body has been evicted.
    pub(in crate::http) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for BodyReservation {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        if let Some(body) = state.bodies.remove(&self.number) {
            state.free_bytes += body.bytes;
        }
    }
}

impl State {
    /// The body to evict for one that needs `more`, if there is any.
    fn eviction_candidate(&self, wanting: u64, more: usize) -> Option<u64> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for body in self.bodies.values() {
            *held.entry(body.address).or_default() += body.bytes;
        }
        let held = |address| held.get(address).copied().unwrap_or_default();
        let own = held(&self.bodies.get(&wanting)?.address) + more;
        let now = Instant::now();
        let others = self.bodies.iter().filter(|(number, _)| **number != wanting);
        let arriving = others.filter_map(|(number, body)| {
            let stalled_for = now - body.progressed?;
            let has_more = held(&body.address) > own;
            let must = has_more || stalled_for >= STALLED_AFTER;
            (body.bytes > 0 && must).then_some((has_more, stalled_for, *number))
        });
        arriving.max().map(|(_, _, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn is_evicted(taken: &BodyReservation) -> bool {
        taken.evicted.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_eviction_candidate_and_one_that_moves_does_not() {
        let budget = BodyMemoryBudget::new(100);
        let still = budget.register(FIRST);
        still.grow_to(50).unwrap();
        let moving = budget.register(FIRST);
        moving.grow_to(50).unwrap();
        let new = budget.register(FIRST);
        assert!(new.grow_to(10).is_err(), "all of them are moving");
        tokio::time::advance(STALLED_AFTER).await;
        moving.progressed();
        new.grow_to(10).unwrap();
        assert!(is_evicted(&still) && !is_evicted(&moving));
        drop(still);
        drop(moving);
        new.grow_to(100).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_holds_more_eviction_candidate_to_one_that_holds_less() {
        let budget = BodyMemoryBudget::new(100);
        let many: Vec<_> = (0..10).map(|_| budget.register(FIRST)).collect();
        for body in &many {
            body.grow_to(10).unwrap();
        }
        let other = budget.register(SECOND);
        other.grow_to(40).unwrap();
        assert_eq!(many.iter().filter(|body| is_evicted(body)).count(), 4);
        assert!(other.grow_to(60).is_err(), "both would hold the same");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_here_is_kept() {
        let budget = BodyMemoryBudget::new(100);
        let here = budget.register(FIRST);
        here.grow_to(100).unwrap();
        here.keep();
        tokio::time::advance(STALLED_AFTER * 2).await;
        assert!(budget.register(SECOND).grow_to(1).is_err());
        drop(here);
        assert!(budget.register(SECOND).grow_to(100).is_ok());
    }
}

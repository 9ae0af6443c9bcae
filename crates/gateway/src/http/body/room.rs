//! The room that large bodies share while they are read and parsed.
//!
//! A body that comes slowly must not keep others out, and neither must an address that sends many. So
//! where there is no room left, one of those that are still arriving gives way: of the address that holds
//! the most, or one that has stood still.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A body that has brought nothing for this long stands still.
const STANDSTILL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(in crate::http) struct BodyRoom {
    state: Mutex<State>,
}

/// What one body takes, given back when it is dropped.
#[derive(Debug)]
pub(in crate::http) struct RoomTaken {
    room: Arc<BodyRoom>,
    number: u64,
    lost: CancellationToken,
}

/// There is none, and nobody who would have to give way.
#[derive(Debug)]
pub(in crate::http) struct NoRoom;

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
    /// `None`: it is here, and gives way to nobody.
    progressed: Option<Instant>,
    lost: CancellationToken,
}

impl BodyRoom {
    pub(in crate::http) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free_bytes: bytes,
                next: 0,
                bodies: HashMap::new(),
            }),
        })
    }

    /// A body begins to arrive, and takes no room yet.
    pub(in crate::http) fn enter(self: &Arc<Self>, address: IpAddr) -> RoomTaken {
        let lost = CancellationToken::new();
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let body = Body {
            address,
            bytes: 0,
            progressed: Some(Instant::now()),
            lost: lost.clone(),
        };
        state.bodies.insert(number, body);
        RoomTaken {
            room: Arc::clone(self),
            number,
            lost,
        }
    }
}

impl RoomTaken {
    /// Takes as much as makes it `bytes` altogether, if need be from another body.
    pub(in crate::http) fn grow_to(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut state = self.room.state.lock();
        let Some(own) = state.bodies.get(&self.number) else {
            return Err(NoRoom);
        };
        let more = bytes.saturating_sub(own.bytes);
        while state.free_bytes < more {
            let other = state.gives_way(self.number, more).ok_or(NoRoom)?;
            if let Some(body) = state.bodies.remove(&other) {
                state.free_bytes += body.bytes;
                body.lost.cancel();
            }
        }
        state.free_bytes -= more;
        if let Some(own) = state.bodies.get_mut(&self.number) {
            own.bytes += more;
        }
        Ok(())
    }

    pub(in crate::http) fn progressed(&self) {
        if let Some(own) = self.room.state.lock().bodies.get_mut(&self.number) {
            own.progressed = Some(Instant::now());
        }
    }

    /// The body is here.
    pub(in crate::http) fn keep(&self) {
        if let Some(own) = self.room.state.lock().bodies.get_mut(&self.number) {
            own.progressed = None;
        }
    }

    /// Returns when its room has gone to another body.
    pub(in crate::http) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for RoomTaken {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        if let Some(body) = state.bodies.remove(&self.number) {
            state.free_bytes += body.bytes;
        }
    }
}

impl State {
    /// Who has to make room for one that wants `more`, if anyone has.
    fn gives_way(&self, wanting: u64, more: usize) -> Option<u64> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for body in self.bodies.values() {
            *held.entry(body.address).or_default() += body.bytes;
        }
        let held = |address| held.get(address).copied().unwrap_or_default();
        let own = held(&self.bodies.get(&wanting)?.address) + more;
        let now = Instant::now();
        let others = self.bodies.iter().filter(|(number, _)| **number != wanting);
        let arriving = others.filter_map(|(number, body)| {
            let stood_still = now - body.progressed?;
            let has_more = held(&body.address) > own;
            let must = has_more || stood_still >= STANDSTILL;
            (body.bytes > 0 && must).then_some((has_more, stood_still, *number))
        });
        arriving.max().map(|(_, _, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn is_lost(taken: &RoomTaken) -> bool {
        taken.lost.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_gives_way_and_one_that_moves_does_not() {
        let room = BodyRoom::new(100);
        let still = room.enter(FIRST);
        still.grow_to(50).unwrap();
        let moving = room.enter(FIRST);
        moving.grow_to(50).unwrap();
        let new = room.enter(FIRST);
        assert!(new.grow_to(10).is_err(), "all of them are moving");
        tokio::time::advance(STANDSTILL).await;
        moving.progressed();
        new.grow_to(10).unwrap();
        assert!(is_lost(&still) && !is_lost(&moving));
        drop(still);
        drop(moving);
        new.grow_to(100).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_holds_more_gives_way_to_one_that_holds_less() {
        let room = BodyRoom::new(100);
        let many: Vec<_> = (0..10).map(|_| room.enter(FIRST)).collect();
        for body in &many {
            body.grow_to(10).unwrap();
        }
        let other = room.enter(SECOND);
        other.grow_to(40).unwrap();
        assert_eq!(many.iter().filter(|body| is_lost(body)).count(), 4);
        assert!(other.grow_to(60).is_err(), "both would hold the same");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_here_is_kept() {
        let room = BodyRoom::new(100);
        let here = room.enter(FIRST);
        here.grow_to(100).unwrap();
        here.keep();
        tokio::time::advance(STANDSTILL * 2).await;
        assert!(room.enter(SECOND).grow_to(1).is_err());
        drop(here);
        assert!(room.enter(SECOND).grow_to(100).is_ok());
    }
}

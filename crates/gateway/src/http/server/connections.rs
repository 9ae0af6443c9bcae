//! How many connections there are, from where, and what each is doing.
//!
//! One that waits for its client costs nobody else anything to lose. So long before there are too many,
//! the one that has waited longest is closed for each that comes: no probe and no turn is kept out by
//! connections that do nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits::ConnectionLimits;
use crate::client_address::ClientAddress;

/// Connections beyond the most, on which probes alone are answered.
pub(crate) const PROBE_RESERVE: usize = 64;

/// A connection that has said nothing for this long is closed before one that has been of use.
const SILENT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(in crate::http) struct Connections {
    limits: ConnectionLimits,
    state: Mutex<State>,
    /// A place has come free.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    places: HashMap<u64, Entry>,
    /// Requests under way, by the address of their client.
    requests: HashMap<IpAddr, usize>,
    /// Requests that are being answered.
    serving: usize,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    phase: Phase,
    since: Instant,
    /// Requests under way whose bodies are coming; more than one with HTTP/2 alone.
    bodies: usize,
    /// Requests that are being answered.
    serving: usize,
    speaks_http2: bool,
    signals: Arc<Signals>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A head is awaited, or has begun.
    Head,
    /// Of every request under way the body is coming.
    Body,
    /// A request is answered.
    Serving,
    /// Kept alive for the next request.
    Idle,
    /// Asked to close.
    Closing(End),
}

#[derive(Debug, Default)]
struct Signals {
    changed: Notify,
    closing: Notify,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(in crate::http) struct Place {
    connections: Arc<Connections>,
    number: u64,
    signals: Arc<Signals>,
    unread_body: AtomicBool,
}

/// A request under way on a connection.
#[derive(Debug)]
pub(in crate::http) struct Exchange {
    place: Arc<Place>,
    client: IpAddr,
    stage: AtomicU8,
    /// More requests are under way than there may be.
    pub(in crate::http) is_overloaded: bool,
}

/// The stages of an exchange, in their order.
const BODY: u8 = 0;
const ANSWER: u8 = 1;
const OVER: u8 = 2;

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum End {
    /// In the middle of nothing: what there is to say has been said.
    Idle,
    /// Before the whole of a request was there.
    Head,
}

impl Connections {
    pub(in crate::http) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Returns when there may be one more.
    pub(in crate::http) async fn room(&self) {
        self.at_most(self.limits.max + PROBE_RESERVE - 1).await;
    }

    /// Returns when all have ended.
    pub(in crate::http) async fn ended(&self) {
        self.at_most(0).await;
    }

    async fn at_most(&self, count: usize) {
        loop {
            let freed = self.freed.notified();
            if self.state.lock().places.len() <= count {
                return;
            }
            freed.await;
        }
    }

    /// A place for a new connection; `None` if its address has too many.
    pub(in crate::http) fn enter(self: &Arc<Self>, address: ClientAddress) -> Option<Place> {
        let is_bounded = self.limits.bound_connections_of(address);
        let address = address.network();
        let mut state = self.state.lock();
        if is_bounded {
            let open = state.open().filter(|entry| entry.address == address);
            if open.count() >= self.limits.max_per_address
                && !state.close_idle(|entry| entry.address == address)
            {
                return None;
            }
        }
        if state.open().count() >= self.limits.max / 4 * 3 {
            state.close_idle(|_| true);
        }
        let signals = Arc::new(Signals::default());
        let number = state.next;
        state.next += 1;
        let entry = Entry {
            address,
            phase: Phase::Head,
            since: Instant::now(),
            bodies: 0,
            serving: 0,
            speaks_http2: false,
            signals: Arc::clone(&signals),
        };
        state.places.insert(number, entry);
        Some(Place {
            connections: Arc::clone(self),
            number,
            signals,
            unread_body: AtomicBool::new(false),
        })
    }
}

impl State {
    fn open(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.places.values();
        entries.filter(|entry| !matches!(entry.phase, Phase::Closing(_)))
    }

    /// Closes the connection that is missed least, if one waits for its client.
    fn close_idle(&mut self, among: impl Fn(&Entry) -> bool) -> bool {
        let now = Instant::now();
        let waiting = self.places.values_mut().filter_map(|entry| {
            let waited = now - entry.since;
            let (rank, end) = match entry.phase {
                Phase::Head if waited >= SILENT => (3, End::Head),
                Phase::Body if waited >= SILENT => (2, End::Head),
                Phase::Idle => (1, End::Idle),
                Phase::Head | Phase::Body => (0, End::Head),
                Phase::Serving | Phase::Closing(_) => return None,
            };
            among(entry).then_some(((rank, waited), end, entry))
        });
        let Some((_, end, entry)) = waiting.max_by_key(|(order, _, _)| *order) else {
            return false;
        };
        entry.phase = Phase::Closing(end);
        entry.signals.closing.notify_one();
        true
    }
}

impl Place {
    /// Bytes have come: of the next head, if no request is being answered. With HTTP/2 they may be anything.
    pub(in crate::http) fn received(&self) {
        self.change(|entry| {
            let begins = entry.phase == Phase::Idle && !entry.speaks_http2;
            begins.then_some(Phase::Head)
        });
    }

    /// A request's head is here, with a body or without.
    pub(in crate::http) fn begin_request(
        self: &Arc<Self>,
        client: ClientAddress,
        has_body: bool,
        speaks_http2: bool,
    ) -> Arc<Exchange> {
        self.unread_body.store(has_body, Ordering::Relaxed);
        let limits = &self.connections.limits;
        let is_bounded = limits.bound_requests_of(client);
        let client = client.network();
        let mut state = self.connections.state.lock();
        let requests = state.requests.entry(client).or_default();
        *requests += 1;
        let are_too_many = is_bounded && *requests > limits.max_per_address;
        let state = &mut *state;
        if let Some(entry) = state.places.get_mut(&self.number) {
            entry.speaks_http2 = speaks_http2;
            entry.bodies += usize::from(has_body);
            entry.serving += usize::from(!has_body);
            state.serving += usize::from(!has_body);
            entry.enter(entry.phase_of_requests());
        }
        let is_overloaded = are_too_many || state.serving > limits.max;
        self.signals.changed.notify_waiters();
        Arc::new(Exchange {
            place: Arc::clone(self),
            client,
            stage: AtomicU8::new(if has_body { BODY } else { ANSWER }),
            is_overloaded,
        })
    }

    /// Whether the client may still be sending what nobody will read.
    pub(in crate::http) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Ordering::Relaxed)
    }

    pub(in crate::http) fn has_request(&self) -> bool {
        matches!(self.phase(), Some(Phase::Body | Phase::Serving))
    }

    fn change(&self, next: impl FnOnce(&Entry) -> Option<Phase>) {
        let mut state = self.connections.state.lock();
        let entry = state.places.get_mut(&self.number);
        let Some((entry, phase)) = entry.and_then(|entry| next(entry).map(|next| (entry, next)))
        else {
            return;
        };
        entry.enter(phase);
        drop(state);
        self.signals.changed.notify_waiters();
    }

    fn phase(&self) -> Option<Phase> {
        let state = self.connections.state.lock();
        state.places.get(&self.number).map(|entry| entry.phase)
    }

    /// Returns when no body is coming.
    pub(in crate::http) async fn no_body_comes(&self) {
        loop {
            let changed = self.signals.changed.notified();
            if self.phase() != Some(Phase::Body) {
                return;
            }
            changed.await;
        }
    }

    /// Returns when the connection has waited too long, or when another one needs its place.
    pub(in crate::http) async fn must_end(&self) -> End {
        tokio::select! {
            () = self.signals.closing.notified() => {}
            () = self.waited_too_long() => {}
        }
        match self.phase() {
            Some(Phase::Head | Phase::Closing(End::Head)) => End::Head,
            _ => End::Idle,
        }
    }

    async fn waited_too_long(&self) {
        loop {
            let changed = self.signals.changed.notified();
            match self.waits_until() {
                None => changed.await,
                Some(until) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(until) => return,
                },
            }
        }
    }

    /// When it will have waited too long, if it waits.
    fn waits_until(&self) -> Option<Instant> {
        let limits = &self.connections.limits;
        let state = self.connections.state.lock();
        let entry = state.places.get(&self.number)?;
        match entry.phase {
            Phase::Head => Some(entry.since + limits.header_timeout),
            Phase::Idle => Some(entry.since + limits.keep_alive),
            // A body has limits of its own.
            Phase::Body | Phase::Serving | Phase::Closing(_) => None,
        }
    }
}

impl Entry {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    fn phase_of_requests(&self) -> Phase {
        if self.serving > 0 {
            Phase::Serving
        } else if self.bodies > 0 {
            Phase::Body
        } else {
            Phase::Idle
        }
    }
}

impl Exchange {
    /// More of the body is here.
    pub(in crate::http) fn body_progressed(&self) {
        self.place
            .change(|entry| (entry.phase == Phase::Body).then_some(Phase::Body));
    }

    /// The whole of the body is here.
    pub(in crate::http) fn body_read(&self) {
        self.place.unread_body.store(false, Ordering::Relaxed);
        self.reach(ANSWER);
    }

    /// The answer has been sent, or nobody waits for it any more.
    pub(in crate::http) fn end(&self) {
        self.reach(OVER);
    }

    fn reach(&self, next: u8) {
        let mut state = self.place.connections.state.lock();
        let before = self.stage.fetch_max(next, Ordering::Relaxed);
        if before >= next {
            return;
        }
        let state = &mut *state;
        if next == OVER
            && let Some(requests) = state.requests.get_mut(&self.client)
        {
            *requests -= 1;
            if *requests == 0 {
                state.requests.remove(&self.client);
            }
        }
        state.serving += usize::from(next == ANSWER);
        state.serving -= usize::from(before == ANSWER);
        if let Some(entry) = state.places.get_mut(&self.place.number) {
            entry.bodies -= usize::from(before == BODY);
            entry.serving += usize::from(next == ANSWER);
            entry.serving -= usize::from(before == ANSWER);
            if matches!(entry.phase, Phase::Body | Phase::Serving) {
                entry.enter(entry.phase_of_requests());
            }
        }
        self.place.signals.changed.notify_waiters();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.connections.state.lock();
        state.places.remove(&self.number);
        drop(state);
        self.connections.freed.notify_waiters();
    }
}

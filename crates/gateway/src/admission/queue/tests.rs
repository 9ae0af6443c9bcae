//! Each rule by itself, then all of them under random use. Nothing here waits: a place is asked whether
//! its turn has come.

mod random_use;

use std::pin::Pin;

use futures_util::FutureExt as _;

use super::{Arc, Entry, Permit, TurnQueue};

/// A call that waits, and is polled by hand.
type Waiting = Pin<Box<dyn Future<Output = Option<Permit>>>>;

/// What a waiting call has come to.
#[derive(Debug)]
enum Fate {
    Waits,
    Admitted(Permit),
    GaveWay,
}

fn admitted(queue: &Arc<TurnQueue>, tenant: &str) -> Permit {
    match queue.enter(tenant) {
        Entry::Admitted(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn waiting(queue: &Arc<TurnQueue>, tenant: &str) -> Waiting {
    match queue.enter(tenant) {
        Entry::Waiting(place) => {
            let mut waiting: Waiting = Box::pin(place.turn());
            assert!(waiting.as_mut().now_or_never().is_none());
            waiting
        }
        other => panic!("{other:?}"),
    }
}

fn fate(waiting: &mut Waiting) -> Fate {
    match waiting.as_mut().now_or_never() {
        None => Fate::Waits,
        Some(Some(permit)) => Fate::Admitted(permit),
        Some(None) => Fate::GaveWay,
    }
}

/// The index of the one that has its turn now, and its permit.
fn served(waiting: &mut Vec<Waiting>) -> (usize, Permit) {
    let fates: Vec<Fate> = waiting.iter_mut().map(fate).collect();
    let mut served = fates.into_iter().enumerate().filter_map(|(at, fate)| {
        let Fate::Admitted(permit) = fate else {
            return None;
        };
        Some((at, permit))
    });
    let (at, permit) = served.next().expect("nobody has a turn");
    assert!(served.next().is_none(), "two have a turn");
    drop(waiting.remove(at));
    (at, permit)
}

/// The tenants in the order in which they are served, one after the other, on one turn.
fn order_of_service(mut running: Permit, mut queued: Vec<(&str, Waiting)>) -> Vec<&str> {
    let mut order = Vec::new();
    while !queued.is_empty() {
        drop(running);
        let (names, mut waiting): (Vec<_>, Vec<_>) = queued.into_iter().unzip();
        let (at, permit) = served(&mut waiting);
        let mut names = names;
        order.push(names.remove(at));
        queued = names.into_iter().zip(waiting).collect();
        running = permit;
    }
    order
}

fn queued<'name>(queue: &Arc<TurnQueue>, tenants: &[&'name str]) -> Vec<(&'name str, Waiting)> {
    let each = tenants.iter();
    each.map(|tenant| (*tenant, waiting(queue, tenant)))
        .collect()
}

#[test]
fn a_tenant_alone_may_have_every_turn_and_every_place() {
    let queue = TurnQueue::new(3, 2);
    let _running: Vec<_> = (0..3).map(|_| admitted(&queue, "a")).collect();
    let _waiting = queued(&queue, &["a", "a"]);
    assert!(matches!(queue.enter("a"), Entry::Full));
}

#[test]
fn within_a_tenant_first_come_is_first_served() {
    let queue = TurnQueue::new(1, 3);
    let running = admitted(&queue, "a");
    let mut waiting: Vec<_> = (0..3).map(|_| waiting(&queue, "a")).collect();
    drop(running);
    let (first, permit) = served(&mut waiting);
    assert_eq!(first, 0);
    drop(permit);
    assert_eq!(served(&mut waiting).0, 0);
}

#[test]
fn a_turn_goes_to_the_tenant_with_the_fewest() {
    let queue = TurnQueue::new(3, 8);
    let first = admitted(&queue, "greedy");
    let _others = [admitted(&queue, "greedy"), admitted(&queue, "modest")];
    // Greedy has waited longer, and has one more running even when one of its own has ended.
    let _third = admitted_after(first, &queue, &["greedy", "greedy"], "newcomer");
}

/// Ends `running` while calls of `before` and then one of `expected` wait: it is the one to be served.
fn admitted_after(
    running: Permit,
    queue: &Arc<TurnQueue>,
    before: &[&str],
    expected: &str,
) -> Permit {
    let mut calls: Vec<_> = before.iter().map(|tenant| waiting(queue, tenant)).collect();
    calls.push(waiting(queue, expected));
    drop(running);
    let (at, permit) = served(&mut calls);
    assert_eq!(at, before.len());
    permit
}

#[test]
fn among_equals_the_one_served_longest_ago_goes_first() {
    let queue = TurnQueue::new(1, 8);
    let running = admitted(&queue, "other");
    let waiting = queued(&queue, &["a", "a", "a", "b", "c", "b"]);
    let order = order_of_service(running, waiting);
    assert_eq!(order, ["a", "b", "c", "a", "b", "a"]);
}

#[test]
fn a_newcomer_takes_the_place_of_the_greediest_tenants_newest_call() {
    let queue = TurnQueue::new(1, 3);
    let _running = admitted(&queue, "greedy");
    let mut before = queued(&queue, &["greedy", "greedy", "modest"]);
    let _newcomer = waiting(&queue, "newcomer");
    let fates: Vec<_> = before.iter_mut().map(|(_, it)| fate(it)).collect();
    assert!(
        matches!(fates[..], [Fate::Waits, Fate::GaveWay, Fate::Waits]),
        "{fates:?}"
    );
    // Now all have one each, and nobody has less than anybody.
    for tenant in ["greedy", "modest", "newcomer"] {
        assert!(matches!(queue.enter(tenant), Entry::Full), "{tenant}");
    }
    assert!(matches!(queue.enter("another"), Entry::Waiting(_)));
}

#[test]
fn a_call_that_is_dropped_leaves_its_place_to_another() {
    let queue = TurnQueue::new(1, 1);
    let _running = admitted(&queue, "a");
    let gone = waiting(&queue, "a");
    assert!(matches!(queue.enter("a"), Entry::Full));
    drop(gone);
    let _next = waiting(&queue, "a");
}

#[test]
fn a_turn_given_to_a_call_that_is_dropped_in_that_moment_goes_to_the_next() {
    let queue = TurnQueue::new(1, 2);
    let running = admitted(&queue, "a");
    let gone = waiting(&queue, "a");
    let mut next = waiting(&queue, "b");
    drop(running);
    assert!(matches!(fate(&mut next), Fate::Waits));
    drop(gone);
    assert!(matches!(fate(&mut next), Fate::Admitted(_)));
}

#[test]
fn tenants_that_are_gone_are_forgotten() {
    let queue = TurnQueue::new(1, 2);
    let running = admitted(&queue, "a");
    drop(queued(&queue, &["b", "c"]));
    drop(running);
    assert!(queue.state.lock().tenants.is_empty());
}

/// The same on real threads, where a grant and a departure do meet.
#[test]
fn no_turn_is_lost_between_threads() {
    const TURNS: usize = 3;
    const ROUNDS: usize = 2_000;
    let queue = TurnQueue::new(TURNS, 4);
    std::thread::scope(|scope| {
        for tenant in ["a", "b", "c", "a", "b", "c"] {
            let queue = &queue;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    match queue.enter(tenant) {
                        Entry::Admitted(permit) => drop(permit),
                        // Some look whether it is their turn, some leave without a look.
                        Entry::Waiting(place) if round % 2 == 0 => {
                            drop(place.turn().now_or_never());
                        }
                        Entry::Waiting(place) => drop(place),
                        Entry::Full => {}
                    }
                    assert!(queue.state.lock().running <= TURNS);
                }
            });
        }
    });
    let _all: Vec<_> = (0..TURNS).map(|_| admitted(&queue, "a")).collect();
}

//! `kill -9` of the server at random moments: no usage that was settled is lost or counted twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use store::{
    AccountLimits, Location, Settlement, Store, StoreSettings, Usage, UsageFilter, UsageGroup,
};
use test_postgres::{Durability, Server};

use crate::support::{account, turn};

const CLIENTS: usize = 4;
const TOKENS: u64 = 10;

/// `make chaos` runs a longer one, with `CHAOS_TURNS`.
#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "how long to run is a matter of this test alone"
)]
async fn settled_usage_survives_kills() {
    let turns = std::env::var("CHAOS_TURNS").map_or(200, |turns| turns.parse().unwrap());
    survive(turns, 3.max(turns / 130)).await;
}

async fn survive(turns: u64, kills: u64) {
    let Some(mut server) = Server::start(Durability::Full) else {
        return;
    };
    let url = server.database().await;
    let settings = StoreSettings::new(Location::parse(&url).unwrap());
    let next = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let store = Store::open(&settings).await.unwrap();
        let next = Arc::clone(&next);
        clients.push(async move {
            let mut retries = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= turns {
                    return retries;
                }
                retries += one_turn(&store, number).await;
            }
        });
    }
    let killer = {
        let (next, done) = (Arc::clone(&next), Arc::clone(&done));
        tokio::task::spawn_blocking(move || {
            // Each kill waits for its share of the turns, and then for a moment that no turn has chosen.
            for kill in 1..=kills {
                let due = turns * kill / (kills + 1);
                while next.load(Ordering::Relaxed) < due && !done.load(Ordering::Relaxed) {
                    pause(Duration::from_millis(1));
                }
                pause(Duration::from_micros(kill * 7919 % 9000));
                server.kill();
                pause(Duration::from_millis(50));
                server.restart();
            }
            server
        })
    };
    let retries: u64 = futures_util::future::join_all(clients)
        .await
        .into_iter()
        .sum();
    done.store(true, Ordering::Relaxed);
    let server = killer.await.unwrap();
    assert!(retries > 0, "no kill has met a call");

    let store = Store::open(&settings).await.unwrap();
    let rows = store
        .usage()
        .report(&UsageFilter::default(), UsageGroup::Tenant)
        .await
        .unwrap();
    assert_eq!(
        (rows[0].calls, rows[0].input_tokens),
        (turns, turns * TOKENS),
        "after {retries} retries"
    );
    let standing = store.limits().usage_of(&account()).await.unwrap();
    for subject in standing {
        assert_eq!(subject.tokens_this_month.used, turns * TOKENS);
        assert!(
            subject.concurrent_turns <= retries,
            "only an admission without an answer leaves a lease"
        );
    }
    drop(server);
}

/// One turn to its settled end, as a gateway does it. Returns how often it had to try again.
async fn one_turn(store: &Store, number: u64) -> u64 {
    let mut retries = 0;
    // An admission whose answer was lost may have left a lease, which expires. The next try is a new one.
    let lease_id = loop {
        let asked = turn(
            format!("turn-{number}-{retries}"),
            &AccountLimits::default(),
        );
        match store.limits().admit(&asked).await {
            Ok(_) => break asked.lease_id,
            Err(error) => assert!(error.is_unavailable(), "{error:?}"),
        }
        store_is_away(&mut retries).await;
    };
    let usage = Usage {
        model: "model-a".into(),
        input_tokens: TOKENS,
        ..Usage::default()
    };
    let settlement = Settlement {
        lease_id,
        account: account(),
        usage,
    };
    while let Err(error) = store.limits().settle(&settlement).await {
        assert!(error.is_unavailable(), "{error:?}");
        store_is_away(&mut retries).await;
    }
    retries
}

async fn store_is_away(retries: &mut u64) {
    *retries += 1;
    assert!(*retries < 1000, "the server does not come back");
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "this thread drives a server, and blocks nothing else"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

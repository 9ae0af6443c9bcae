//! What a turn pays for its key and its limits: median and 99th percentile, both databases in one run.
//!
//! `cargo bench -p store` prints microseconds. PostgreSQL runs on this machine and keeps what it commits.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends where it fails"
)]

use std::time::{Duration, Instant};

use store::{
    Account, AccountLimits, Admission, Amount, Limits, Location, NewKey, Settlement, Store,
    StoreSettings, Usage,
};
use test_postgres::{Durability, Server};

const ROUNDS: usize = 1000;
const WARM_UP: usize = 100;

#[tokio::main]
async fn main() {
    println!("{:<42} {:>10} {:>10}", "microseconds", "median", "p99");
    let directory = tempfile::tempdir().unwrap();
    measure(
        "SQLite",
        Location::Sqlite(directory.path().join("bench.db")),
    )
    .await;
    if let Some(server) = Server::start(Durability::Full) {
        measure(
            "PostgreSQL",
            Location::parse(&server.database().await).unwrap(),
        )
        .await;
    }
}

async fn measure(database: &str, location: Location) {
    let store = Store::open(&StoreSettings::new(location)).await.unwrap();
    store.keys().create(&key()).await.unwrap();
    let rate = Limits {
        requests_per_minute: Some(1_000_000),
        max_concurrent_turns: Some(1000),
        ..Limits::default()
    };
    let budget = Limits {
        tokens_per_day: Some(1 << 40),
        tokens_per_month: Some(1 << 40),
        cost_micros_per_month: Some(1 << 40),
        ..rate.clone()
    };
    let mut find = Vec::new();
    let mut rates = Vec::new();
    let mut budgets = Vec::new();
    let mut settles = Vec::new();
    for round in 0..ROUNDS + WARM_UP {
        let (_, took) = timed(store.keys().find("bench")).await;
        find.push(took);
        for (name, limits, times) in [
            ("rate", &rate, &mut rates),
            ("budget", &budget, &mut budgets),
        ] {
            let admission = admission(format!("{name}-{round}"), limits);
            let (_, took) = timed(store.limits().admit(&admission)).await;
            times.push(took);
            let usage = Usage {
                model: "model".into(),
                input_tokens: 1000,
                output_tokens: 500,
                ..Usage::default()
            };
            let settlement = Settlement {
                lease_id: admission.lease_id,
                account: admission.account,
                usage,
            };
            let (_, took) = timed(store.limits().settle(&settlement)).await;
            settles.push(took);
        }
    }
    report(database, "find a key (before it is cached)", find);
    report(database, "admit: requests and turns at once", rates);
    report(database, "admit: the same with tokens and money", budgets);
    report(database, "settle", settles);
    store.close().await;
}

async fn timed<T>(operation: impl Future<Output = Result<T, store::StoreError>>) -> (T, Duration) {
    let begun = Instant::now();
    let result = operation.await.unwrap();
    let took = begun.elapsed();
    // A turn is not followed at once by the next; the connection is back in its pool by then.
    tokio::time::sleep(Duration::from_millis(1)).await;
    (result, took)
}

fn report(database: &str, what: &str, mut times: Vec<Duration>) {
    times.drain(..WARM_UP);
    times.sort();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(
        "{:<42} {:>10} {:>10}",
        format!("{database}: {what}"),
        median.as_micros(),
        p99.as_micros()
    );
}

fn key() -> NewKey {
    NewKey {
        public_id: "bench".into(),
        secret_sha256: [1; 32],
        label: "bench".into(),
        tenant: "acme".into(),
        team: Some("search".into()),
        scopes: vec!["chat".into()],
        limits: Limits::default(),
        expires_at: None,
    }
}

fn admission(lease_id: String, limits: &Limits) -> Admission {
    Admission {
        lease_id,
        gateway: "bench".into(),
        account: Account {
            tenant: "acme".into(),
            team: Some("search".into()),
            key: "bench".into(),
        },
        limits: AccountLimits {
            key: limits.clone(),
            team: limits.clone(),
            tenant: limits.clone(),
        },
        reserve: Amount {
            tokens: 4000,
            cost_micros: 100,
        },
        lease_ttl: Duration::from_mins(1),
    }
}

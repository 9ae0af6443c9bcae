use std::time::Duration;

use futures_util::future::join_all;
use store::{
    Account, AccountLimits, Amount, Decision, Extension, ExtensionDecision, Limit, Limits, Settled,
    Settlement, Store, Subject, Usage, UsageFilter, UsageGroup,
};

use crate::Database;
use crate::support::{account, is_admitted, of_key, refusal, turn};

fn ten_a_minute() -> AccountLimits {
    of_key(Limits {
        requests_per_minute: Some(10),
        ..Limits::default()
    })
}

fn settlement(lease_id: &str, input_tokens: u64) -> Settlement {
    let usage = Usage {
        model: "model-a".into(),
        input_tokens,
        output_tokens: 5,
        cost_micros: 30,
        ..Usage::default()
    };
    Settlement {
        lease_id: lease_id.into(),
        account: account(),
        usage,
    }
}

async fn count_admitted(stores: &[Store], limits: &AccountLimits) -> usize {
    let turns = (0..64).map(|number| {
        let store = stores[number % stores.len()].clone();
        let turn = turn(format!("turn-{number}"), limits);
        async move { store.limits().admit(&turn).await.unwrap() }
    });
    join_all(turns)
        .await
        .iter()
        .filter(|decision| is_admitted(decision))
        .count()
}

pub(crate) async fn parallel_turns_pass_exactly_the_limit(database: Database) {
    let store = database.open().await;
    assert_eq!(
        count_admitted(std::slice::from_ref(&store), &ten_a_minute()).await,
        10
    );
    let refused = refusal(
        store
            .limits()
            .admit(&turn("late", &ten_a_minute()))
            .await
            .unwrap(),
    );
    assert_eq!(
        (
            refused.state.limit,
            refused.state.quota,
            refused.state.remaining
        ),
        (Limit::RequestsPerMinute, 10, 0)
    );
    let retry = refused.retry_after.unwrap();
    assert!(
        retry > Duration::ZERO && retry <= Duration::from_secs(6),
        "{retry:?}"
    );
}

pub(crate) async fn two_gateways_share_a_limit(database: Database) {
    let stores = [database.open().await, database.open().await];
    assert_eq!(count_admitted(&stores, &ten_a_minute()).await, 10);
    let seven = AccountLimits {
        tenant: Limits {
            max_concurrent_turns: Some(17),
            ..Limits::default()
        },
        ..AccountLimits::default()
    };
    let turns = (0..40).map(|number| {
        let store = stores[number % 2].clone();
        let turn = turn(format!("again-{number}"), &seven);
        async move { store.limits().admit(&turn).await.unwrap() }
    });
    let admitted = join_all(turns)
        .await
        .iter()
        .filter(|decision| is_admitted(decision))
        .count();
    assert_eq!(admitted, 7, "ten turns of the tenant run already");
}

pub(crate) async fn a_refusal_charges_nobody(database: Database) {
    let limits_store = database.open().await.limits();
    let limits = AccountLimits {
        tenant: Limits {
            max_concurrent_turns: Some(0),
            ..Limits::default()
        },
        ..of_key(Limits {
            requests_per_minute: Some(1),
            tokens_per_day: Some(100),
            ..Limits::default()
        })
    };
    let mut asked = turn("t1", &limits);
    asked.reserve.tokens = 50;
    let refused = refusal(limits_store.admit(&asked).await.unwrap());
    assert_eq!(
        (refused.state.subject, refused.state.limit),
        (Subject::Tenant, Limit::MaxConcurrentTurns)
    );
    assert_eq!(
        limits_store.usage_of(&account()).await.unwrap()[0]
            .tokens_today
            .reserved,
        0
    );
    asked.limits.tenant = Limits::default();
    assert!(
        is_admitted(&limits_store.admit(&asked).await.unwrap()),
        "its one request is still there"
    );
}

pub(crate) async fn a_lease_that_expires_counts_no_more(database: Database) {
    let limits_store = database.open().await.limits();
    let limits = of_key(Limits {
        max_concurrent_turns: Some(1),
        tokens_per_day: Some(10),
        ..Limits::default()
    });
    let mut first = turn("dead", &limits);
    (first.lease_ttl, first.reserve.tokens) = (Duration::from_millis(300), 10);
    assert!(is_admitted(&limits_store.admit(&first).await.unwrap()));
    refusal(limits_store.admit(&turn("t2", &limits)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(is_admitted(
        &limits_store.admit(&turn("t2", &limits)).await.unwrap()
    ));
    assert_eq!(limits_store.sweep().await.unwrap().leases, 1);
    let ids = ["dead".to_owned(), "t2".to_owned()];
    assert_eq!(
        limits_store
            .heartbeat(&ids, Duration::from_mins(1))
            .await
            .unwrap(),
        ["dead"]
    );
}

pub(crate) async fn a_reservation_counts_until_it_is_settled(database: Database) {
    let limits_store = database.open().await.limits();
    let limits = of_key(Limits {
        tokens_per_month: Some(100),
        cost_micros_per_month: Some(1000),
        ..Limits::default()
    });
    let mut asked = turn("t1", &limits);
    asked.reserve = Amount {
        tokens: 80,
        cost_micros: 10,
    };
    assert!(is_admitted(&limits_store.admit(&asked).await.unwrap()));
    asked.lease_id = "t2".into();
    let refused = refusal(limits_store.admit(&asked).await.unwrap());
    assert_eq!(
        (refused.state.limit, refused.state.remaining),
        (Limit::TokensPerMonth, 20)
    );
    limits_store.settle(&settlement("t1", 10)).await.unwrap();
    let usage = limits_store.usage_of(&account()).await.unwrap();
    assert_eq!(usage.len(), 3);
    for subject in &usage {
        assert_eq!(
            (
                subject.tokens_this_month.used,
                subject.tokens_this_month.reserved
            ),
            (15, 0)
        );
        assert_eq!(
            (
                subject.tokens_today.used,
                subject.cost_micros_this_month.used
            ),
            (15, 30)
        );
    }
    assert!(is_admitted(&limits_store.admit(&asked).await.unwrap()));
}

pub(crate) async fn a_turn_is_settled_once(database: Database) {
    let store = database.open().await;
    let limits_store = store.limits();
    assert!(is_admitted(
        &limits_store
            .admit(&turn("t1", &AccountLimits::default()))
            .await
            .unwrap()
    ));
    let settlement = settlement("t1", 10);
    let tries = join_all((0..8).map(|_| limits_store.settle(&settlement))).await;
    let now = tries
        .into_iter()
        .filter(|settled| matches!(settled, Ok(Settled::Now)))
        .count();
    assert_eq!(now, 1);
    assert_eq!(
        limits_store.settle(&settlement).await.unwrap(),
        Settled::Before
    );
    let rows = store
        .usage()
        .report(&UsageFilter::default(), UsageGroup::Day)
        .await
        .unwrap();
    assert_eq!(
        (
            rows.len(),
            rows[0].calls,
            rows[0].input_tokens,
            rows[0].cost_micros
        ),
        (1, 1, 10, 30)
    );
}

pub(crate) async fn a_shadow_only_records(database: Database) {
    let limits_store = database.open().await.limits();
    let limits = of_key(Limits {
        requests_per_minute: Some(1),
        shadow: true,
        ..Limits::default()
    });
    limits_store.admit(&turn("t1", &limits)).await.unwrap();
    match limits_store.admit(&turn("t2", &limits)).await.unwrap() {
        Decision::Admitted(admitted) => {
            assert_eq!(admitted.shadowed[0].state.limit, Limit::RequestsPerMinute);
        }
        Decision::Refused(refusal) => panic!("{refusal:?}"),
    }
}

pub(crate) async fn a_turn_that_goes_on_reserves_more(database: Database) {
    let limits_store = database.open().await.limits();
    let limits = of_key(Limits {
        tokens_per_day: Some(100),
        ..Limits::default()
    });
    let mut asked = turn("t1", &limits);
    asked.reserve.tokens = 50;
    limits_store.admit(&asked).await.unwrap();
    let mut extension = Extension {
        lease_id: "t1".into(),
        account: account(),
        limits,
        more: Amount {
            tokens: 50,
            cost_micros: 0,
        },
    };
    assert_eq!(
        limits_store.extend(&extension).await.unwrap(),
        ExtensionDecision::Extended
    );
    assert!(matches!(
        limits_store.extend(&extension).await.unwrap(),
        ExtensionDecision::Refused(_)
    ));
    limits_store.release("t1").await.unwrap();
    extension.more.tokens = 1;
    assert_eq!(
        limits_store.extend(&extension).await.unwrap(),
        ExtensionDecision::LeaseLost
    );
}

pub(crate) async fn usage_is_reported_by_group(database: Database) {
    let store = database.open().await;
    let other = Account {
        tenant: "other".into(),
        team: None,
        key: "k9".into(),
    };
    store.limits().settle(&settlement("a", 1)).await.unwrap();
    store.limits().settle(&settlement("b", 2)).await.unwrap();
    store
        .limits()
        .settle(&Settlement {
            account: other,
            ..settlement("c", 4)
        })
        .await
        .unwrap();
    let report = async |filter: UsageFilter, group| {
        let rows = store.usage().report(&filter, group).await.unwrap();
        rows.into_iter()
            .map(|row| (row.name, row.calls, row.input_tokens))
            .collect::<Vec<_>>()
    };
    let all = UsageFilter::default;
    assert_eq!(
        report(all(), UsageGroup::Tenant).await,
        [("acme".into(), 2, 3), ("other".into(), 1, 4)]
    );
    assert_eq!(
        report(all(), UsageGroup::Team).await,
        [("search".into(), 2, 3), (String::new(), 1, 4)]
    );
    assert_eq!(
        report(all(), UsageGroup::Model).await,
        [("model-a".into(), 3, 7)]
    );
    let acme = UsageFilter {
        tenant: Some("acme".into()),
        ..all()
    };
    assert_eq!(report(acme, UsageGroup::Key).await, [("k1".into(), 2, 3)]);
    let past = UsageFilter {
        until: Some(jiff::civil::date(2020, 1, 1)),
        ..all()
    };
    assert_eq!(report(past, UsageGroup::Day).await, []);
}

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::{KeyFilter, Limits, NewKey, StoreError};

use crate::Database;

fn new_key(public_id: &str, label: &str) -> NewKey {
    NewKey {
        public_id: public_id.into(),
        secret_sha256: [7; 32],
        label: label.into(),
        tenant: "acme".into(),
        team: None,
        scopes: vec!["chat".into(), "skill:*".into()],
        limits: Limits {
            requests_per_minute: Some(10),
            shadow: true,
            ..Limits::default()
        },
        expires_at: None,
    }
}

pub(crate) async fn a_key_is_found_as_it_was_made(database: Database) {
    let keys = database.open().await.keys();
    let expires_at = Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap();
    let new = NewKey {
        expires_at: Some(expires_at),
        team: Some("search".into()),
        ..new_key("k1", "laptop")
    };
    keys.create(&new).await.unwrap();
    let found = keys.find("k1").await.unwrap().unwrap();
    assert_eq!(
        (&*found.label, &*found.tenant, found.team.as_deref()),
        ("laptop", "acme", Some("search"))
    );
    assert_eq!(
        (&found.scopes, &found.limits, found.expires_at),
        (&new.scopes, &new.limits, Some(expires_at))
    );
    assert_eq!(found.secrets[0].sha256, [7; 32]);
    assert!(found.is_live(found.read_at));
    assert!(!found.is_live(expires_at), "it ends at its expiry");
    assert_eq!(found.live_secrets(expires_at).count(), 0);
    assert!(keys.find("k2").await.unwrap().is_none());
    assert_eq!(
        keys.list(&KeyFilter {
            tenant: Some("other".into()),
            ..KeyFilter::default()
        })
        .await
        .unwrap(),
        []
    );
    assert_eq!(keys.list(&KeyFilter::default()).await.unwrap().len(), 1);
}

pub(crate) async fn a_label_names_one_live_key(database: Database) {
    let keys = database.open().await.keys();
    keys.create(&new_key("k1", "laptop")).await.unwrap();
    assert!(matches!(
        keys.create(&new_key("k2", "laptop")).await,
        Err(StoreError::KeyExists)
    ));
    assert!(matches!(
        keys.create(&new_key("k1", "phone")).await,
        Err(StoreError::KeyExists)
    ));
    assert!(keys.revoke("nobody").await.unwrap().is_none());
    let revoked = keys.revoke("laptop").await.unwrap().unwrap();
    assert_eq!(revoked.live_secrets(revoked.read_at).count(), 0);
    assert!(
        keys.rotate("k1", &[8; 32], Duration::ZERO)
            .await
            .unwrap()
            .is_none(),
        "a revoked key stays revoked"
    );
    keys.create(&new_key("k2", "laptop")).await.unwrap();
    assert_eq!(keys.list(&KeyFilter::default()).await.unwrap().len(), 1);
    assert_eq!(
        keys.list(&KeyFilter {
            include_revoked: true,
            ..KeyFilter::default()
        })
        .await
        .unwrap()
        .len(),
        2
    );
}

pub(crate) async fn two_secrets_count_while_a_rotation_lasts(database: Database) {
    let keys = database.open().await.keys();
    keys.create(&new_key("k1", "laptop")).await.unwrap();
    let key = keys
        .rotate("laptop", &[8; 32], Duration::from_mins(1))
        .await
        .unwrap()
        .unwrap();
    let hashes = |now| {
        key.live_secrets(now)
            .map(|secret| secret.sha256[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(hashes(key.read_at), [8, 7]);
    assert_eq!(hashes(key.read_at + SignedDuration::from_secs(61)), [8]);
    let key = keys
        .rotate("k1", &[9; 32], Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        key.live_secrets(key.read_at)
            .map(|secret| secret.sha256[0])
            .collect::<Vec<_>>(),
        [9]
    );
    assert_eq!(key.secrets.len(), 2, "never three");
}

pub(crate) async fn changes_are_seen_by_another_store(database: Database) {
    let (here, there) = (database.open().await.keys(), database.open().await.keys());
    here.create(&new_key("k1", "laptop")).await.unwrap();
    let seen = there.changes_since(0).await.unwrap();
    assert_eq!(seen.public_ids, ["k1"]);
    assert!(
        there
            .changes_since(seen.version)
            .await
            .unwrap()
            .public_ids
            .is_empty()
    );
    here.revoke("k1").await.unwrap();
    let changes = there.changes_since(seen.version).await.unwrap();
    assert_eq!(changes.public_ids, ["k1"]);
    assert!(changes.version > seen.version);
    assert!(
        there
            .find("k1")
            .await
            .unwrap()
            .unwrap()
            .revoked_at
            .is_some()
    );
}

pub(crate) async fn use_is_written_once_a_minute(database: Database) {
    let keys = database.open().await.keys();
    keys.create(&new_key("k1", "laptop")).await.unwrap();
    keys.note_used("k1");
    assert!(
        keys.find("k1")
            .await
            .unwrap()
            .unwrap()
            .last_used_at
            .is_none()
    );
    keys.write_last_used().await.unwrap();
    let first = keys.find("k1").await.unwrap().unwrap().last_used_at;
    assert!(first.is_some());
    keys.note_used("k1");
    keys.write_last_used().await.unwrap();
    assert_eq!(keys.find("k1").await.unwrap().unwrap().last_used_at, first);
}

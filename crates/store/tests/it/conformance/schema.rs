use futures_util::future::join_all;
use sqlx::{Connection, Executor};
use store::{Store, StoreError};

use crate::Database;

pub(crate) async fn eight_start_at_once(database: Database) {
    let settings = database.settings();
    let stores = join_all((0..8).map(|_| Store::open(&settings))).await;
    for store in stores {
        let check = store.unwrap().check().await.unwrap();
        assert_eq!(check.schema_version, 2);
        assert!(check.clock_difference.unsigned_abs().as_secs() < 5);
    }
}

pub(crate) async fn a_newer_schema_is_refused(database: Database) {
    database.open().await.close().await;
    execute(&database, "UPDATE schema_version SET version = 999").await;
    let refused = Store::open(&database.settings()).await.err().unwrap();
    assert!(
        matches!(
            refused,
            StoreError::NewerSchema {
                found: 999,
                known: 2
            }
        ),
        "{refused}"
    );
}

pub(crate) async fn an_older_schema_is_brought_up_to_date(database: Database) {
    database.open().await.close().await;
    for table in ["accounts", "leases", "settlements", "usage"] {
        execute(&database, &format!("DROP TABLE {table}")).await;
    }
    execute(&database, "UPDATE schema_version SET version = 1").await;
    let store = database.open().await;
    assert_eq!(store.check().await.unwrap().schema_version, 2);
    store.limits().sweep().await.unwrap();
}

async fn execute(database: &Database, statement: &str) {
    let mut connection = sqlx::AnyConnection::connect(&database.url).await.unwrap();
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}

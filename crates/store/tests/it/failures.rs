//! What goes wrong with a database, and how the store says it.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor};
use store::{AccountLimits, Location, Store, StoreError, StoreSettings};
use test_postgres::{Durability, Server};

use crate::Database;
use crate::support::{account, is_admitted, turn};

async fn open(url: &str) -> Result<Store, StoreError> {
    Store::open(&StoreSettings::new(Location::parse(url)?)).await
}

async fn failure(url: &str) -> StoreError {
    open(url).await.err().unwrap()
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_its_password() {
    let password = "correct-horse";
    for url in [
        format!("mysql://user:{password}@host/database"),
        format!("postgres://user:{password}@host"),
        format!("postgres://user:{password}@:5432/database"),
        format!("postgres://user@host/database?pasword={password}"),
        format!("postgres://user:{password}@host:port/database"),
        format!("postgres://user@host/database?sslmode={password}"),
        "sqlite:".to_owned(),
        format!("sqlite:file.db?mode={password}"),
        password.to_owned(),
    ] {
        let error = failure(&url).await;
        assert!(matches!(error, StoreError::BadUrl(_)), "{url}: {error:?}");
        assert!(
            !format!("{error} {error:?}").contains(password),
            "{error:?}"
        );
    }
    let location = Location::parse(&format!("postgres://user:{password}@db.test/main")).unwrap();
    assert!(!format!("{location:?} {}", location.describe()).contains(password));
    assert_eq!(location.describe(), "PostgreSQL, db.test/main");
}

#[tokio::test]
async fn a_server_that_refuses_or_is_silent_is_said_in_time() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = failure(&format!("postgres://user@{closed}/database")).await;
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = failure(&format!(
        "postgres://user@{}/database",
        silent.local_addr().unwrap()
    ))
    .await;
    assert!(matches!(error, StoreError::TimedOut), "{error:?}");
}

#[tokio::test]
async fn what_a_server_refuses_is_told_apart() {
    let Some(server) = Server::start(Durability::None) else {
        return;
    };
    server
        .execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'known'")
        .await;
    server.execute("postgres", "CREATE ROLE reader LOGIN").await;
    server
        .execute("postgres", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await;
    let url = |user: &str, database: &str| {
        format!("postgres://{user}@127.0.0.1:{}/{database}", server.port())
    };
    let error = failure(&url("guest:wrong-password", "postgres")).await;
    assert!(matches!(error, StoreError::AccessDenied), "{error:?}");
    assert!(!format!("{error:?}").contains("wrong-password"));
    let error = failure(&url("portcullis", "absent")).await;
    assert!(matches!(error, StoreError::NoSuchDatabase), "{error:?}");
    let error = failure(&url("reader", "postgres")).await;
    assert!(
        matches!(&error, StoreError::Migration { cause, .. } if matches!(**cause, StoreError::PermissionDenied)),
        "{error:?}"
    );
    let error = failure(&format!(
        "{}?sslmode=require",
        url("portcullis", "postgres")
    ))
    .await;
    assert!(matches!(error, StoreError::Tls(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_used_again_when_it_is_back() {
    let Some(mut server) = Server::start(Durability::Full) else {
        return;
    };
    let store = open(&server.database().await).await.unwrap();
    let limits = AccountLimits::default();
    // Several connections are in the pool when the server ends.
    let turns = (0..6).map(|number| {
        let (store, turn) = (store.limits(), turn(format!("before-{number}"), &limits));
        async move { store.admit(&turn).await }
    });
    futures_util::future::join_all(turns).await;
    server.kill();
    let asked = Instant::now();
    let error = store
        .limits()
        .admit(&turn("during", &limits))
        .await
        .unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(8));
    server.restart();
    assert!(is_admitted(
        &store.limits().admit(&turn("after", &limits)).await.unwrap()
    ));
    assert!(store.keys().find("nobody").await.unwrap().is_none());
    let asked = Instant::now();
    server.pause();
    let error = store.keys().find("nobody").await.unwrap_err();
    server.resume();
    assert!(matches!(error, StoreError::TimedOut), "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(15));
    assert!(store.limits().usage_of(&account()).await.is_ok());
}

#[tokio::test]
async fn a_directory_that_is_missing_or_read_only_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("absent");
    let error = failure(&format!("sqlite:{}/a.db", missing.display())).await;
    assert!(
        matches!(&error, StoreError::DirectoryMissing(path) if *path == missing),
        "{error:?}"
    );
    let error = failure(&format!("sqlite:{}", directory.path().display())).await;
    assert!(matches!(error, StoreError::BadUrl(_)), "{error:?}");
    // Root may write anywhere but on a file system that is read-only, such as this one.
    let error = failure("sqlite:/proc/portcullis.db").await;
    assert!(
        matches!(&error, StoreError::NotWritable(path) if path == Path::new("/proc/portcullis.db")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_one() {
    let database = Database::sqlite();
    let path = database.url.strip_prefix("sqlite:").unwrap();
    std::fs::write(path, "this is no database, ".repeat(500)).unwrap();
    assert!(matches!(
        failure(&database.url).await,
        StoreError::Damaged(_)
    ));
    std::fs::remove_file(path).unwrap();
    let store = database.open().await;
    store.close().await;
    let mut bytes = std::fs::read(path).unwrap();
    bytes[100..].fill(0xee);
    std::fs::write(path, bytes).unwrap();
    assert!(matches!(
        failure(&database.url).await,
        StoreError::Damaged(_)
    ));
}

#[tokio::test]
async fn a_locked_file_is_said_to_be_one() {
    let database = Database::sqlite();
    let mut settings = database.settings();
    settings.operation_timeout = Duration::from_millis(300);
    let store = Store::open(&settings).await.unwrap();
    let mut other = sqlx::AnyConnection::connect(&database.url).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let error = store.limits().sweep().await.unwrap_err();
    assert!(
        matches!(error, StoreError::Locked | StoreError::TimedOut),
        "{error:?}"
    );
    assert!(
        store.keys().find("nobody").await.unwrap().is_none(),
        "readers go on"
    );
    other.execute("COMMIT").await.unwrap();
    store.limits().sweep().await.unwrap();
}

/// Once to start itself on small disks, and once on each of them.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "a disk is full for a whole process, so this one starts another"
)]
async fn a_full_disk_is_said_to_be_one() {
    if std::env::var_os("ON_SMALL_DISK").is_some() {
        return fill_the_disk().await;
    }
    // A limit on the size of files is a quota. An ignored signal stays ignored in the program.
    run_on_small_disk(
        "sh",
        &["-c", r#"trap "" XFSZ; ulimit -f 2000; exec "$@""#, "sh"],
    );
    if std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
    {
        let script = r#"mount -t tmpfs -o size=1m none "$TMPDIR" && exec "$@""#;
        run_on_small_disk("unshare", &["--mount", "sh", "-c", script, "sh"]);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a full disk is that of a whole process"
)]
fn run_on_small_disk(program: &str, arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let ran = std::process::Command::new(program)
        .args(arguments)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "failures::a_full_disk_is_said_to_be_one"])
        .env("ON_SMALL_DISK", "1")
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && output.contains("1 passed"),
        "{program}: {output}"
    );
}

async fn fill_the_disk() {
    let database = Database::sqlite();
    let store = database.open().await;
    let mut last = Ok(());
    for number in 0..5000 {
        let mut asked = turn(format!("turn-{number}"), &AccountLimits::default());
        asked.gateway = "g".repeat(2000);
        last = store.limits().admit(&asked).await.map(|_| ());
        if last.is_err() {
            break;
        }
    }
    let error = last.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert!(
        store.keys().find("nobody").await.unwrap().is_none(),
        "readers go on"
    );
}

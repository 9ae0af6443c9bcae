//! A database of its own for each test.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use store::{
    Account, AccountLimits, Admission, Amount, Decision, Limits, Location, Refusal, Store,
    StoreSettings,
};
use test_postgres::{Durability, Server};

pub(crate) struct Database {
    pub(crate) url: String,
    // Held for their ends alone.
    _directory: Option<tempfile::TempDir>,
    _server: Option<Arc<Server>>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite:{}",
            directory.path().join("portcullis.db").display()
        );
        Self {
            url,
            _directory: Some(directory),
            _server: None,
        }
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let server = shared_server()?;
        let url = server.database().await;
        Some(Self {
            url,
            _directory: None,
            _server: Some(server),
        })
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        StoreSettings::new(Location::parse(&self.url).unwrap())
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.settings()).await.unwrap()
    }
}

/// One server for the tests that run at the same time; it stops with the last of them.
fn shared_server() -> Option<Arc<Server>> {
    static SERVER: OnceLock<Mutex<Weak<Server>>> = OnceLock::new();
    let mut shared = SERVER.get_or_init(Mutex::default).lock().unwrap();
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Server::start(Durability::None)?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

pub(crate) fn account() -> Account {
    Account {
        tenant: "acme".into(),
        team: Some("search".into()),
        key: "k1".into(),
    }
}

pub(crate) fn of_key(limits: Limits) -> AccountLimits {
    AccountLimits {
        key: limits,
        ..AccountLimits::default()
    }
}

pub(crate) fn turn(lease_id: impl Into<String>, limits: &AccountLimits) -> Admission {
    Admission {
        lease_id: lease_id.into(),
        gateway: "gateway-1".into(),
        account: account(),
        limits: limits.clone(),
        reserve: Amount::default(),
        lease_ttl: std::time::Duration::from_mins(1),
    }
}

pub(crate) fn refusal(decision: Decision) -> Refusal {
    match decision {
        Decision::Refused(refusal) => refusal,
        Decision::Admitted(admitted) => panic!("admitted: {admitted:?}"),
    }
}

pub(crate) fn is_admitted(decision: &Decision) -> bool {
    matches!(decision, Decision::Admitted(_))
}

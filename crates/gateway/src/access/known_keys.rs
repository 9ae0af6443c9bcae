//! The API keys that are in use, kept in memory and held against the database.
//!
//! A key is read from the database once. From then on only the database's counter of changes is asked, and
//! what it names is forgotten. While the database is away, what is known counts for a set time; nobody is
//! let in who was not known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hashlink::LruCache;
use jiff::Timestamp;
use parking_lot::Mutex;
use store::{Key, KeyChanges, Keys, StoreError};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::api_key::ApiKey;
use super::caller::Caller;
use super::scopes::Scopes;

/// Keys in memory: the last ones used.
const MAX_KEYS: usize = 10_000;

/// A change that is older than this is seen by whoever calls next.
const FRESH: Duration = Duration::from_millis(200);

/// How often the changes are asked for when nobody calls, and when the database is away.
const POLL: Duration = Duration::from_secs(2);

/// A gateway that is idle or slow has seen every change that is as old as this.
const LATEST: Duration = Duration::from_secs(4);

/// The keys of a gateway.
pub(super) struct KnownKeys {
    keys: Keys,
    cache: Mutex<Cache>,
    /// One at a time asks for changes.
    asking: AsyncMutex<()>,
    /// How long what is known counts while the database is away.
    keep: Duration,
}

struct Cache {
    entries: LruCache<String, Arc<KnownKey>>,
    version: i64,
    /// When the database last said what has changed.
    confirmed: Instant,
    is_away: bool,
}

/// A key as the database has it.
#[derive(Debug)]
pub(super) struct KnownKey {
    key: Key,
    caller: Caller,
}

/// Whether a credential is a key, as far as the database can say.
#[derive(Debug)]
pub(super) enum Lookup {
    Found(Arc<KnownKey>),
    Unknown,
    /// The database does not answer.
    Unavailable,
}

impl KnownKeys {
    /// Asks for the first time, so that a gateway starts with a version.
    pub(super) async fn open(keys: Keys, keep: Duration) -> Result<Self, StoreError> {
        let KeyChanges { version, .. } = keys.changes_since(0).await?;
        let cache = Cache {
            entries: LruCache::new(MAX_KEYS),
            version,
            confirmed: Instant::now(),
            is_away: false,
        };
        Ok(Self {
            keys,
            cache: Mutex::new(cache),
            asking: AsyncMutex::new(()),
            keep,
        })
    }

    /// Keeps up with the database until `closing`.
    pub(super) async fn follow(self: Arc<Self>, closing: CancellationToken) {
        while closing.run_until_cancelled(sleep(POLL)).await.is_some() {
            let _one = self.asking.lock().await;
            self.ask().await;
            if let Err(error) = self.keys.write_last_used().await {
                tracing::warn!(%error, "the last use of keys could not be written");
            }
        }
        let _ = self.keys.write_last_used().await;
    }

    /// A key that is in memory costs no question if the changes are fresh.
    pub(super) async fn find(&self, public_id: &str) -> Lookup {
        self.catch_up().await;
        let version = {
            let mut cache = self.cache.lock();
            if cache.confirmed.elapsed() > self.keep {
                return Lookup::Unavailable;
            }
            if let Some(known) = cache.entries.get(public_id) {
                return Lookup::Found(Arc::clone(known));
            }
            cache.version
        };
        match self.keys.find(public_id).await {
            Ok(Some(key)) => {
                let known = Arc::new(KnownKey::new(key));
                let mut cache = self.cache.lock();
                // If the keys have changed meanwhile, this may be the older state.
                if cache.version == version {
                    cache
                        .entries
                        .insert(public_id.to_owned(), Arc::clone(&known));
                }
                Lookup::Found(known)
            }
            Ok(None) => Lookup::Unknown,
            Err(error) => {
                tracing::warn!(%error, "a key could not be looked up");
                Lookup::Unavailable
            }
        }
    }

    /// Asks for the changes first, however fresh they are.
    pub(super) async fn find_anew(&self, public_id: &str) -> Lookup {
        {
            let _one = self.asking.lock().await;
            self.ask().await;
        }
        self.find(public_id).await
    }

    /// Whether the database has been away for so long that nothing is known any more.
    pub(super) fn is_too_old(&self) -> bool {
        self.cache.lock().confirmed.elapsed() > self.keep
    }

    /// Whether the key is in memory, so that finding it costs nothing.
    pub(super) fn is_known(&self, public_id: &str) -> bool {
        self.cache.lock().entries.contains_key(public_id)
    }

    pub(super) fn note_used(&self, public_id: &str) {
        self.keys.note_used(public_id);
    }

    async fn catch_up(&self) {
        let age = |cache: &Cache| cache.confirmed.elapsed();
        let is_due = {
            let cache = self.cache.lock();
            // While the database is away the poll alone asks it: nobody waits for its time limit.
            age(&cache) > FRESH && !cache.is_away
        };
        if !is_due {
            return;
        }
        let _one = match self.asking.try_lock() {
            Ok(one) => one,
            Err(_) if age(&self.cache.lock()) < LATEST => return,
            Err(_) => self.asking.lock().await,
        };
        if age(&self.cache.lock()) > FRESH {
            self.ask().await;
        }
    }

    async fn ask(&self) {
        let version = self.cache.lock().version;
        let asked = Instant::now();
        let changes = self.keys.changes_since(version).await;
        let mut cache = self.cache.lock();
        match changes {
            Ok(KeyChanges {
                version,
                public_ids,
            }) => {
                for public_id in &public_ids {
                    cache.entries.remove(public_id);
                }
                // Of another database, such as one from a backup, nothing is known.
                if version < cache.version {
                    cache.entries.clear();
                }
                cache.version = version;
                cache.confirmed = asked;
                if std::mem::take(&mut cache.is_away) {
                    tracing::info!("the database answers again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut cache.is_away, true) {
                    tracing::error!(%error, "the database does not answer; keys that are known count for a while");
                }
            }
        }
    }
}

impl KnownKey {
    fn new(key: Key) -> Self {
        let scopes = Scopes::parse(key.scopes.iter().map(String::as_str));
        let scopes = scopes.unwrap_or_else(|error| {
            tracing::error!(key_id = key.public_id, %error, "a key has a scope that is none: it may use nothing");
            Scopes::nothing()
        });
        let caller = Caller {
            tenant: key.tenant.clone(),
            team: key.team.clone(),
            key_id: Some(key.public_id.clone()),
            scopes,
            limits: key.limits.clone(),
        };
        Self { key, caller }
    }

    /// The caller, if this is a secret of the key that counts now. It takes as long for every wrong secret.
    pub(super) fn check(&self, shown: &ApiKey) -> Option<&Caller> {
        let shown = shown.sha256();
        let now = Timestamp::now();
        let secrets = self.key.live_secrets(now);
        let matches = secrets.fold(0, |found, secret| {
            found | secret.sha256.ct_eq(&shown).unwrap_u8()
        });
        (matches == 1).then_some(&self.caller)
    }
}

//! Who calls: what a caller shows becomes a [`Caller`], or a refusal.

use std::sync::Arc;
use std::time::Duration;

use store::{Keys, Limits, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api_key::ApiKey;
use super::caller::{Caller, DEFAULT_TENANT};
use super::failed_attempts::FailedAttempts;
use super::jwt::{JwtError, JwtVerifier, VerifiedToken};
use super::known_keys::{KnownKeys, Lookup};
use super::scopes::Scopes;
use crate::client_address::ClientAddress;
use crate::error::{ErrorCode, Problem};

/// How callers show who they are.
pub enum Authenticator {
    /// Not at all: everybody who reaches the gateway may use all of it.
    None,
    Credentials(Box<Credentials>),
}

/// The credentials that are taken.
pub struct Credentials {
    keys: Option<Arc<KnownKeys>>,
    tokens: Option<JwtVerifier>,
    failures: FailedAttempts,
    /// What comes from addresses with too many failures is looked at one after the other.
    slow_lane: Semaphore,
}

impl Credentials {
    /// Neither is given where it is not taken.
    pub fn new(tokens: Option<JwtVerifier>) -> Self {
        Self {
            keys: None,
            tokens,
            failures: FailedAttempts::default(),
            slow_lane: Semaphore::new(1),
        }
    }

    /// Takes API keys too. `keep` is how long known ones count while the database is away.
    pub async fn with_keys(
        mut self,
        keys: Keys,
        keep: Duration,
        tasks: &TaskTracker,
        closing: CancellationToken,
    ) -> Result<Self, StoreError> {
        let keys = Arc::new(KnownKeys::open(keys, keep).await?);
        tasks.spawn(Arc::clone(&keys).follow(closing));
        self.keys = Some(keys);
        Ok(self)
    }

    async fn check(&self, credential: &str, client: ClientAddress) -> Result<Caller, Problem> {
        let wait = self.failures.wait(client);
        let result = match (ApiKey::parse(credential), &self.keys, &self.tokens) {
            (Some(key), Some(keys), _) => {
                let is_free = wait.is_none() || keys.is_known(key.public_id());
                let _turn = self.slow_lane(is_free).await;
                self.check_key(keys, &key, wait.is_none()).await
            }
            (None, _, Some(tokens)) => {
                let _turn = self.slow_lane(wait.is_none()).await;
                check_token(tokens, credential).await
            }
            _ => Err(refused(self.wanted())),
        };
        match (result, wait) {
            (Err(problem), wait) if problem.code == ErrorCode::Unauthenticated => {
                self.failures.add(client);
                Err(wait.map_or(problem, too_many))
            }
            (result, _) => result,
        }
    }

    /// A place in the lane, unless the way is free. Whoever has a right credential waits, and is let in.
    async fn slow_lane(&self, is_free: bool) -> Option<SemaphorePermit<'_>> {
        if is_free {
            return None;
        }
        // It is never closed.
        self.slow_lane.acquire().await.ok()
    }

    async fn check_key(
        &self,
        keys: &KnownKeys,
        key: &ApiKey,
        may_look_twice: bool,
    ) -> Result<Caller, Problem> {
        match keys.find(key.public_id()).await {
            Lookup::Found(known) => {
                let mut caller = known.check(key).cloned();
                // The key may have got a new secret a moment ago.
                if caller.is_none()
                    && may_look_twice
                    && let Lookup::Found(known) = keys.find_anew(key.public_id()).await
                {
                    caller = known.check(key).cloned();
                }
                let caller = caller.ok_or_else(wrong_key)?;
                keys.note_used(key.public_id());
                Ok(caller)
            }
            Lookup::Unknown => Err(wrong_key()),
            Lookup::Unavailable => Err(Problem::new(
                ErrorCode::DatabaseUnavailable,
                "Keys cannot be checked: the database does not answer. Try again in a few seconds.",
            )),
        }
    }

    fn wanted(&self) -> &'static str {
        match (&self.keys, &self.tokens) {
            (Some(_), None) => {
                "This gateway takes API keys: \"Authorization: Bearer pc_…\", or \"x-api-key: pc_…\"."
            }
            (None, Some(_)) => {
                "This gateway takes tokens of its identity provider: \"Authorization: Bearer TOKEN\"."
            }
            _ => {
                "This gateway takes API keys and tokens of its identity provider: \"Authorization: Bearer …\"."
            }
        }
    }
}

impl Authenticator {
    /// `credential` is what the caller has shown, if anything.
    pub async fn authenticate(
        &self,
        credential: Option<&str>,
        client: ClientAddress,
    ) -> Result<Caller, Problem> {
        match (self, credential) {
            (Self::None, _) => Ok(Caller::everybody()),
            (Self::Credentials(credentials), None) => Err(refused(credentials.wanted())),
            (Self::Credentials(credentials), Some(credential)) => {
                credentials.check(credential, client).await
            }
        }
    }

    /// Why credentials cannot be checked now, if they cannot.
    pub fn hindrance(&self) -> Option<&'static str> {
        match self {
            Self::Credentials(credentials)
                if credentials
                    .keys
                    .as_ref()
                    .is_some_and(|keys| keys.is_too_old()) =>
            {
                Some("the database does not answer, and what is known of keys is too old")
            }
            Self::Credentials(credentials)
                if credentials
                    .tokens
                    .as_ref()
                    .is_some_and(|tokens| !tokens.is_ready()) =>
            {
                Some("the identity provider's keys are not available")
            }
            _ => None,
        }
    }
}

async fn check_token(tokens: &JwtVerifier, token: &str) -> Result<Caller, Problem> {
    match tokens.verify(token).await {
        Ok(verified) => Ok(caller(verified)),
        Err(JwtError::NoKeys) => Err(Problem {
            retry_after: Some(Duration::from_secs(10)),
            ..Problem::new(
                ErrorCode::IssuerUnavailable,
                "Tokens cannot be checked: the keys of their issuer are not available. Try again later.",
            )
        }),
        Err(JwtError::Expired) => Err(refused("The token has expired. Get a new one.")),
        Err(JwtError::NotValid) => Err(refused("The token is not valid here.")),
    }
}

fn caller(token: VerifiedToken) -> Caller {
    Caller {
        tenant: token.tenant.unwrap_or_else(|| DEFAULT_TENANT.to_owned()),
        team: token.team,
        key_id: Some(format!("jwt:{}", token.subject)),
        scopes: Scopes::of_token(&token.scopes),
        limits: Limits::default(),
    }
}

/// The same for a key that there is not and for a wrong secret.
fn wrong_key() -> Problem {
    refused("The key is not valid: it is mistyped, expired or revoked.")
}

fn refused(detail: &str) -> Problem {
    Problem::new(ErrorCode::Unauthenticated, detail)
}

fn too_many(wait: Duration) -> Problem {
    Problem {
        retry_after: Some(Duration::from_secs(wait.as_secs() + 1)),
        ..Problem::new(
            ErrorCode::RateLimited,
            "Too many wrong credentials came from this address. Try again later.",
        )
    }
}

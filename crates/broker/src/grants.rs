//! Who may call the model now, and what they have used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redact::Counts;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::failure::ProviderFailure;
use super::finish::Finish;
use super::grant::Grant;
use super::open_call::OpenCall;
use super::refusal::Refusal;
use super::usage::Usage;

/// Model calls that one turn may make. A chat makes one, a turn with tools one for each round; this
/// many rounds is a loop, and each of them costs money.
pub(super) const MAX_MODEL_CALLS: u32 = 32;

/// The live turns, by the SHA-256 of their credential.
///
/// The credential itself is not kept: a memory dump of the map gives nobody a token, and since a caller
/// cannot steer digests, how long a lookup takes says nothing about how much of a guess was right.
pub(super) struct Grants {
    live: Mutex<HashMap<CredentialDigest, Arc<LiveTurn>>>,
    shutdown: CancellationToken,
}

type CredentialDigest = [u8; 32];

impl Grants {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self {
            live: Mutex::default(),
            shutdown,
        }
    }

    pub(super) fn issue(&self, credential: &SecretString, grant: Grant) -> Arc<LiveTurn> {
        let digest = digest(credential.expose_secret());
        let turn = Arc::new(LiveTurn {
            digest,
            grant,
            revoked: self.shutdown.child_token(),
            ledger: Mutex::default(),
        });
        if let Some(older) = lock(&self.live).insert(digest, Arc::clone(&turn)) {
            older.revoked.cancel();
        }
        turn
    }

    /// The turn whose credential this is, if it still lives.
    pub(super) fn find(&self, credential: &str) -> Option<Arc<LiveTurn>> {
        let turn = lock(&self.live).get(&digest(credential)).cloned()?;
        (!turn.is_over()).then_some(turn)
    }

    pub(super) fn revoke(&self, turn: &Arc<LiveTurn>) {
        let mut live = lock(&self.live);
        // The same credential may have been issued again meanwhile: that turn is not ours to end.
        if live
            .get(&turn.digest)
            .is_some_and(|current| Arc::ptr_eq(current, turn))
        {
            live.remove(&turn.digest);
        }
        drop(live);
        turn.revoked.cancel();
    }
}

/// One turn between `issue` and the drop of its token.
pub(super) struct LiveTurn {
    digest: CredentialDigest,
    pub(super) grant: Grant,
    revoked: CancellationToken,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    usage: Usage,
    failure: Option<ProviderFailure>,
    finish: Option<Finish>,
    redactions: Counts,
    model_calls: u32,
    /// Calls whose end has not come. Those that never end stay here.
    open: Vec<Arc<OpenCall>>,
    is_out_of_budget: bool,
}

/// The least that the Responses API takes for `max_output_tokens`.
const MIN_OUTPUT_TOKENS: u64 = 16;

impl Ledger {
    fn used(&self) -> Usage {
        let mut used = self.usage;
        for call in &self.open {
            used.add(call.estimate());
        }
        used
    }
}

impl LiveTurn {
    /// Counts a call whose request has about `input_tokens`.
    pub(super) fn begin_call(&self, input_tokens: u64) -> Result<Arc<OpenCall>, Refusal> {
        let mut ledger = lock(&self.ledger);
        if ledger.model_calls >= MAX_MODEL_CALLS {
            return Err(Refusal::TooManyCalls);
        }
        let Usage {
            input_tokens: used_in,
            output_tokens: used_out,
            ..
        } = ledger.usage;
        // Calls at the same time share what is left.
        let open = ledger.open.iter().map(|call| call.reserved());
        let needed = open.fold(
            used_in
                .saturating_add(used_out)
                .saturating_add(input_tokens),
            u64::saturating_add,
        );
        let left = self
            .grant
            .max_tokens
            .map(|most| most.saturating_sub(needed));
        if left.is_some_and(|left| left < MIN_OUTPUT_TOKENS) {
            ledger.is_out_of_budget = true;
            return Err(Refusal::OutOfBudget);
        }
        ledger.model_calls += 1;
        let call = Arc::new(OpenCall::new(ledger.model_calls, input_tokens, left));
        ledger.open.push(Arc::clone(&call));
        Ok(call)
    }

    /// The call has ended as calls do, or has cost nothing.
    pub(super) fn end_call(&self, call: &Arc<OpenCall>, usage: Usage) {
        let mut ledger = lock(&self.ledger);
        ledger.open.retain(|open| !Arc::ptr_eq(open, call));
        ledger.usage.add(usage);
    }

    /// The turn has used what it may.
    pub(super) fn run_out_of_budget(&self) {
        lock(&self.ledger).is_out_of_budget = true;
    }

    pub(super) fn is_out_of_budget(&self) -> bool {
        lock(&self.ledger).is_out_of_budget
    }

    /// Whether calls were broken off, whose usage nobody has reported.
    pub(super) fn usage_is_estimated(&self) -> bool {
        !lock(&self.ledger).open.is_empty()
    }

    /// Resolves when the turn is over: revoked, shut down, or past its deadline.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let revoked = self.revoked.clone();
        let deadline = self.grant.deadline.instant();
        async move {
            tokio::select! {
                () = revoked.cancelled() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        self.revoked.is_cancelled() || self.grant.deadline.is_past()
    }

    /// Keeps the first failure: what follows it is a consequence.
    pub(super) fn fail(&self, failure: ProviderFailure) {
        lock(&self.ledger).failure.get_or_insert(failure);
    }

    /// Of the last call: those before it ended in calls of tools.
    pub(super) fn end_answer(&self, finish: Finish) {
        lock(&self.ledger).finish = Some(finish);
    }

    pub(super) fn finish(&self) -> Option<Finish> {
        lock(&self.ledger).finish
    }

    pub(super) fn add_redactions(&self, counts: &Counts) {
        lock(&self.ledger).redactions.add(counts);
    }

    pub(super) fn redactions(&self) -> Counts {
        lock(&self.ledger).redactions.clone()
    }

    pub(super) fn usage(&self) -> Usage {
        lock(&self.ledger).used()
    }

    pub(super) fn failure(&self) -> Option<ProviderFailure> {
        lock(&self.ledger).failure.clone()
    }

    pub(super) fn model_calls(&self) -> u32 {
        lock(&self.ledger).model_calls
    }
}

fn digest(credential: &str) -> CredentialDigest {
    Sha256::digest(credential.as_bytes()).into()
}

/// A panic while a lock is held leaves nothing half-written in these maps and counters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

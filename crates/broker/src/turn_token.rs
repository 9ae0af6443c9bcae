use std::sync::Arc;

use redact::Counts;
use secrecy::SecretString;

use crate::failure::ProviderFailure;
use crate::finish::Finish;
use crate::grant::Grant;
use crate::grants::{Grants, LiveTurn};
use crate::usage::Usage;

/// Keeps a turn's credential alive. Dropping it revokes the credential and cancels the turn's
/// upstream calls at once.
#[must_use = "dropping the token revokes the credential"]
pub struct TurnToken {
    grants: Arc<Grants>,
    turn: Arc<LiveTurn>,
}

impl TurnToken {
    pub(crate) fn issue(grants: &Arc<Grants>, credential: &SecretString, grant: Grant) -> Self {
        Self {
            turn: grants.issue(credential, grant),
            grants: Arc::clone(grants),
        }
    }

    /// What the turn's model calls have cost so far; complete when the CLI reports the turn's end.
    pub fn usage(&self) -> Usage {
        self.turn.usage()
    }

    /// Whether some of that is an estimate: of calls that were broken off, and billed all the same.
    pub fn usage_is_estimated(&self) -> bool {
        self.turn.usage_is_estimated()
    }

    /// Whether a call was refused or cut because the turn has used what it may.
    pub fn is_out_of_budget(&self) -> bool {
        self.turn.is_out_of_budget()
    }

    /// Secrets that were replaced in the turn's requests to the model, by rule.
    pub fn redactions(&self) -> Counts {
        self.turn.redactions()
    }

    /// The first failure of the turn's model calls; recorded before the CLI can see it.
    ///
    /// A passed deadline is not one: the caller knows its deadline, and answers 504 for it.
    pub fn failure(&self) -> Option<ProviderFailure> {
        self.turn.failure()
    }

    /// Whether nothing has run in the turn, and the provider said when to ask again: then the same call may
    /// be made again.
    pub fn may_be_asked_again(&self) -> bool {
        let failure = self.failure();
        failure.is_some_and(|failure| failure.retry_after.is_some())
    }

    /// How the provider said that the turn's last answer ended.
    pub fn finish(&self) -> Option<Finish> {
        self.turn.finish()
    }

    /// How many requests of the turn were let through to the provider.
    pub fn model_calls(&self) -> u32 {
        self.turn.model_calls()
    }
}

impl Drop for TurnToken {
    fn drop(&mut self) {
        self.grants.revoke(&self.turn);
    }
}

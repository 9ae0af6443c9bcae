use std::sync::Arc;

use redact::Redactor;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::BrokerState;
use crate::grant::Grant;
use crate::grants::Grants;
use crate::listener;
use crate::memory_budget::MemoryBudget;
use crate::providers::Provider;
use crate::settings::ProviderSettings;
use crate::start_error::BrokerStartError;
use crate::turn_token::TurnToken;

/// The running broker. Cheap to clone; it serves what it is given until its shutdown token fires.
#[derive(Clone)]
pub struct Broker {
    state: Arc<BrokerState>,
    grants: Arc<Grants>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Broker {
    /// `shutdown` is the hard end: it revokes every live turn and cuts every stream. A drain lets the
    /// turns end first and cancels it then.
    pub fn start(
        provider: &ProviderSettings,
        redactor: Redactor,
        tracker: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Result<Self, BrokerStartError> {
        let grants = Arc::new(Grants::new(shutdown.clone()));
        let state = BrokerState {
            provider: Provider::new(provider)?,
            redactor,
            grants: Arc::clone(&grants),
            tracker: tracker.clone(),
            memory_budget: MemoryBudget::new(),
        };
        Ok(Self {
            state: Arc::new(state),
            grants,
            tracker: tracker.clone(),
            shutdown,
        })
    }

    /// Serves the children that connect to `listener`, on the loopback of this machine or of one child's
    /// sandbox, until `closed`; then it is dropped with its connections. `turns` is how many they may run
    /// at once: that bounds their connections and the memory of their requests.
    pub fn serve(&self, listener: TcpListener, turns: usize, closed: CancellationToken) {
        let state = Arc::clone(&self.state);
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            let serving = CancellationToken::new();
            let _ends_connections = serving.clone().drop_guard();
            tokio::select! {
                () = closed.cancelled() => {}
                () = shutdown.cancelled() => {}
                () = listener::serve(listener, state, turns, serving) => {}
            }
        });
    }

    /// Makes `credential` valid for one turn.
    ///
    /// Threads are prepared ahead with a credential that is worth nothing until this call. A credential
    /// is for one turn: issued again while it lives, it ends the older turn.
    pub fn issue(&self, credential: &SecretString, grant: Grant) -> TurnToken {
        TurnToken::issue(&self.grants, credential, grant)
    }
}

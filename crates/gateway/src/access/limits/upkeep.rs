//! What goes on beside the calls: leases are renewed, settlements that could not be written are written, and
//! what dead gateways held is released.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{CallLimits, LEASE_TTL};

const TICK: Duration = Duration::from_secs(1);

/// In ticks.
const HEARTBEAT_EVERY: u64 = 10;
const SWEEP_EVERY: u64 = 30;

/// Settlements that are written in one tick.
const BATCH: usize = 500;

/// At the end, for what is still to be written.
const LAST_SETTLEMENTS: Duration = Duration::from_secs(3);

impl CallLimits {
    /// Until `closing`, which comes after the last call.
    pub async fn follow(self, closing: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u64;
        while closing.run_until_cancelled(ticks.tick()).await.is_some() {
            count += 1;
            self.write_unsettled().await;
            if count.is_multiple_of(HEARTBEAT_EVERY) {
                self.renew().await;
            }
            if count.is_multiple_of(SWEEP_EVERY) {
                self.sweep().await;
            }
        }
        let _ = timeout(LAST_SETTLEMENTS, self.write_unsettled()).await;
        let left = self.parts.unsettled.lock().len();
        if left > 0 {
            tracing::error!(
                calls = left,
                "the database is away: the usage of calls is lost"
            );
        }
    }

    async fn write_unsettled(&self) {
        for _ in 0..BATCH {
            let Some(settlement) = self.parts.unsettled.lock().front().cloned() else {
                return;
            };
            match self.parts.store.settle(&settlement).await {
                Ok(_) => {
                    let mut unsettled = self.parts.unsettled.lock();
                    if unsettled
                        .front()
                        .is_some_and(|first| first.lease_id == settlement.lease_id)
                    {
                        unsettled.pop_front();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the usage of calls cannot be written yet");
                    return;
                }
            }
        }
    }

    async fn renew(&self) {
        let running: Vec<String> = self.parts.running.lock().iter().cloned().collect();
        if running.is_empty() {
            return;
        }
        match self.parts.store.heartbeat(&running, LEASE_TTL).await {
            Ok(lost) if lost.is_empty() => {}
            Ok(lost) => tracing::warn!(
                calls = lost.len(),
                "calls run that no limit counts any more"
            ),
            Err(error) => tracing::warn!(%error, "leases cannot be renewed"),
        }
    }

    async fn sweep(&self) {
        match self.parts.store.sweep().await {
            Ok(swept) if swept.leases > 0 => {
                tracing::info!(
                    calls = swept.leases,
                    "what another gateway had reserved is released"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "old leases cannot be released"),
        }
    }
}

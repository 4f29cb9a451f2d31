//! The binary that holds a server-id, as a claimant may see it: something to probe, and to displace.

use std::fmt;
use std::sync::Arc;

use crate::Origin;
use crate::leg::BinaryLeg;

/// The binary that holds a server-id another one claims.
#[derive(Clone)]
pub struct Incumbent {
    pub(crate) leg: Arc<BinaryLeg>,
}

/// How a conflict probe ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeAnswer {
    /// A byte arrived from the incumbent after the probe began.
    Alive,
    /// The incumbent's connection has ended.
    Gone,
}

impl Incumbent {
    /// Where the incumbent came from.
    pub fn origin(&self) -> Origin {
        self.leg.origin
    }

    /// Pings the incumbent and waits for any byte from it, or its end; for ever if it stays silent.
    ///
    /// # Cancel safety
    /// Dropping the future ends the probe; the ping may have gone out.
    pub async fn probe(&self) -> ProbeAnswer {
        let watch = self.leg.signs.watch();
        self.leg.outbox.ping();
        loop {
            let mut changed = std::pin::pin!(watch.changed());
            changed.as_mut().enable();
            if watch.has_heard() {
                return ProbeAnswer::Alive;
            }
            if self.leg.outbox.is_retired() {
                return ProbeAnswer::Gone;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for Incumbent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incumbent")
            .field("server_id", &self.leg.server_id)
            .field("seq", &self.leg.seq)
            .finish_non_exhaustive()
    }
}

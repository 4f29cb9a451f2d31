//! The waker: takes wake requests without waiting, sends them when it is their turn, and tells how each ended.
//!
//! [`queue`] decides; this file asks it, spawns what it says, and waits for the next turn.

#[cfg(feature = "internals")]
pub(crate) mod alone;
mod dead_tokens;
mod queue;
mod rate;
mod retry;
#[cfg(test)]
mod tests;
mod wake;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use relay_core::{ServerId, WakePlatform, WakeRefused, WakeRequest, WakeSink};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::error::SendError;
use crate::fcm::{Courier, Fcm, MessageId};
use crate::http_client::StartError;
use crate::stats::Stats;
use queue::{Queue, Step};
use wake::{Request, Wake};

/// Sends wakes through FCM: the [`WakeSink`] of a relay with push credentials.
///
/// Every wake it admits ends in exactly one step of one counter and one log line, `push_wake_sent` or
/// `push_wake_send_failed`, whatever becomes of the binary that asked for it. A request for a device whose wake, from
/// the same server-id, is still waiting becomes one with that wake.
///
/// # Drop
/// As [`close`](Self::close); nobody waits for the tasks then.
pub struct Waker {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something was admitted, or a send has ended.
    changed: Notify,
    courier: Arc<dyn Courier>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Waker {
    /// Starts a waker on the current runtime. Nothing is fetched or sent before the first wake.
    ///
    /// # Errors
    /// See [`StartError`].
    ///
    /// # Panics
    /// Outside a tokio runtime with IO and time enabled.
    pub fn start(credentials: Credentials, config: &Config) -> Result<Self, StartError> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let config = config.bounded();
        let courier = Fcm::new(credentials, &config, tasks.clone(), stop.clone())?;
        Ok(Self::with_courier(Arc::new(courier), &config, tasks, stop))
    }

    fn with_courier(
        courier: Arc<dyn Courier>,
        config: &Config,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let seed = getrandom::u32().unwrap_or_default();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(config, seed)),
            changed: Notify::new(),
            courier,
            tasks,
            stop,
        });
        let dispatching = dispatch(Arc::clone(&shared));
        shared.tasks.spawn(dispatching);
        Self { shared }
    }

    /// How wakes have ended so far, and how many there are now.
    pub fn stats(&self) -> Stats {
        self.shared.queue.lock().stats()
    }

    /// Asks to stop: requests are refused from now on, sends are cancelled, and all that waits is over, a line each.
    pub fn close(&self) {
        let ends = self.shared.queue.lock().close(clock::now());
        for ended in ends {
            ended.log();
        }
        self.shared.stop.cancel();
        self.shared.tasks.close();
    }

    /// Resolves when, after [`close`](Self::close), every wake has its line and every connection to Google is gone.
    pub async fn closed(&self) {
        self.shared.tasks.wait().await;
    }
}

impl WakeSink for Waker {
    fn wake(&self, server_id: &ServerId, raw: &[u8]) -> Result<(), WakeRefused> {
        let WakeRequest {
            platform, token, ..
        } = WakeRequest::parse(raw)?;
        if platform != WakePlatform::Fcm {
            return Err(WakeRefused::Platform);
        }
        let request = Request::new(server_id, token);
        self.shared.queue.lock().admit(request, clock::now())?;
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Does what the queue says until the waker stops.
async fn dispatch(shared: Arc<Shared>) {
    loop {
        let next = shared.start_due();
        let turn = async {
            match next {
                Some(due) => sleep_until(Instant::from_std(due)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.changed.notified() => {}
            () = turn => {}
        }
    }
}

impl Shared {
    /// Starts and ends whatever is due; when to look again.
    fn start_due(self: &Arc<Self>) -> Option<std::time::Instant> {
        loop {
            let step = self.queue.lock().next(clock::now());
            match step {
                Step::Send(wake) => {
                    let sending = send(Sending {
                        shared: Arc::clone(self),
                        wake: Some(wake),
                    });
                    self.tasks.spawn(sending);
                }
                Step::End(ended) => ended.log(),
                Step::Wait(until) => return until,
            }
        }
    }

    fn settle(&self, wake: Wake, result: Result<Option<MessageId>, SendError>) {
        let ended = self.queue.lock().settle(wake, result, clock::now());
        if let Some(ended) = ended {
            ended.log();
        }
        self.changed.notify_one();
    }
}

/// A wake in flight: settled exactly once, also when its task panics or is dropped.
struct Sending {
    shared: Arc<Shared>,
    wake: Option<Wake>,
}

async fn send(mut sending: Sending) {
    let Some(wake) = &sending.wake else {
        return;
    };
    let shared = Arc::clone(&sending.shared);
    let result = tokio::select! {
        // An answer that is here is told, even if the relay stops in the same moment.
        biased;
        result = shared.courier.deliver(&wake.token) => match result {
            // Its connection may have ended before this task was asked to.
            Err(error) if error.is_unanswered() && shared.stop.is_cancelled() => {
                Err(SendError::Stopping)
            }
            answered => answered,
        },
        () = shared.stop.cancelled() => Err(SendError::Stopping),
    };
    if let Some(wake) = sending.wake.take() {
        shared.settle(wake, result);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(wake) = self.wake.take() {
            self.shared.settle(wake, Err(SendError::Aborted));
        }
    }
}

//! Every task of a server: counted, so that a drain can wait for it; abortable, so that a drain can end; and its
//! panic is its own.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// The tasks of one service; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    live: Arc<Live>,
}

#[derive(Debug, Default)]
struct Live {
    handles: Mutex<HashMap<u64, AbortHandle>>,
    next: AtomicU64,
    panics: AtomicU64,
}

impl Tasks {
    /// Runs `task` to its end, its panic or [`Tasks::abort`].
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.live.next.fetch_add(1, Ordering::Relaxed);
        let ended = Ended {
            live: Arc::clone(&self.live),
            id,
        };
        // Locked across the spawn: a task that ends at once finds its entry to remove.
        let mut handles = self.live.handles.lock();
        let task = self.tracker.spawn(async move {
            let ended = ended;
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                ended.live.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("connection task panicked");
            }
        });
        handles.insert(id, task.abort_handle());
    }

    /// Resolves when no task runs any more. Spawning goes on being possible; whoever waits has seen to it that
    /// nothing new comes.
    pub(crate) async fn closed(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops every task where it stands.
    pub(crate) fn abort(&self) {
        for handle in self.live.handles.lock().values() {
            handle.abort();
        }
    }

    /// Tasks that ended in a panic.
    pub(crate) fn panics(&self) -> u64 {
        self.live.panics.load(Ordering::Relaxed)
    }
}

struct Ended {
    live: Arc<Live>,
    id: u64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.live.handles.lock().remove(&self.id);
    }
}

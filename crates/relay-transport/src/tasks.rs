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
    /// `None` while the task is being spawned.
    handles: Mutex<HashMap<u64, Option<AbortHandle>>>,
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
        // Noted first and filled in afterwards: a task may end within the spawn, and on a runtime that shuts down it
        // is even dropped there.
        self.live.handles.lock().insert(id, None);
        let handle = self.tracker.spawn(guarded(task, ended)).abort_handle();
        if let Some(entry) = self.live.handles.lock().get_mut(&id) {
            *entry = Some(handle);
        } else {
            // It has ended, or was aborted before there was a handle.
            handle.abort();
        }
    }

    /// Resolves when no task runs any more. Spawning goes on being possible; whoever waits has seen to it that
    /// nothing new comes.
    pub(crate) async fn closed(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops every task where it stands.
    pub(crate) fn abort(&self) {
        let handles = std::mem::take(&mut *self.live.handles.lock());
        for handle in handles.into_values().flatten() {
            handle.abort();
        }
    }

    /// Tasks that ended in a panic.
    pub(crate) fn panics(&self) -> u64 {
        self.live.panics.load(Ordering::Relaxed)
    }
}

/// Catches the task's panic. Of combinators, which hold the task once; an `async` block would hold it twice, beside and
/// inside of what it awaits.
fn guarded(task: impl Future<Output = ()>, ended: Ended) -> impl Future<Output = ()> {
    AssertUnwindSafe(task).catch_unwind().map(move |result| {
        if result.is_err() {
            ended.live.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!("connection task panicked");
        }
    })
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

#[cfg(test)]
mod tests;

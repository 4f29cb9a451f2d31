//! What a drain needs of a server, whoever wrote it.

use std::future::Future;
use std::pin::Pin;

/// A boxed future that may borrow.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A server that takes part in a drain: the relay's own, a metrics page, or the embedder's.
///
/// Asking and waiting are separate verbs: `stop_accepting` and `abort` ask and return at once; `closed` waits and
/// never asks.
pub trait DrainServer: Send + Sync {
    /// A short name for reports and logs.
    fn name(&self) -> &str;

    /// Stops taking new connections, and lets what is under way finish. Idempotent.
    fn stop_accepting(&self);

    /// Resolves when nothing of this server runs any more. Level-triggered: it may be called before or after the
    /// end, and more than once.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    fn closed(&self) -> BoxFuture<'_, ()>;

    /// Drops every socket this server still holds, without ceremony. Idempotent.
    fn abort(&self);
}

//! The end of a listener that nobody asked for.

use std::io;
use std::sync::Arc;

/// Why a listener accepts no more although nobody has stopped it; nothing of it is a peer's fault.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// The system takes the socket for no listener, and will not change its mind.
    #[error("nothing can be accepted any more")]
    Unusable {
        /// What accept(2) said.
        source: Arc<io::Error>,
    },
    /// The task that accepts has ended, most likely in a panic.
    #[error("the task that accepts has ended")]
    Ended,
}

impl ListenerError {
    /// What an error of accept(2) means for the listener: EINVAL and EOPNOTSUPP are its end.
    ///
    /// # Errors
    /// Hands back what a later call may not meet: one connection's end, or a shortage.
    pub fn of_accept(error: io::Error) -> Result<Self, io::Error> {
        let is_end = matches!(
            error.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
        );
        if !is_end {
            return Err(error);
        }
        Ok(Self::Unusable {
            source: Arc::new(error),
        })
    }
}

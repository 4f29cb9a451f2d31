//! Wishes granted in part, as log records.

/// A wish that was granted in part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// An explicit `--queue-memory` was above half of the memory limit.
    QueueMemoryCapped {
        /// Bytes asked for.
        requested: u64,
        /// Bytes granted.
        granted: u64,
    },
}

impl ConfigWarning {
    /// Writes the warning as one WARN record.
    pub fn log(&self) {
        match self {
            Self::QueueMemoryCapped { requested, granted } => tracing::warn!(
                from = requested,
                to = granted,
                fix = "raise the memory limit, or lower --queue-memory to half of it",
                "queue memory lowered to half of the memory limit"
            ),
        }
    }
}

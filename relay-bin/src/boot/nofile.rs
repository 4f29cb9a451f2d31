//! How many connections the open-file limit (`RLIMIT_NOFILE`) allows.
//!
//! It must not know how connections are counted: admission gets a number.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files and sockets to keep free beside the WebSockets.
///
/// 64 are for the process itself: standard streams, the runtime's epoll, event and signal handles, listeners with their
/// successor's copies, certificate files, and outgoing requests (the existing relay sends at most 32 pushes at a time).
///
/// 192 are for sockets that are accepted and still in TLS or HTTP, which hold no connection slot yet.
/// After a restart 10 000 peers come back within some 10 s; at 1000 a second and three round trips of 60 ms that is 180 at a time.
pub const RESERVED_FILES: u64 = 64 + 192;

/// Raises the soft limit to the hard one, and returns the soft limit that is then in force; `u64::MAX` when unlimited.
///
/// A limit that cannot be raised is not an error: the connections are then fewer.
pub fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_err() {
            return current.unwrap_or(u64::MAX);
        }
    }
    maximum.unwrap_or(u64::MAX)
}

/// What is left of the connections that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Connections to admit.
    pub connections: NonZeroUsize,
    /// Connections asked for; more than `connections` when the limit lowered them, which is worth a WARN.
    pub requested: NonZeroUsize,
}

impl Allowed {
    /// Whether the limit allows fewer connections than were asked for.
    #[must_use]
    pub fn is_lowered(&self) -> bool {
        self.connections < self.requested
    }
}

/// Lowers `requested` so that it fits under the limit of `nofile` open files beside `reserve`.
///
/// A limit of less than twice the reserve is shared evenly instead; one connection is always allowed.
#[must_use]
pub fn allowed_connections(requested: NonZeroUsize, nofile: u64, reserve: u64) -> Allowed {
    let room = nofile - reserve.min(nofile / 2);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let room = NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN);
    Allowed {
        connections: requested.min(room),
        requested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_lowered_to_what_fits_beside_the_reserve() {
        for (requested, nofile, reserve, connections) in [
            (10_000, 1 << 20, 256, 10_000),
            (10_000, u64::MAX, 256, 10_000),
            (10_000, 10_256, 256, 10_000),
            (10_000, 10_255, 256, 9_999),
            (10_000, 1024, 256, 768),
            (100, 1024, 256, 100),
            // The reserve takes at most half.
            (10_000, 512, 256, 256),
            (10_000, 256, 256, 128),
            (10_000, 3, 256, 2),
            (10_000, 1, 256, 1),
            (10_000, 0, 256, 1),
            (10_000, 1024, u64::MAX, 512),
        ] {
            let requested = NonZeroUsize::new(requested).unwrap();
            let allowed = allowed_connections(requested, nofile, reserve);
            assert_eq!(
                allowed.connections.get(),
                connections,
                "{requested} of {nofile}"
            );
            assert_eq!(allowed.requested, requested);
            assert_eq!(allowed.is_lowered(), allowed.connections < requested);
        }
    }

    #[test]
    fn the_limit_reported_is_the_limit_in_force() {
        let limit = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(limit, now.current.unwrap_or(u64::MAX));
        assert_eq!(limit, raise(), "raising twice changes nothing");
    }
}

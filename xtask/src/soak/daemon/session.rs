//! What a daemon knows of one of its phones.

use std::time::Duration;

use anyhow::ensure;

use crate::soak::message::{Down, Up};

/// A phone that has spoken.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) phone: u64,
    /// Frames received of it.
    pub(super) received: u64,
    /// Frames sent to it.
    pub(super) sent: u64,
    /// When a directive was sent for it: nothing more is.
    pub(super) directed_at: Option<Duration>,
}

impl Session {
    pub(super) fn of(phone: u64) -> Self {
        Self {
            phone,
            received: 0,
            sent: 0,
            directed_at: None,
        }
    }

    /// Takes a frame, which must be the next one of this phone.
    pub(super) fn take(&mut self, up: Up) -> anyhow::Result<()> {
        ensure!(
            up.phone == self.phone && up.number == self.received,
            "frame {} of phone {} expected, got {up:?}",
            self.received,
            self.phone
        );
        self.received += 1;
        Ok(())
    }

    /// The next frame to it.
    pub(super) fn next(&mut self, answers: Option<u64>) -> Down {
        let number = self.sent;
        self.sent += 1;
        Down { number, answers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::message::Ask;

    fn take(session: &mut Session, phone: u64, number: u64) -> bool {
        let up = Up {
            phone,
            number,
            ask: Ask::Echo,
        };
        session.take(up).is_ok()
    }

    #[test]
    fn frames_come_once_and_in_order() {
        let mut session = Session::of(7);
        assert!(!take(&mut session, 7, 1), "the first is missing");
        assert!(take(&mut session, 7, 0));
        assert!(!take(&mut session, 7, 0), "twice");
        assert!(!take(&mut session, 7, 2), "one is missing");
        assert!(!take(&mut session, 8, 1), "another phone's");
        assert!(take(&mut session, 7, 1));
    }

    #[test]
    fn frames_to_it_are_numbered() {
        let mut session = Session::of(7);
        for number in 0..3 {
            assert_eq!(session.next(None).number, number);
        }
    }
}

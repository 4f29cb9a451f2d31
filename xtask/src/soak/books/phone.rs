//! One phone connection as all three sides tell it: the phone, its daemon, and the relay's log.
//!
//! Pure: what must hold between the three once all is said.

use std::time::Duration;

use anyhow::{bail, ensure};

use super::slot::Slot;

/// What a close frame without a status is called.
pub(crate) const NO_STATUS: u16 = 1005;

/// Between a phone's end and its notice: both halves of the close handshake have 5 s, and a daemon may be reading
/// nothing for as long.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(20);

/// How a phone ended, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The relay had no place for it.
    Refused,
    /// It sent a close with this status, and read the echo.
    Closed(u16),
    /// It sent a close with this status and waited for nothing.
    ClosedAndGone(u16),
    /// It was gone without a close.
    Dropped,
    /// It did what the relay closes a phone for.
    Offended,
    /// The relay closed it for something that another did.
    Evicted,
}

/// What a phone says when it is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) how: End,
    /// Frames it sent whole.
    pub(super) sent: u64,
    pub(super) at: Duration,
}

/// What a daemon asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) code: u16,
    /// Frames sent to the phone up to it, its own included.
    pub(crate) frames: u64,
}

/// What a daemon was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    pub(super) life: u64,
    pub(super) code: u16,
    /// Frames the daemon had from the phone by then.
    pub(super) received: u64,
}

/// A phone connection.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) server: usize,
    pub(super) dialled_at: Duration,
    pub(super) conn_id: Option<String>,
    pub(super) directive: Option<Directive>,
    pub(super) ended: Option<Ended>,
}

impl Phone {
    /// Whether everything about it has been said by `now`.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        self.ended
            .is_some_and(|ended| ended.at + SETTLED_AFTER <= now)
    }

    /// The daemon that certainly has to be told of its end, and has had the time to read it.
    pub(super) fn notice_owed_by(&self, slot: &Slot) -> Option<u64> {
        let ended = self.ended?;
        let is_its_own = !matches!(ended.how, End::Refused | End::Evicted);
        let is_owed = is_its_own && self.conn_id.is_some() && self.directive.is_none();
        slot.steadily_held(self.dialled_at, ended.at + SETTLED_AFTER)
            .filter(|_| is_owed)
    }

    /// Whether its notice, and what was told with it, fit how it ended.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(super) fn reconcile(&self, slot: &Slot, notice: Option<Notice>) -> anyhow::Result<()> {
        let Some(ended) = self.ended else {
            bail!("it has not ended");
        };
        if let Some(notice) = notice {
            ensure!(
                notice.received <= ended.sent,
                "its daemon had {} frames of it by its notice, and it had sent {}",
                notice.received,
                ended.sent
            );
        }
        let expected: &[u16] = match ended.how {
            End::Refused => {
                ensure!(
                    self.conn_id.is_none() && notice.is_none(),
                    "it was refused, and yet registered"
                );
                return Ok(());
            }
            End::Evicted => {
                ensure!(
                    self.directive.is_none() || notice.is_none(),
                    "a directive closed it, and its daemon was told of its end by {notice:?}"
                );
                return Ok(());
            }
            End::Closed(code) => &[code],
            End::ClosedAndGone(code) => &[code, 1001],
            End::Dropped | End::Offended => &[1001],
        };
        let Some(holder) = self.notice_owed_by(slot) else {
            return Ok(());
        };
        let Some(notice) = notice else {
            bail!("its daemon stayed, and no notice came: {ended:?}");
        };
        ensure!(
            notice.life == holder,
            "its notice went to daemon {} instead of {holder}",
            notice.life
        );
        ensure!(
            expected.contains(&notice.code),
            "a notice with {expected:?} expected, got {}: {ended:?}",
            notice.code
        );
        ensure!(
            !matches!(ended.how, End::Closed(_)) || notice.received == ended.sent,
            "it sent {} frames before its close, and {} of them came before its notice",
            ended.sent,
            notice.received
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn steady() -> Slot {
        let mut slot = Slot::default();
        slot.claim_begun(7, at(0));
        slot.claim_settled(7, at(1));
        slot
    }

    fn phone(how: End) -> Phone {
        Phone {
            server: 0,
            dialled_at: at(2),
            conn_id: Some("client-1".to_owned()),
            directive: None,
            ended: Some(Ended {
                how,
                sent: 3,
                at: at(10),
            }),
        }
    }

    fn notice(code: u16, received: u64) -> Option<Notice> {
        Some(Notice {
            life: 7,
            code,
            received,
        })
    }

    #[track_caller]
    fn check(phone: &Phone, notice: Option<Notice>, is_right: bool) {
        let found = phone.reconcile(&steady(), notice);
        assert_eq!(found.is_ok(), is_right, "{found:?}");
    }

    #[test]
    fn a_notice_is_owed_by_a_daemon_that_stayed() {
        for (how, code) in [
            (End::Closed(4000), 4000),
            (End::ClosedAndGone(4000), 4000),
            (End::ClosedAndGone(4000), 1001),
            (End::Dropped, 1001),
            (End::Offended, 1001),
        ] {
            check(&phone(how), notice(code, 3), true);
            check(&phone(how), None, false);
            check(&phone(how), notice(1011, 3), false);
            check(&phone(how), notice(code, 4), false);
        }
    }

    #[test]
    fn a_clean_close_leaves_no_frame_behind() {
        check(&phone(End::Closed(1000)), notice(1000, 2), false);
        check(&phone(End::Dropped), notice(1001, 2), true);
    }

    #[test]
    fn nothing_is_owed_when_the_daemon_left_or_asked_for_it() {
        let mut left = steady();
        left.leaving(7, at(15));
        phone(End::Dropped).reconcile(&left, None).unwrap();
        let mut directed = phone(End::Dropped);
        directed.directive = Some(Directive {
            code: 4001,
            frames: 0,
        });
        check(&directed, None, true);
        check(&directed, notice(1001, 0), true);
    }

    #[test]
    fn a_directive_that_closed_it_is_followed_by_no_notice() {
        let mut directed = phone(End::Evicted);
        directed.directive = Some(Directive {
            code: 4001,
            frames: 0,
        });
        check(&directed, None, true);
        check(&directed, notice(4001, 0), false);
    }

    #[test]
    fn who_was_refused_is_known_to_nobody() {
        let mut refused = phone(End::Refused);
        check(&refused, None, false);
        refused.conn_id = None;
        check(&refused, None, true);
        check(&refused, notice(1001, 0), false);
    }
}

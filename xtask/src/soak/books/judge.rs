//! Which close a phone may read, in view of all that it and its daemon did.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Books, Directive, End};

/// Phones per server-id, as docs/PROTOCOL.md says.
const PHONES_PER_SERVER: usize = 16;

/// What a phone did that the relay may close it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::soak) enum Provocation {
    Nothing,
    /// A close with this status.
    Close(u16),
    NotJson,
    /// Something that RFC 6455 forbids, with the status it forbids it with.
    Offence(u16),
}

impl Books {
    /// Whether the relay may close this phone so, now that it has had `received` frames.
    pub(in crate::soak) fn judge_close(
        &self,
        phone: u64,
        provocation: Provocation,
        (code, reason): (u16, &str),
        received: u64,
        now: Duration,
    ) -> anyhow::Result<End> {
        let entry = self.phones.get(&phone).context("it never dialled")?;
        let slot = &self.slots[entry.server];
        let from = entry.dialled_at;
        match provocation {
            Provocation::Close(sent) if sent == code && reason.is_empty() => {
                return Ok(End::Closed(code));
            }
            Provocation::NotJson if code == 1000 && reason.is_empty() => return Ok(End::Offended),
            Provocation::Offence(expected) if expected == code => return Ok(End::Offended),
            Provocation::Close(_)
            | Provocation::NotJson
            | Provocation::Offence(_)
            | Provocation::Nothing => {}
        }
        let directive = entry
            .directive
            .filter(|directive| directive.closes_with(code, reason));
        // An offence of its own and the end of its daemon make the relay drop what it had queued, and leave the close
        // as it was.
        let may_be_cut_short = provocation != Provocation::Nothing
            || slot.may_be_claimed(from, now)
            || slot.may_be_left(from, now);
        let is_directed = directive.is_some_and(|directive| {
            received == directive.frames || (may_be_cut_short && received < directive.frames)
        });
        if is_directed {
            return Ok(End::Evicted);
        }
        let (is_allowed, how) = match (code, reason) {
            (4404, "no server with that id") => (!slot.reserved(from, now), End::Refused),
            (4429, "too many phones for server-id") => {
                (self.may_be_full(entry.server, now), End::Refused)
            }
            (4404, "binary reclaimed server-id") => (slot.may_be_claimed(from, now), End::Evicted),
            (1000, "") => (slot.may_be_left(from, now), End::Evicted),
            _ => (false, End::Evicted),
        };
        ensure!(
            is_allowed,
            "closed with {code} `{reason}` and {received} frames for no reason, {:?} after its dial; \
             {provocation:?}, {directive:?}, {entry:?}, {slot:?}",
            now.saturating_sub(from)
        );
        Ok(how)
    }

    /// Whether a phone that read nothing for a while may have been cut without a close frame: a close that it did not
    /// take in time.
    pub(in crate::soak) fn may_be_cut(&self, phone: u64, now: Duration) -> bool {
        self.phones.get(&phone).is_some_and(|phone| {
            let slot = &self.slots[phone.server];
            phone.directive.is_some()
                || slot.may_be_claimed(phone.dialled_at, now)
                || slot.may_be_left(phone.dialled_at, now)
        })
    }

    /// Phones that the relay may still count: all that dialled and did not end a good while ago.
    fn may_be_full(&self, server: usize, now: Duration) -> bool {
        let counted = self
            .phones
            .values()
            .filter(|phone| phone.server == server && !phone.is_settled(now));
        counted.count() > PHONES_PER_SERVER
    }
}

impl Directive {
    /// Whether this is how it looks to its phone.
    fn closes_with(self, code: u16, reason: &str) -> bool {
        let is_sendable = matches!(self.code, 1000..=1003 | 1005 | 1007..=1014 | 3000..=4999);
        if is_sendable {
            (code, reason) == (self.code, "")
        } else {
            (code, reason) == (1011, "invalid close code")
        }
    }
}

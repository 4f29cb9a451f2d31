//! Being registered, as a guard: what a binary and a phone may do, and what their leaving does exactly once.
//!
//! Leaving happens on `leave` or, when a connection task ends in any other way, on drop.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use crate::close::{Close, CloseCode};
use crate::leg::{BinaryLeg, Notice, PhoneLeg};
use crate::outbox::{Outbox, Refused};
use crate::registry::Shared;
use crate::{Cause, ConnId, ServerId, envelope};

/// A binary that holds a server-id.
///
/// # Drop
/// Leaves: the server-id goes into grace, its phones stay registered. Dropped without [`Binary::leave`], the grace
/// window starts at the next [`Registry::tick`](crate::Registry::tick), for which a waiter is woken.
pub struct Binary {
    leg: Arc<BinaryLeg>,
    shared: Arc<Shared>,
    has_left: bool,
    closed_cleanly: bool,
}

/// What became of a message from a binary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Queued for the phone; a close asked for is queued behind it.
    Queued,
    /// Like `Queued`, but the code asked for may not be sent: the phone is closed with 1011 instead.
    InvalidCloseCode,
    /// This server-id has no such phone.
    UnknownPhone,
    /// The phone's queue is full; it is being closed.
    BacklogFull,
    /// The phone is already being closed.
    PhoneClosing,
}

impl Binary {
    pub(crate) fn new(leg: Arc<BinaryLeg>, shared: Arc<Shared>) -> Self {
        shared.enter();
        Self {
            leg,
            shared,
            has_left: false,
            closed_cleanly: false,
        }
    }

    /// The id held.
    pub fn server_id(&self) -> &ServerId {
        &self.leg.server_id
    }

    /// What is queued for this binary.
    pub fn outbox(&self) -> &Outbox {
        &self.leg.outbox
    }

    /// Queues a frame and/or a close for one of this server-id's phones. Never waits.
    ///
    /// The frame goes out before the close, everything queued earlier before both. Once a close was accepted no
    /// notice of that phone's end will follow.
    pub fn deliver(
        &self,
        conn_id: &str,
        frame: Option<&[u8]>,
        close_code: Option<u16>,
    ) -> Delivery {
        let Some(conn_id) = ConnId::parse(conn_id) else {
            return Delivery::UnknownPhone;
        };
        let delivery = self.deliver_locked(conn_id, frame, close_code);
        self.shared.relieve();
        delivery
    }

    fn deliver_locked(
        &self,
        conn_id: ConnId,
        frame: Option<&[u8]>,
        close_code: Option<u16>,
    ) -> Delivery {
        let mut routes = self.leg.routes.lock();
        let Some(route) = routes.get_mut(&conn_id) else {
            return Delivery::UnknownPhone;
        };
        let outbox = &route.phone.outbox;
        let directive = close_code.map(CloseCode::new);
        let pushed = match frame {
            Some(frame) => outbox.push(&[frame], self.shared.limits.max_phone_backlog),
            None if outbox.is_closing() => Err(Refused::Retired),
            None => Ok(0),
        };
        if directive.is_some() && !matches!(pushed, Err(Refused::Closing(_) | Refused::Retired)) {
            route.notice = Notice::Waived;
        }
        match pushed {
            Ok(_charged) => match directive {
                None => Delivery::Queued,
                Some(Some(code)) => {
                    outbox.close(Close::directive(code));
                    Delivery::Queued
                }
                Some(None) => {
                    outbox.close(Close::invalid_directive());
                    Delivery::InvalidCloseCode
                }
            },
            Err(Refused::Full) => {
                outbox.close(Close::backlog_full(directive.flatten()));
                Delivery::BacklogFull
            }
            Err(Refused::Closing(_) | Refused::Retired) => Delivery::PhoneClosing,
        }
    }

    /// Notes that bytes arrived from this binary, which answers a conflict probe.
    pub fn heard(&self) {
        self.leg.signs.heard();
    }

    /// Notes that the close handshake is complete, for the drain's account. A guard dropped without counts as cut.
    pub fn closed_cleanly(&mut self) {
        self.closed_cleanly = true;
    }

    /// Leaves at `now`, which starts the grace window and drops what is queued. Idempotent.
    ///
    /// The guard lives on, so that its connection can finish a close handshake; a successor need not wait for that.
    pub fn leave(&mut self, now: Instant) {
        self.depart(Some(now));
    }

    fn depart(&mut self, now: Option<Instant>) {
        if !std::mem::replace(&mut self.has_left, true) {
            self.leg.outbox.retire();
            self.shared.release(&self.leg, now);
            self.leg.signs.gone();
        }
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        self.depart(None);
        self.shared.exit(self.closed_cleanly);
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binary")
            .field("server_id", &self.leg.server_id)
            .field("seq", &self.leg.seq)
            .finish_non_exhaustive()
    }
}

/// A registered phone.
///
/// # Drop
/// Leaves as [`Phone::leave`] does for a phone whose connection was lost: its binary is told 1001.
pub struct Phone {
    leg: Arc<PhoneLeg>,
    shared: Arc<Shared>,
    has_left: bool,
    closed_cleanly: bool,
}

/// A frame is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forwarded {
    /// Send on.
    Room,
    /// The binary's queue is at its high-water mark: wait for [`Phone::poll_room`] before reading on.
    Full,
}

/// Why a frame was not forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The phone or the relay is closing: the frame came too late and is discarded.
    #[error("connection is closing")]
    Closing,
    /// The binary is gone: the phone has nobody to talk to.
    #[error("relay: binary connection is gone")]
    NoBinary,
}

/// What a phone's leaving did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    /// The binary has a close notice in its queue.
    Notified,
    /// No notice was due: the binary asked for the close, was told already, or was replaced.
    NoNoticeDue,
    /// A notice was due, but the binary is gone.
    NoticeLost,
}

impl Phone {
    pub(crate) fn new(leg: Arc<PhoneLeg>, shared: Arc<Shared>) -> Self {
        shared.enter();
        Self {
            leg,
            shared,
            has_left: false,
            closed_cleanly: false,
        }
    }

    /// The name the binary knows this connection by.
    pub fn conn_id(&self) -> ConnId {
        self.leg.conn_id
    }

    /// The server-id joined.
    pub fn server_id(&self) -> &ServerId {
        &self.leg.binary.server_id
    }

    /// What is queued for this phone.
    pub fn outbox(&self) -> &Outbox {
        &self.leg.outbox
    }

    /// Queues one frame, already known to be JSON, for the binary. Never waits and never refuses for want of room:
    /// the answer says whether to wait before the next.
    ///
    /// # Errors
    /// [`ForwardError`]; the frame was not queued.
    pub fn forward(&self, frame: &[u8]) -> Result<Forwarded, ForwardError> {
        if self.leg.outbox.is_closing() {
            return Err(ForwardError::Closing);
        }
        let binary = &self.leg.binary;
        let parts = [&*self.leg.prefix, frame, envelope::FRAME_SUFFIX];
        let charged = match binary.outbox.push(&parts, usize::MAX) {
            Ok(charged) => charged,
            Err(Refused::Closing(Cause::Drain)) => return Err(ForwardError::Closing),
            Err(Refused::Closing(_) | Refused::Retired | Refused::Full) => {
                return Err(self.why_refused());
            }
        };
        self.shared.relieve();
        if charged >= self.shared.limits.binary_high_water {
            Ok(Forwarded::Full)
        } else {
            Ok(Forwarded::Room)
        }
    }

    /// Why the binary takes nothing: an eviction closes the phone before its binary, and in a drain the binary may
    /// be through before the phone is asked; in both the phone's own close is the one to be read.
    fn why_refused(&self) -> ForwardError {
        if self.leg.outbox.is_closing() || self.shared.is_draining() {
            ForwardError::Closing
        } else {
            ForwardError::NoBinary
        }
    }

    /// Ready when the binary's queue is below its high-water mark again, or the binary is gone.
    ///
    /// # Cancel safety
    /// Nothing is reserved: several phones may be let go at once, each overshoots by at most one message.
    pub fn poll_room(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        self.leg
            .binary
            .outbox
            .poll_room(cx, self.shared.limits.binary_high_water)
    }

    /// Notes that the close handshake is complete, for the drain's account. A guard dropped without counts as cut.
    pub fn closed_cleanly(&mut self) {
        self.closed_cleanly = true;
    }

    /// Leaves; `code` is the status this phone's connection ended with, where it ended with one. Idempotent: only
    /// the first call can owe a notice.
    ///
    /// The guard lives on, so that its connection can finish a close handshake; what is queued is dropped.
    pub fn leave(&mut self, code: Option<u16>) -> Departure {
        if std::mem::replace(&mut self.has_left, true) {
            return Departure::NoNoticeDue;
        }
        self.leg.outbox.retire();
        // Held until the notice is queued: a drain of the binary finds the phone here or the notice there.
        let mut routes = self.leg.binary.routes.lock();
        let Some(route) = routes.remove(&self.leg.conn_id) else {
            return Departure::NoNoticeDue;
        };
        self.shared.phone_gone();
        match route.notice {
            Notice::Due => {
                let code = code.unwrap_or(CloseCode::GOING_AWAY.get());
                match self.leg.binary.notify(self.leg.conn_id, code) {
                    Ok(()) => Departure::Notified,
                    Err(_gone) => Departure::NoticeLost,
                }
            }
            Notice::Waived | Notice::Given => Departure::NoNoticeDue,
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.leave(None);
        self.shared.exit(self.closed_cleanly);
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("conn_id", &self.leg.conn_id)
            .field("server_id", self.server_id())
            .finish_non_exhaustive()
    }
}

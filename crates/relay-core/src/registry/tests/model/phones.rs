//! Steps of phones, and of the frames in both directions.

use super::super::*;
use super::wire::Wire;
use super::world::{HIGH_WATER, MAX_BACKLOG, MAX_PHONES, PhoneModel, QUEUE_MEMORY, Slot, World};
use crate::close::CloseCode;
use crate::{Delivery, Departure, ForwardError, Forwarded, JoinError};

impl World {
    pub(super) fn join(&mut self, slot: usize) {
        let joined = self
            .relay
            .registry
            .join(&id(&slot.to_string()), self.relay.now);
        let binary = match self.slots[slot] {
            Slot::Absent => None,
            Slot::Held(binary) | Slot::Grace(binary, _) => Some(binary),
        };
        let siblings = |phone: &&PhoneModel| phone.is_registered && Some(phone.binary) == binary;
        match joined {
            Err(JoinError::Draining) => assert!(self.is_draining),
            Err(JoinError::NoServer) => assert!(binary.is_none()),
            Err(JoinError::AtCap) => {
                assert_eq!(self.phones.iter().filter(siblings).count(), MAX_PHONES);
            }
            Err(error) => panic!("{error}"),
            Ok(guard) => {
                assert!(!self.is_draining);
                self.joined += 1;
                self.phones.push(PhoneModel {
                    conn_id: guard.conn_id().to_string(),
                    guard: Some(guard),
                    binary: binary.expect("the registry found one"),
                    is_registered: true,
                    owes_notice: true,
                    wire: Wire::default(),
                });
            }
        }
    }

    fn next_frame(&mut self, len: usize) -> String {
        self.frames += 1;
        format!("\"{}{}\"", self.frames, "x".repeat(len))
    }

    pub(super) fn forward(&mut self, phone: usize, len: usize) {
        let frame = self.next_frame(len);
        let before = self.droppables();
        let phone = &self.phones[phone];
        let guard = phone.guard.as_ref().expect("picked");
        let forwarded = guard.forward(frame.as_bytes());
        let wire = &mut self.binaries[phone.binary].wire;
        let drains = wire
            .order
            .is_some_and(|order| order.cause == crate::Cause::Drain);
        let expected = if !phone.wire.is_open() {
            Err(ForwardError::Closing)
        } else if wire.push(routed(guard, &frame)) {
            let to = self.binaries[phone.binary].guard.as_ref().expect("open");
            if to.outbox().charged() < HIGH_WATER {
                Ok(Forwarded::Room)
            } else {
                Ok(Forwarded::Full)
            }
        } else if self.is_draining || (drains && !wire.is_retired) {
            Err(ForwardError::Closing)
        } else {
            Err(ForwardError::NoBinary)
        };
        assert_eq!(forwarded, expected);
        if forwarded.is_ok() {
            self.find_evictions(&before, None);
        }
    }

    pub(super) fn deliver(
        &mut self,
        binary: usize,
        phone: usize,
        len: Option<usize>,
        code: Option<u16>,
    ) {
        if len.is_none() && code.is_none() {
            return;
        }
        let frame = len.map(|len| self.next_frame(len));
        let before = self.droppables();
        let from = self.binaries[binary].guard.as_ref().expect("picked");
        let to = &mut self.phones[phone];
        let delivery = from.deliver(&to.conn_id, frame.as_deref().map(str::as_bytes), code);
        let directive = code.map(|code| match CloseCode::new(code) {
            Some(code) => Close::directive(code),
            None => Close::invalid_directive(),
        });
        let expected = if !to.is_registered || to.binary != binary {
            Delivery::UnknownPhone
        } else if !to.wire.is_open() {
            Delivery::PhoneClosing
        } else {
            to.owes_notice &= directive.is_none();
            if delivery == Delivery::BacklogFull {
                let bytes = frame.map_or(0, |frame| frame.len() + 10);
                let outbox = to.guard.as_ref().expect("picked").outbox();
                assert!(before[phone] + bytes > MAX_BACKLOG - outbox.charged());
                to.wire
                    .close(Close::backlog_full(code.and_then(CloseCode::new)));
                Delivery::BacklogFull
            } else {
                frame.into_iter().for_each(|frame| {
                    to.wire.push(frame);
                });
                directive.into_iter().for_each(|close| to.wire.close(close));
                match directive {
                    Some(close) if close == Close::invalid_directive() => {
                        Delivery::InvalidCloseCode
                    }
                    Some(_) | None => Delivery::Queued,
                }
            }
        };
        assert_eq!(delivery, expected);
        self.find_evictions(&before, Some(phone));
    }

    /// Bytes that dropping each phone's queue would free.
    fn droppables(&self) -> Vec<usize> {
        let of = |phone: &PhoneModel| {
            phone
                .guard
                .as_ref()
                .map_or(0, |guard| guard.outbox().droppable())
        };
        self.phones.iter().map(of).collect()
    }

    /// Follows the registry in whom it closed for the budget after a push, provided those were the largest.
    fn find_evictions(&mut self, before: &[usize], grown: Option<usize>) {
        let now = self.droppables();
        let largest_left = now.iter().max().copied().unwrap_or(0);
        for (n, phone) in self.phones.iter_mut().enumerate() {
            if !phone.wire.queued.is_empty() && now[n] == 0 {
                assert!(phone.is_registered);
                assert!(before[n] >= largest_left || grown == Some(n));
                self.relieved += 1;
                phone.wire.close(Close::backlog_full(None));
            }
        }
        let used = self.relay.registry.stats().queued_bytes;
        let is_anything_left = (0..now.len()).any(|n| self.phones[n].is_registered && now[n] > 0);
        assert!(used <= QUEUE_MEMORY || !is_anything_left);
    }

    pub(super) fn phone_leaves(&mut self, phone: usize, code: Option<u16>) {
        let departure = self.phones[phone]
            .guard
            .as_mut()
            .expect("picked")
            .leave(code);
        let expected = self.phone_gone(phone, code.unwrap_or(1001));
        assert_eq!(departure, expected);
    }

    /// As in a panic: what the connection had in hand is lost.
    pub(super) fn phone_dropped(&mut self, phone: usize) {
        self.phone_gone(phone, 1001);
        let phone = &mut self.phones[phone];
        phone.guard = None;
        phone.wire = Wire::default();
        phone.wire.retire();
    }

    fn phone_gone(&mut self, phone: usize, code: u16) -> Departure {
        let phone = &mut self.phones[phone];
        phone.wire.retire();
        if !std::mem::take(&mut phone.is_registered) {
            return Departure::NoNoticeDue;
        }
        self.left += 1;
        let binary = &mut self.binaries[phone.binary].wire;
        if !phone.owes_notice {
            Departure::NoNoticeDue
        } else if binary.push(notice_of(&phone.conn_id, code)) {
            Departure::Notified
        } else {
            Departure::NoticeLost
        }
    }
}

//! An endpoint that shows what a connection told it.

use std::sync::Arc;

use parking_lot::Mutex;
use relay_core::{Binary, Cause, ForwardError, Forwarded, Outbox, Phone};

use super::*;
use crate::clock;

/// What an endpoint was told.
#[derive(Default, Debug)]
pub(super) struct Told {
    pub(super) messages: Vec<String>,
    pub(super) closed_by: Vec<ClosedBy>,
}

/// What the connection is registered as.
pub(super) enum Member {
    Nobody,
    Phone(Phone),
    Binary(Binary),
}

/// An endpoint that does with its member what the real ones do, and notes what it is told.
pub(super) struct Recorder {
    pub(super) member: Member,
    pub(super) told: Arc<Mutex<Told>>,
}

impl Recorder {
    pub(super) fn leave(self, ended: &Ended) {
        match self.member {
            Member::Phone(mut phone) => {
                if ended.is_clean() {
                    phone.closed_cleanly();
                }
                phone.leave(ended.notice_code());
            }
            Member::Binary(mut binary) => {
                if ended.is_clean() {
                    binary.closed_cleanly();
                }
                binary.leave(clock::now());
            }
            Member::Nobody => {}
        }
    }
}

impl Endpoint for Recorder {
    fn outbox(&self) -> Option<&Outbox> {
        match &self.member {
            Member::Nobody => None,
            Member::Phone(phone) => Some(phone.outbox()),
            Member::Binary(binary) => Some(binary.outbox()),
        }
    }

    fn message(&mut self, message: Message<'_>, _: Instant) -> Step {
        let text = match message {
            Message::Text(text) => text.to_owned(),
            Message::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        let step = match &self.member {
            _ if text == "not JSON" => Step::Close(Close::not_json(5 * SECOND)),
            Member::Nobody | Member::Binary(_) => Step::Continue,
            Member::Phone(phone) => match phone.forward(text.as_bytes()) {
                Ok(Forwarded::Room) | Err(ForwardError::Closing) => Step::Continue,
                Ok(Forwarded::Full) => Step::Pause,
                Err(_gone) => Step::Close(Close::no_binary(5 * SECOND)),
            },
        };
        self.told.lock().messages.push(text);
        step
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.member {
            Member::Phone(phone) => phone.poll_room(cx),
            Member::Nobody | Member::Binary(_) => Poll::Ready(()),
        }
    }

    fn heard(&mut self) {
        if let Member::Binary(binary) = &self.member {
            binary.heard();
        }
    }

    fn answered(&mut self, close: Close, code: u16) {
        if let Member::Phone(phone) = &mut self.member {
            phone.leave(notice_code(Some(close), Some(code)));
        }
    }

    fn closing(&mut self, by: ClosedBy, now: Instant) {
        self.told.lock().closed_by.push(by);
        match (&mut self.member, by) {
            (Member::Phone(phone), ClosedBy::Peer(code)) => {
                phone.leave(Some(code));
            }
            (Member::Binary(_), ClosedBy::Relay(close)) if close.cause == Cause::Drain => {}
            (Member::Binary(binary), _) => binary.leave(now),
            (Member::Phone(_) | Member::Nobody, _) => {}
        }
    }
}

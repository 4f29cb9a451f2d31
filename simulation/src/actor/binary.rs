//! A binary's part: what its envelopes say, and what it sends to its phones.

use super::message::{self, Envelope};
use super::{PROMPT, Session, Talk};
use crate::ledger::{Conn, Directive, Ledger, Sent};
use crate::peer::frames::{FIN, TEXT};
use crate::plan::Role;
use crate::trace::Note;

/// Meaningless in one way each; none of them may do anything.
const GARBAGE: [&str; 8] = [
    "",
    "nonsense",
    "[]",
    r#"{"conn_id":7,"frame":{}}"#,
    r#"{"conn_id":"client-00000000000000000000000000000000","frame":{}}"#,
    r#"{"conn_id":"client-00000000000000000000000000000000","close_code":4000}"#,
    r#"{"frame":{"from":0,"to":0,"number":0,"pad":""}}"#,
    r#"{"push_wake":{"platform":"none"}}"#,
];

impl Session {
    /// A binary reads an envelope.
    pub(super) fn envelope(&mut self, text: &str) {
        match message::read_envelope(text) {
            Some(Envelope::Frame { conn_id, frame }) => self.frame_of_phone(conn_id, frame),
            Some(Envelope::Notice { conn_id, code }) => self.notice(conn_id, code),
            None => self.fault(&format!("read no envelope: {text:.80}")),
        }
    }

    fn frame_of_phone(&mut self, conn_id: &str, text: &str) {
        let Some((from, _, number)) = message::read(text) else {
            self.fault(&format!("read what no phone sent: {text:.80}"));
            return;
        };
        self.note(Note::Frame { from, number });
        let me = self.me;
        let wrong = self.ledger(|ledger, now| {
            let binary = &ledger.records[me];
            let sender = ledger.records.get(from);
            let Some(phone) = sender.filter(|sender| sender.role == Role::Phone) else {
                return Some("a frame that no phone sent".to_owned());
            };
            if phone.server != binary.server {
                return Some(format!("a frame of phone {from}, of another server-id"));
            }
            let Some(sent) = phone.sent.get(number) else {
                return Some(format!("frame {number} of {from}, which was never sent"));
            };
            if text != message::frame(from, 0, number, sent.bytes) {
                return Some(format!("frame {number} of {from} with other bytes"));
            }
            if phone.not_json_after.is_some_and(|after| number >= after) {
                return Some(format!("frame {number} of {from} behind what is no JSON"));
            }
            let took = now - sent.at;
            let is_late = took > PROMPT && phone.is_sound() && binary.is_sound();
            if let Err(wrong) = own(ledger, me, from, conn_id) {
                return Some(wrong);
            }
            let Some(conn) = ledger.records[me].conns.get_mut(conn_id) else {
                return Some("no such conn_id".to_owned());
            };
            if conn.notice.is_some() {
                return Some(format!("frame {number} of {from} behind its notice"));
            }
            if conn.got != number {
                return Some(format!("frame {number} of {from} in place of {}", conn.got));
            }
            conn.got += 1;
            is_late.then(|| format!("frame {number} of {from} after {took:?}"))
        });
        if let Some(wrong) = wrong {
            self.fault(&format!("read {wrong}"));
        }
        self.react(conn_id);
    }

    fn react(&mut self, conn_id: &str) {
        if self.is_mute || self.talk != Talk::Open {
            return;
        }
        let manner = self.actor.manner;
        if self.random.percent(manner.directives) {
            let has_frame = self.random.percent(50);
            self.direct(conn_id, 4123, has_frame);
            return;
        }
        for _ in 0..self.random.within(0..=manner.most_answers) {
            let bytes = 60 + self.random.below(manner.answer_bytes);
            self.answer(conn_id, bytes, "");
        }
    }

    fn notice(&mut self, conn_id: &str, code: u16) {
        self.note(Note::Notice {
            conn_id: conn_id.to_owned(),
            code,
        });
        let me = self.me;
        let wrong = self.ledger(|ledger, _| {
            if ledger
                .owners
                .get(conn_id)
                .is_some_and(|(owner, _)| *owner != me)
            {
                return Some("of another binary's phone".to_owned());
            }
            let Some(conn) = ledger.records[me].conns.get_mut(conn_id) else {
                let notices = &mut ledger.records[me].strange_notices;
                let before = notices.insert(conn_id.to_owned(), code);
                return before.map(|_| "for the second time".to_owned());
            };
            if conn.notice.replace(code).is_some() {
                return Some(format!("of phone {} for the second time", conn.phone));
            }
            None
        });
        if let Some(wrong) = wrong {
            self.fault(&format!("read a notice {wrong}"));
        }
    }

    /// A frame of `bytes` to one of its phones; `more` is what else the envelope says.
    fn answer(&mut self, conn_id: &str, bytes: usize, more: &str) {
        let me = self.me;
        let Some((phone, number)) = self.record(|record, _| {
            let conn = record.conns.get(conn_id)?;
            Some((conn.phone, conn.sent.len()))
        }) else {
            return;
        };
        let frame = message::frame(me, phone, number, bytes);
        let envelope = format!(r#"{{"conn_id":"{conn_id}","frame":{frame}{more}}}"#);
        self.peer.send(FIN | TEXT, envelope.as_bytes());
        let end = self.peer.queued();
        self.record(|record, at| {
            if let Some(conn) = record.conns.get_mut(conn_id) {
                conn.sent.push(Sent { bytes, at, end });
            }
        });
    }

    fn direct(&mut self, conn_id: &str, code: u16, has_frame: bool) {
        if has_frame {
            self.answer(conn_id, 80, &format!(r#","close_code":{code}"#));
        } else {
            let envelope = format!(r#"{{"conn_id":"{conn_id}","close_code":{code}}}"#);
            self.peer.send(FIN | TEXT, envelope.as_bytes());
        }
        self.record(|record, _| {
            if let Some(conn) = record.conns.get_mut(conn_id) {
                let behind = conn.sent.len();
                conn.directive.get_or_insert(Directive { code, behind });
            }
        });
    }

    /// One of its phones, as far as it knows.
    fn some_phone(&mut self) -> Option<String> {
        let known = self.record(|record, _| {
            let live = record.conns.iter();
            let live = live.filter(|(_, conn)| conn.notice.is_none());
            live.map(|(conn_id, _)| conn_id.clone()).collect::<Vec<_>>()
        });
        let at = self.random.below(known.len());
        known.into_iter().nth(at)
    }

    pub(super) fn flood(&mut self, frames: usize, bytes: usize) {
        if let Some(conn_id) = self.some_phone() {
            for _ in 0..frames {
                self.answer(&conn_id, bytes, "");
            }
        }
    }

    pub(super) fn directive(&mut self, code: u16, has_frame: bool) {
        if let Some(conn_id) = self.some_phone() {
            self.direct(&conn_id, code, has_frame);
        }
    }

    pub(super) fn garbage(&mut self, kind: usize) {
        self.peer.send(FIN | TEXT, GARBAGE[kind].as_bytes());
    }

    /// A frame and a close for somebody else's phone, which must not hear of it.
    pub(super) fn foreign(&mut self) {
        let (me, server) = (self.me, self.actor.server);
        let foreign = self.ledger(|ledger, _| {
            let mut owners = ledger.owners.iter();
            let found = owners.find(|(_, (owner, _))| ledger.records[*owner].server != server);
            found.map(|(conn_id, (_, phone))| (conn_id.clone(), *phone))
        });
        if let Some((conn_id, phone)) = foreign {
            let frame = message::frame(me, phone, 0, 80);
            let envelope =
                format!(r#"{{"conn_id":"{conn_id}","frame":{frame},"close_code":4666}}"#);
            self.peer.send(FIN | TEXT, envelope.as_bytes());
        }
    }
}

/// Notes that `conn_id` is `phone`'s at this binary.
fn own(ledger: &mut Ledger, binary: usize, phone: usize, conn_id: &str) -> Result<(), String> {
    let known = ledger.records[phone].conn_id.as_deref();
    let owner = ledger.owners.get(conn_id);
    match (known, owner) {
        (None, None) => {
            if ledger.records[binary].strange_notices.contains_key(conn_id) {
                return Err(format!("a frame of {phone} behind its notice"));
            }
            let conn_id = conn_id.to_owned();
            ledger.owners.insert(conn_id.clone(), (binary, phone));
            ledger.records[phone].conn_id = Some(conn_id.clone());
            let conn = Conn {
                phone,
                got: 0,
                sent: Vec::new(),
                directive: None,
                notice: None,
            };
            ledger.records[binary].conns.insert(conn_id, conn);
            Ok(())
        }
        (Some(known), Some((owner, of)))
            if known == conn_id && (*owner, *of) == (binary, phone) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "a frame of phone {phone} as {conn_id}, known as {known:?} and of {owner:?}"
        )),
    }
}

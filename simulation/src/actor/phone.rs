//! A phone's part: frames in order to its binary, and what it gets from it.

use super::{PROMPT, Session, message};
use crate::ledger::Sent;
use crate::peer::frames::{BINARY, CONTINUATION, FIN, PING, TEXT};
use crate::plan::Role;
use crate::trace::Note;

impl Session {
    /// A phone's next frame, of so many bytes and in so many fragments, with a ping behind the first.
    pub(super) fn send_frame(&mut self, bytes: usize, fragments: usize) {
        let number = self.record(|record, _| record.sent.len());
        // Whom it is for is the relay's to know.
        let text = message::frame(self.me, 0, number, bytes);
        let opcode = self.random.pick(&[TEXT, TEXT, BINARY]);
        let size = text.len().div_ceil(fragments);
        let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        for (at, part) in parts.iter().enumerate() {
            let fin = if at + 1 == parts.len() { FIN } else { 0 };
            let opcode = if at == 0 { opcode } else { CONTINUATION };
            self.peer.send(fin | opcode, part);
            if at == 0 && parts.len() > 1 {
                self.ping();
            }
        }
        let end = self.peer.queued();
        self.record(|record, at| record.sent.push(Sent { bytes, at, end }));
    }

    pub(super) fn ping(&mut self) {
        let number = self.pings.len().to_string();
        self.pings.push(self.now());
        self.peer.send(FIN | PING, number.as_bytes());
    }

    /// A phone reads a frame.
    pub(super) fn frame_of_binary(&mut self, text: &str) {
        let Some((from, to, number)) = message::read(text) else {
            self.fault(&format!("read what no binary sent: {text:.80}"));
            return;
        };
        self.note(Note::Frame { from, number });
        let me = self.me;
        let wrong = self.ledger(|ledger, now| {
            let phone = &ledger.records[me];
            let conn_id = phone.conn_id.as_ref();
            let sender = ledger.records.get(from);
            let Some(binary) = sender.filter(|sender| sender.role == Role::Binary) else {
                return Some("a frame that no binary sent".to_owned());
            };
            if to != me || binary.server != phone.server {
                return Some(format!("a frame of binary {from} for phone {to}"));
            }
            if phone.got_from.is_some_and(|binary| binary != from) {
                return Some(format!("a frame of another binary, {from}"));
            }
            if number != phone.got {
                return Some(format!("frame {number} in place of {}", phone.got));
            }
            let conn = conn_id.and_then(|conn_id| binary.conns.get(conn_id));
            let Some(sent) = conn.and_then(|conn| conn.sent.get(number)) else {
                return Some(format!("frame {number}, which was never sent"));
            };
            if text != message::frame(from, me, number, sent.bytes) {
                return Some(format!("frame {number} with other bytes"));
            }
            let took = now - sent.at;
            let is_late = took > PROMPT && phone.is_sound() && binary.is_sound();
            let phone = &mut ledger.records[me];
            phone.got += 1;
            phone.got_from = Some(from);
            is_late.then(|| format!("frame {number} after {took:?}"))
        });
        if let Some(wrong) = wrong {
            self.fault(&format!("read {wrong}"));
        }
    }
}

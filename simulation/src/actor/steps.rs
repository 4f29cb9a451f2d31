//! Carrying out the steps of a script, and asking for the connection to begin with.

use super::Session;
use crate::ledger::Ended;
use crate::peer::frames::{CLOSE, FIN, TEXT, close_payload, encode};
use crate::plan::{Offence, Role, Step};
use crate::trace::Note;

/// The head of a message of 327 680 bytes.
const TOO_BIG: [u8; 14] = [FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 5, 0, 0, 1, 2, 3, 4];

impl Session {
    pub(super) fn request(&mut self) {
        let (path, who) = match self.actor.role {
            Role::Binary => ("server", "X-Pyrycode-Version: 1"),
            Role::Phone => ("client", "X-Pyrycode-Token: t"),
        };
        let server = self.actor.server;
        let head = format!(
            "GET /v1/{path} HTTP/1.1\r\nHost: relay\r\nUser-Agent: simulation\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Pyrycode-Server: s{server}\r\n{who}\r\n\r\n"
        );
        self.peer.send_raw(head.as_bytes());
        if self.actor.is_eager {
            self.send_frame(100, 1);
        }
    }

    pub(super) async fn perform(&mut self, step: Step) -> Option<Ended> {
        self.note(Note::Does(step));
        match step {
            Step::Frame { bytes, fragments } => self.send_frame(bytes, fragments),
            Step::Ping => self.ping(),
            Step::Garbage(kind) => self.garbage(kind),
            Step::Foreign => self.foreign(),
            Step::Flood { frames, bytes } => self.flood(frames, bytes),
            Step::Directive { code, has_frame } => self.directive(code, has_frame),
            Step::Close(code) => return self.close(code).await,
            Step::NotJson => {
                self.peer.send(FIN | TEXT, b"{nope");
                self.record(|record, _| {
                    let sent = record.sent.len();
                    record.not_json_after.get_or_insert(sent);
                });
            }
            Step::Offence(offence) => self.offend(offence),
            Step::Stall(length) => {
                self.disturbed(step);
                self.peer.is_stalled = true;
                self.stalled_until = Some(self.now() + length);
            }
            Step::Freeze(length) => {
                self.disturbed(step);
                self.peer.end.freeze(length);
            }
            Step::HalfFrame => {
                self.disturbed(step);
                let frame = encode(FIN | TEXT, &[b' '; 100], &mut self.random);
                self.peer.send_raw(&frame[..50]);
                self.fall_mute();
                self.record(|record, now| {
                    record.has_half_frame = true;
                    record.silent = Some(now);
                });
            }
            Step::HangUp => {
                self.disturbed(step);
                return Some(Ended::Left);
            }
            Step::Reset {
                loses_what_is_under_way,
            } => {
                self.disturbed(step);
                self.peer.end.reset(loses_what_is_under_way);
                return Some(Ended::Left);
            }
            Step::Vanish(void) => {
                self.disturbed(step);
                self.peer.end.vanish(void);
                return Some(Ended::Vanished);
            }
        }
        None
    }

    async fn close(&mut self, code: Option<u16>) -> Option<Ended> {
        let close = code.map(|code| (code, "enough".to_owned()));
        self.peer.send(FIN | CLOSE, &close_payload(close.as_ref()));
        self.record(|record, now| {
            record.own_close = Some((code, now));
            record.leaving.get_or_insert(now);
        });
        self.closing();
        self.hang_up_if_hasty().await
    }

    fn offend(&mut self, offence: Offence) {
        match offence {
            Offence::ReservedBit => self.peer.send(FIN | 0x40 | TEXT, b"{}"),
            Offence::Unmasked => self.peer.send_raw(&[FIN | TEXT, 2, b'{', b'}']),
            Offence::BadOpcode => self.peer.send(FIN | 0x3, b"{}"),
            Offence::BadUtf8 => self.peer.send(FIN | TEXT, &[b'"', 0xff, b'"']),
            Offence::TooBig => self.peer.send_raw(&TOO_BIG),
        }
        self.fall_mute();
        self.record(|record, now| {
            record.offence = Some(offence);
            record.leaving.get_or_insert(now);
            record.silent = Some(now);
        });
    }

    fn fall_mute(&mut self) {
        self.is_mute = true;
        self.schedule(std::time::Duration::ZERO);
    }
}

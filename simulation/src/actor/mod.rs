//! A peer that lives by its script: dials, does its steps, answers what has to be answered, and takes down what it saw.

mod binary;
mod message;
mod phone;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::{CloseRead, Ended, Ledger, Record};
use crate::peer::frames::{CLOSE, FIN, Frame, PONG, close_payload};
use crate::peer::{Heard, Peer};
use crate::plan::{Actor, Role, Step};
use crate::random::Random;
use crate::trace::Note;
use crate::world::World;

/// Longer than the relay needs for its part of a close handshake: whoever still waits then was forgotten.
const PATIENCE: Duration = Duration::from_secs(20);

/// Later than the end of any world.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// Longer than a conflict probe.
const PROBED: Duration = Duration::from_secs(11);

/// How long a frame or the answer to a ping may take between peers that are sound; a stall is longer by far.
const PROMPT: Duration = Duration::from_secs(5);

struct Session {
    world: Arc<World>,
    me: usize,
    actor: Actor,
    peer: Peer,
    random: Random,
    talk: Talk,
    next_step: usize,
    step_due: Duration,
    stalled_until: Option<Duration>,
    /// Says nothing any more, since it would be inside of a frame or is not understood.
    is_mute: bool,
    pings: Vec<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Talk {
    /// Waits for the answer to its request.
    Dialing {
        until: Duration,
    },
    Open,
    /// Has sent its close, or has read one: waits for the end.
    Closing {
        until: Duration,
    },
}

/// Lives the life of actor `me`, of whose steps it makes the first `steps`.
pub(crate) async fn live(world: Arc<World>, me: usize, steps: usize) {
    let mut actor = world.plan.actors[me].clone();
    actor.steps.truncate(steps);
    world.clock.reach(actor.dials_at).await;
    world.note(Some(me), Note::Dials);
    let end = world.dial(me);
    let now = world.clock.elapsed();
    let mut session = Session {
        peer: Peer::new(end, Random::seeded(actor.seed ^ 1)),
        random: Random::seeded(actor.seed ^ 2),
        world,
        me,
        actor,
        talk: Talk::Dialing {
            until: now + 3 * PATIENCE,
        },
        next_step: 0,
        step_due: NEVER,
        stalled_until: None,
        is_mute: false,
        pings: Vec::new(),
    };
    session.record(|record, now| record.dialed = Some(now));
    session.request();
    let ended = session.talk().await;
    session.note(Note::Leaves);
    session.record(|record, now| {
        record.ending = Some((ended, now));
        record.leaving.get_or_insert(now);
        record.silent.get_or_insert(now);
    });
}

impl Session {
    async fn talk(&mut self) -> Ended {
        loop {
            let heard = tokio::select! {
                biased;
                () = self.world.clock.reach(self.due()) => None,
                heard = self.peer.next() => Some(heard),
            };
            let ended = match heard {
                Some(heard) => self.hear(heard).await,
                None => self.time_has_come().await,
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    fn due(&self) -> Duration {
        let due = match self.talk {
            Talk::Dialing { until } | Talk::Closing { until } => until,
            Talk::Open => self.step_due,
        };
        self.stalled_until.unwrap_or(due)
    }

    async fn time_has_come(&mut self) -> Option<Ended> {
        if self.stalled_until.take().is_some() {
            self.peer.is_stalled = false;
            return None;
        }
        match self.talk {
            Talk::Dialing { .. } | Talk::Closing { .. } => Some(Ended::GaveUp),
            Talk::Open => {
                let (_, step) = self.actor.steps[self.next_step];
                self.next_step += 1;
                self.schedule(step.lasts());
                self.perform(step).await
            }
        }
    }

    fn schedule(&mut self, after: Duration) {
        let next = self.actor.steps.get(self.next_step);
        self.step_due = match next {
            Some((gap, _)) if !self.is_mute => self.now() + after + *gap,
            _ => NEVER,
        };
    }

    async fn hear(&mut self, heard: Heard) -> Option<Ended> {
        match heard {
            Heard::Status(status) => {
                self.note(Note::Answered(status));
                self.record(|record, _| record.status = Some(status));
                if status != 101 {
                    return Some(Ended::Left);
                }
                self.record(|record, now| record.up = Some(now));
                self.talk = Talk::Open;
                self.schedule(Duration::ZERO);
                None
            }
            Heard::End(ending) => {
                self.note(Note::End(ending));
                Some(Ended::Relay(ending))
            }
            Heard::Nonsense(what) => {
                self.fault(&format!("read {what}"));
                Some(Ended::Left)
            }
            Heard::Frame(Frame::Close(close)) => self.read_close(close).await,
            Heard::Frame(frame) => {
                if self.has_read_close() {
                    self.fault(&format!("read {frame:?} behind the close frame"));
                }
                match frame {
                    Frame::Text(text) => self.text(&text),
                    Frame::Ping(payload) => self.pong(&payload),
                    Frame::Pong(payload) => self.ponged(&payload),
                    Frame::Close(_) => {}
                }
                None
            }
        }
    }

    fn text(&mut self, text: &str) {
        match self.actor.role {
            Role::Binary => self.envelope(text),
            Role::Phone => self.frame_of_binary(text),
        }
    }

    fn pong(&mut self, payload: &[u8]) {
        if !self.is_mute && self.talk == Talk::Open {
            self.peer.send(FIN | PONG, payload);
        }
    }

    fn ponged(&mut self, payload: &[u8]) {
        let sent = std::str::from_utf8(payload)
            .ok()
            .and_then(|number| self.pings.get(number.parse::<usize>().ok()?));
        let Some(&sent) = sent else {
            self.fault("read a pong that answers no ping");
            return;
        };
        self.note(Note::Pong);
        // A phone's ping may stand behind a frame for which there is no room yet, and a claimant is not read.
        let took = self.now() - sent;
        let is_binary = self.actor.role == Role::Binary
            && self.record(|record, _| record.up.is_some_and(|up| sent > up + PROBED));
        if is_binary && took > PROMPT && self.is_sound() {
            self.fault(&format!("waited {took:?} for a pong"));
        }
    }

    async fn read_close(&mut self, close: Option<(u16, String)>) -> Option<Ended> {
        self.note(Note::Close(close.clone()));
        if self.has_read_close() {
            self.fault("read a second close frame");
        }
        let payload = close_payload(close.as_ref());
        self.record(|record, at| {
            let (code, reason) = close.unzip();
            record.leaving.get_or_insert(at);
            record.close = Some(CloseRead {
                code,
                reason: reason.unwrap_or_default(),
                at,
            });
        });
        let has_closed = self.record(|record, _| record.own_close.is_some());
        self.closing();
        if !has_closed && !self.is_mute {
            self.peer.send(FIN | CLOSE, &payload);
            return self.hang_up_if_hasty().await;
        }
        None
    }

    fn closing(&mut self) {
        let until = self.now() + PATIENCE;
        self.talk = Talk::Closing { until };
    }

    async fn hang_up_if_hasty(&mut self) -> Option<Ended> {
        if !self.actor.is_hasty {
            return None;
        }
        // Whether or not it got out in time.
        let _ = tokio::time::timeout(PATIENCE, self.peer.flush()).await;
        Some(Ended::Left)
    }

    fn has_read_close(&self) -> bool {
        self.record(|record, _| record.close.is_some())
    }

    fn is_sound(&self) -> bool {
        self.record(|record, _| record.is_sound())
    }

    fn now(&self) -> Duration {
        self.world.clock.elapsed()
    }

    fn note(&self, note: Note) {
        self.world.note(Some(self.me), note);
    }

    fn fault(&self, what: &str) {
        let (me, role, at) = (self.me, self.actor.role, self.now());
        self.world
            .fault(format!("{role:?} {me} at {at:.3?}: {what}"));
    }

    fn record<T>(&self, act: impl FnOnce(&mut Record, Duration) -> T) -> T {
        let now = self.now();
        act(&mut self.world.ledger.lock().records[self.me], now)
    }

    fn ledger<T>(&self, act: impl FnOnce(&mut Ledger, Duration) -> T) -> T {
        let now = self.now();
        act(&mut self.world.ledger.lock(), now)
    }

    /// Notes that from now on it is not to be counted on.
    fn disturbed(&self, step: Step) {
        self.record(|record, now| {
            record.disturbed.get_or_insert(now);
            let may_leave = !matches!(step, Step::Close(_));
            if may_leave {
                record.leaving.get_or_insert(now);
            }
        });
    }
}

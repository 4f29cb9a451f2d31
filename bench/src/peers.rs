//! What the sides of a load do with what they receive.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use crate::engine::Peer;
use crate::samples::Samples;
use crate::wire::{self, Kind};

/// What all peers of one thread have seen together.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) round_trips: Cell<u64>,
    pub(crate) pings: Cell<u64>,
    pub(crate) closes: Cell<u64>,
    /// Closes with 1001.
    pub(crate) going_away: Cell<u64>,
    pub(crate) last_close: Cell<Option<Instant>>,
    pub(crate) latencies: RefCell<Samples>,
}

pub(crate) fn step(counter: &Cell<u64>, by: u64) {
    counter.set(counter.get() + by);
}

/// A peer that answers to the protocol and hands its text frames on.
fn frames(
    mut bytes: &[u8],
    out: &mut Vec<u8>,
    seen: &Seen,
    now: Instant,
    mut on_text: impl FnMut(&[u8], &mut Vec<u8>),
) -> usize {
    let all = bytes.len();
    while let Some((frame, taken)) = wire::frame(bytes) {
        match frame.kind {
            Kind::Text => on_text(frame.payload, out),
            Kind::Ping => {
                step(&seen.pings, 1);
                wire::masked_pong(frame.payload, out);
            }
            Kind::Close => {
                let code = wire::close_code(frame.payload);
                step(&seen.closes, 1);
                step(&seen.going_away, u64::from(code == 1001));
                seen.last_close.set(Some(now));
                wire::masked_close(code, out);
            }
            Kind::Other => {}
        }
        bytes = &bytes[taken..];
    }
    all - bytes.len()
}

/// A daemon that sends each envelope back unchanged; may have a flood for one phone besides.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) seen: Rc<Seen>,
    /// The envelope to send whenever it may speak.
    pub(crate) flood: Vec<u8>,
    /// Of the first envelope.
    pub(crate) first_conn_id: Option<String>,
}

impl Daemon {
    pub(crate) fn new(seen: &Rc<Seen>) -> Self {
        Self {
            seen: Rc::clone(seen),
            flood: Vec::new(),
            first_conn_id: None,
        }
    }
}

impl Peer for Daemon {
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, now: Instant) -> usize {
        let Self {
            seen,
            first_conn_id,
            ..
        } = self;
        frames(bytes, out, seen, now, |envelope, out| {
            if first_conn_id.is_none() {
                *first_conn_id = wire::conn_id(envelope).map(str::to_owned);
            }
            wire::masked_text(envelope, out);
        })
    }

    fn speak(&mut self, out: &mut Vec<u8>, _: Instant) {
        if !self.flood.is_empty() {
            wire::masked_text(&self.flood, out);
        }
    }
}

/// A phone that keeps so many frames in flight.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) seen: Rc<Seen>,
    frame: Rc<[u8]>,
    in_flight: usize,
    /// Frames that are to be sent at all.
    pub(crate) limit: u64,
    sent_at: VecDeque<Instant>,
    pub(crate) is_stalled: bool,
}

impl Phone {
    pub(crate) fn new(seen: &Rc<Seen>, payload: &str, in_flight: usize) -> Self {
        let mut frame = Vec::new();
        wire::masked_text(payload.as_bytes(), &mut frame);
        Self {
            seen: Rc::clone(seen),
            frame: frame.into(),
            in_flight,
            limit: u64::MAX,
            sent_at: VecDeque::new(),
            is_stalled: false,
        }
    }

    /// Another of the same kind, which shares the frame.
    pub(crate) fn another(&self) -> Self {
        Self {
            seen: Rc::clone(&self.seen),
            frame: Rc::clone(&self.frame),
            sent_at: VecDeque::new(),
            ..*self
        }
    }

    fn send(&mut self, out: &mut Vec<u8>, now: Instant) {
        if self.limit > 0 {
            self.limit -= 1;
            self.sent_at.push_back(now);
            out.extend_from_slice(&self.frame);
        }
    }
}

impl Peer for Phone {
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, now: Instant) -> usize {
        let seen = Rc::clone(&self.seen);
        frames(bytes, out, &seen, now, |_, out| {
            step(&seen.round_trips, 1);
            if let Some(sent) = self.sent_at.pop_front() {
                seen.latencies.borrow_mut().add(now - sent);
                self.send(out, now);
            }
        })
    }

    fn speak(&mut self, out: &mut Vec<u8>, now: Instant) {
        for _ in 0..self.in_flight {
            self.send(out, now);
        }
    }

    fn reads(&self) -> bool {
        !self.is_stalled
    }
}

/// Behind a forwarder: sends back whatever it gets.
#[derive(Debug)]
pub(crate) struct Mirror;

impl Peer for Mirror {
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, _: Instant) -> usize {
        out.extend_from_slice(bytes);
        bytes.len()
    }
}

/// Behind a forwarder: keeps so many messages in flight and knows them by their length alone.
#[derive(Debug)]
pub(crate) struct RawPhone {
    pub(crate) seen: Rc<Seen>,
    pub(crate) message: Rc<[u8]>,
    pub(crate) in_flight: usize,
}

impl Peer for RawPhone {
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, _: Instant) -> usize {
        let messages = bytes.len() / self.message.len();
        step(&self.seen.round_trips, messages as u64);
        for _ in 0..messages {
            out.extend_from_slice(&self.message);
        }
        messages * self.message.len()
    }

    fn speak(&mut self, out: &mut Vec<u8>, _: Instant) {
        for _ in 0..self.in_flight {
            out.extend_from_slice(&self.message);
        }
    }
}

/// Behind a proxy that passes the upgrade on: a WebSocket server that sends each frame back.
#[derive(Debug)]
pub(crate) struct EchoServer {
    pub(crate) seen: Rc<Seen>,
}

impl Peer for EchoServer {
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, now: Instant) -> usize {
        frames(bytes, out, &self.seen, now, wire::plain_text)
    }
}

/// Any of them, where one load has several kinds.
#[derive(Debug)]
pub(crate) enum Either {
    Daemon(Daemon),
    Phone(Phone),
    Mirror(Mirror),
    RawPhone(RawPhone),
    EchoServer(EchoServer),
}

impl Peer for Either {
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, now: Instant) -> usize {
        match self {
            Self::Daemon(peer) => peer.received(bytes, out, now),
            Self::Phone(peer) => peer.received(bytes, out, now),
            Self::Mirror(peer) => peer.received(bytes, out, now),
            Self::RawPhone(peer) => peer.received(bytes, out, now),
            Self::EchoServer(peer) => peer.received(bytes, out, now),
        }
    }

    fn speak(&mut self, out: &mut Vec<u8>, now: Instant) {
        match self {
            Self::Daemon(peer) => peer.speak(out, now),
            Self::Phone(peer) => peer.speak(out, now),
            Self::RawPhone(peer) => peer.speak(out, now),
            Self::Mirror(_) | Self::EchoServer(_) => {}
        }
    }

    fn reads(&self) -> bool {
        match self {
            Self::Phone(peer) => peer.reads(),
            Self::Daemon(_) | Self::Mirror(_) | Self::RawPhone(_) | Self::EchoServer(_) => true,
        }
    }
}

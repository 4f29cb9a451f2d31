//! One thread that drives every connection of a load: epoll, one scratch buffer, one write per batch.
//!
//! It must not know what a peer says; that is [`Peer`]'s.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::socket::Dialled;

/// Read at a time.
const SCRATCH_BYTES: usize = 256 << 10;

/// One side of a connection, as what it does with what it receives.
pub(crate) trait Peer {
    /// Takes whole units from the front of `bytes`, appends answers to `out`, and says how much it took.
    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>, now: Instant) -> usize;

    /// What it says unasked: called once at the start, and again whenever the mode wants.
    fn speak(&mut self, _out: &mut Vec<u8>, _now: Instant) {}

    /// Whether it reads at all.
    fn reads(&self) -> bool {
        true
    }
}

struct Link<P> {
    stream: TcpStream,
    peer: P,
    /// The start of a unit that is not whole.
    carry: Vec<u8>,
    out: Vec<u8>,
    sent: usize,
    is_open: bool,
}

/// All connections of one thread.
pub(crate) struct Engine<P> {
    poll: Poll,
    events: Events,
    links: Vec<Link<P>>,
    scratch: Box<[u8]>,
}

impl<P: Peer> Engine<P> {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            links: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        })
    }

    /// Takes a connection over and returns its number.
    pub(crate) fn add(&mut self, dialled: Dialled, peer: P) -> anyhow::Result<usize> {
        dialled.stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(dialled.stream);
        let number = self.links.len();
        self.poll.registry().register(
            &mut stream,
            Token(number),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.links.push(Link {
            stream,
            peer,
            carry: dialled.leftover,
            out: Vec::new(),
            sent: 0,
            is_open: true,
        });
        Ok(number)
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &P> {
        self.links.iter().map(|link| &link.peer)
    }

    pub(crate) fn peers_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.links.iter_mut().map(|link| &mut link.peer)
    }

    /// Connections that neither side has ended.
    pub(crate) fn open(&self) -> usize {
        self.links.iter().filter(|link| link.is_open).count()
    }

    /// Lets every peer speak.
    pub(crate) fn speak_all(&mut self) {
        for number in 0..self.links.len() {
            self.speak(number);
        }
    }

    pub(crate) fn speak(&mut self, number: usize) {
        let link = &mut self.links[number];
        link.peer.speak(&mut link.out, clock::now());
        link.flush();
    }

    /// Bytes that the other side has not taken yet.
    pub(crate) fn unsent(&self, number: usize) -> usize {
        let link = &self.links[number];
        link.out.len() - link.sent
    }

    /// Drives the connections until `end`, or until `done` says so.
    pub(crate) fn run_until(
        &mut self,
        end: Instant,
        mut done: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        loop {
            let left = end.saturating_duration_since(clock::now());
            if left.is_zero() || done(self) {
                return Ok(());
            }
            self.turn(left.min(Duration::from_millis(50)))?;
        }
    }

    fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let now = clock::now();
        for event in &self.events {
            let link = &mut self.links[event.token().0];
            if link.is_open {
                link.ready(event, &mut self.scratch, now);
            }
        }
        Ok(())
    }
}

impl<P: Peer> Link<P> {
    fn ready(&mut self, event: &Event, scratch: &mut [u8], now: Instant) {
        if event.is_readable() && self.peer.reads() {
            self.read(event.is_read_closed(), scratch, now);
        }
        self.flush();
    }

    fn read(&mut self, to_the_end: bool, scratch: &mut [u8], now: Instant) {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => {
                    self.is_open = false;
                    // As a peer does whose library has seen the end: the other side need not linger.
                    let _ = self.stream.shutdown(Shutdown::Both);
                    return;
                }
                Ok(read) => {
                    self.feed(&scratch[..read], now);
                    // After a short read the socket is empty, and epoll tells of what comes next.
                    if read < scratch.len() && !to_the_end {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_reset) => {
                    self.is_open = false;
                    return;
                }
            }
        }
    }

    fn feed(&mut self, bytes: &[u8], now: Instant) {
        if self.carry.is_empty() {
            let taken = self.peer.received(bytes, &mut self.out, now);
            self.carry.extend_from_slice(&bytes[taken..]);
        } else {
            self.carry.extend_from_slice(bytes);
            let taken = self.peer.received(&self.carry, &mut self.out, now);
            self.carry.drain(..taken);
        }
        if self.carry.is_empty() && self.carry.capacity() > 64 << 10 {
            self.carry = Vec::new();
        }
    }

    fn flush(&mut self) {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_reset) => {
                    self.is_open = false;
                    break;
                }
            }
        }
        self.sent = 0;
        if self.out.capacity() > 64 << 10 {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
    }
}

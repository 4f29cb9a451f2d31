//! Round trips: phone → relay → daemon → relay → phone, so many in flight, and what each costs the process between.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Target, server_id};
use crate::clock;
use crate::engine::Engine;
use crate::forward;
use crate::peers::{Daemon, EchoServer, Either, Mirror, Phone, RawPhone, Seen};
use crate::socket::{self, Dialled};
use crate::wire;

/// The load, and who is in the middle.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) target: Target,
    pub(crate) middle: Middle,
    pub(crate) servers: usize,
    pub(crate) phones: usize,
    pub(crate) in_flight: usize,
    pub(crate) bytes: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Middle {
    Relay,
    /// Our byte forwarder.
    Forwarder,
    /// A proxy that passes WebSocket upgrades on to this address, where this process then listens.
    Proxy {
        backend: SocketAddr,
    },
}

/// What a routed frame has more on the daemon's leg, in bytes: `{"conn_id":"client-` + 32 + `","frame":` + `}`.
const ENVELOPE_BYTES: usize = 19 + 32 + 10 + 1;

impl Echo {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let seen = Rc::new(Seen::default());
        let mut engine = Engine::new()?;
        match self.middle {
            Middle::Relay => self.dial_relay(&mut engine, &seen)?,
            Middle::Forwarder => self.dial_forwarder(&mut engine, &seen)?,
            Middle::Proxy { backend } => self.dial_proxy(&mut engine, &seen, backend)?,
        }
        engine.speak_all();
        engine.run_until(clock::now() + self.warm_up, |_| false)?;

        seen.latencies.borrow_mut().clear();
        let trips_before = seen.round_trips.get();
        let cpu_before = self.target.process.cpu()?;
        let begun = clock::now();
        engine.run_until(begun + self.measured, |_| false)?;
        let cpu = self.target.process.cpu()? - cpu_before;
        let trips = seen.round_trips.get() - trips_before;
        let elapsed = clock::now() - begun;

        let expected = engine.peers().count();
        ensure!(
            engine.open() == expected,
            "a connection was lost under load"
        );
        ensure!(trips > 0, "nothing came back");
        Ok(json!({
            "round_trips": trips,
            "round_trips_per_second": trips as f64 / elapsed.as_secs_f64(),
            "cpu_us_per_round_trip": cpu.as_secs_f64() * 1e6 / trips as f64,
            "latency": seen.latencies.take().summary(),
        }))
    }

    fn dial_relay(&self, engine: &mut Engine<Either>, seen: &Rc<Seen>) -> anyhow::Result<()> {
        let Self { target, phones, .. } = *self;
        let phone = Phone::new(seen, &wire::payload(self.bytes), self.in_flight);
        for server in 0..self.servers {
            let id = server_id(server);
            let number = server * (phones + 1);
            let dialled = socket::dial(target.addr, number, "/v1/server", &id)?;
            engine.add(dialled, Either::Daemon(Daemon::new(seen)))?;
            for number in number + 1..=number + phones {
                let dialled = socket::dial(target.addr, number, "/v1/client", &id)?;
                engine.add(dialled, Either::Phone(phone.another()))?;
            }
        }
        Ok(())
    }

    /// The same sockets; each message has the mean size of the four that a round trip through the relay has.
    fn dial_forwarder(&self, engine: &mut Engine<Either>, seen: &Rc<Seen>) -> anyhow::Result<()> {
        let Self { target, phones, .. } = *self;
        let head = |len: usize| if len < 126 { 2 } else { 4 };
        let wrapped = self.bytes + ENVELOPE_BYTES;
        let on_the_wire = 2 * (head(self.bytes) + self.bytes + head(wrapped) + wrapped) + 2 * 4;
        let message: Rc<[u8]> = vec![b'A'; on_the_wire / 4].into();
        for server in 0..self.servers {
            let number = server * (phones + 1);
            let hello = |place| forward::Hello {
                server,
                place,
                phones,
            };
            let stream = hello(0).dial(target.addr, number)?;
            let dialled = Dialled {
                stream,
                leftover: Vec::new(),
            };
            engine.add(dialled, Either::Mirror(Mirror))?;
            for place in 1..=phones {
                let stream = hello(place).dial(target.addr, number + place)?;
                let phone = RawPhone {
                    seen: Rc::clone(seen),
                    message: Rc::clone(&message),
                    in_flight: self.in_flight,
                };
                let dialled = Dialled {
                    stream,
                    leftover: Vec::new(),
                };
                engine.add(dialled, Either::RawPhone(phone))?;
            }
        }
        Ok(())
    }

    fn dial_proxy(
        &self,
        engine: &mut Engine<Either>,
        seen: &Rc<Seen>,
        backend: SocketAddr,
    ) -> anyhow::Result<()> {
        let pairs = self.servers * self.phones;
        let listener = socket::listen(backend).context("the proxy's backend")?;
        let (sender, accepted) = mpsc::sync_channel(pairs);
        let phone = Phone::new(seen, &wire::payload(self.bytes), self.in_flight);
        std::thread::scope(|scope| {
            let acceptor = scope.spawn(move || -> anyhow::Result<()> {
                for _ in 0..pairs {
                    let (mut stream, _) = listener.accept()?;
                    socket::accept(&mut stream)?;
                    sender.send(stream)?;
                }
                Ok(())
            });
            for number in 0..pairs {
                let dialled = socket::dial(self.target.addr, number, "/v1/client", "bench")?;
                engine.add(dialled, Either::Phone(phone.another()))?;
            }
            acceptor.join().expect("the acceptor returns its errors")
        })?;
        for stream in accepted.try_iter() {
            let peer = EchoServer {
                seen: Rc::clone(seen),
            };
            let dialled = Dialled {
                stream,
                leftover: Vec::new(),
            };
            engine.add(dialled, Either::EchoServer(peer))?;
        }
        Ok(())
    }
}

//! A connection under test: how it is set up, what its endpoint was told, and how it ended.

use std::sync::Arc;

use parking_lot::Mutex;
use relay_core::{
    Binary, ClaimError, Delivery, Incumbent, Limits, Origin, Outbox, Phone, Registry, ServerId,
};
use tokio::task::JoinSet;

use super::recorder::{Member, Recorder, Told};
use super::*;
use crate::clock;
use crate::scratch::ScratchPool;

/// What a connection is made with, besides its member.
pub(super) struct Setup {
    /// Bytes that each direction holds before a write has to wait.
    pub(super) pipe_bytes: usize,
    pub(super) fault: Fault,
    pub(super) timing: Timing,
    pub(super) leftover: Vec<u8>,
    pub(super) seed: u32,
    pub(super) limits: Limits,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            pipe_bytes: 1 << 20,
            fault: Fault::None,
            timing: Timing {
                write_timeout: 30 * SECOND,
                close_timeout: 5 * SECOND,
                message_timeout: 30 * SECOND,
                heartbeat_interval: 30 * SECOND,
                heartbeat_timeout: 30 * SECOND,
            },
            leftover: Vec::new(),
            seed: 7,
            limits: Limits::default(),
        }
    }
}

impl Setup {
    /// A pipe so narrow that a large frame stays half-written until the client reads.
    pub(super) fn narrow() -> Self {
        Self {
            pipe_bytes: 64,
            ..Self::default()
        }
    }

    /// A phone's connection, and the binary that it joined.
    pub(super) fn phone(self) -> (Binary, Leg) {
        let registry = Registry::new(self.limits.clone());
        let binary = claim(&registry);
        let phone = registry.join(&server_id(), clock::now()).expect("room");
        let leg = self.start(registry, Member::Phone(phone));
        (binary, leg)
    }

    /// A binary's connection, and a phone that joined it.
    pub(super) fn binary(mut self) -> (Phone, Leg) {
        self.timing.write_timeout = 10 * SECOND;
        let registry = Registry::new(self.limits.clone());
        let binary = claim(&registry);
        let phone = registry.join(&server_id(), clock::now()).expect("room");
        let leg = self.start(registry, Member::Binary(binary));
        (phone, leg)
    }

    /// A connection that is refused before it runs.
    pub(super) fn refused(self, close: Close) -> Leg {
        let registry = Registry::new(self.limits.clone());
        self.launch(registry, Member::Nobody, Some(close))
    }

    fn start(self, registry: Registry, member: Member) -> Leg {
        self.launch(registry, member, None)
    }

    fn launch(self, registry: Registry, member: Member, refusal: Option<Close>) -> Leg {
        let (ours, theirs) = tokio::io::duplex(self.pipe_bytes);
        let traffic = Traffic::default();
        let polls = Polls::default();
        let told = Arc::new(Mutex::new(Told::default()));
        let conn_id = match &member {
            Member::Phone(phone) => phone.conn_id().to_string(),
            Member::Binary(_) | Member::Nobody => String::new(),
        };
        let endpoint = Recorder {
            member,
            told: Arc::clone(&told),
        };
        let shape = Shape {
            scratch: Arc::new(ScratchPool::default()),
            timing: self.timing,
            bounds: crate::ws::Bounds::new(262_144),
            leftover: self.leftover,
            seed: self.seed,
            epoch: clock::now(),
        };
        let stream = Spy::new(ours, traffic.clone(), self.fault);
        let mut connection = Connection::new(stream, endpoint, shape, clock::now());
        if let Some(close) = refusal {
            connection.close(close, clock::now());
        }
        let mut task = JoinSet::new();
        let run = async {
            let (endpoint, ended) = connection.run().await;
            endpoint.leave(&ended);
            ended
        };
        task.spawn(Counted::new(run, polls.clone()));
        Leg {
            client: Client::new(theirs),
            registry,
            conn_id,
            told,
            traffic,
            polls,
            task,
        }
    }
}

/// A running connection, seen from outside.
pub(super) struct Leg {
    pub(super) client: Client,
    pub(super) registry: Registry,
    pub(super) conn_id: String,
    pub(super) told: Arc<Mutex<Told>>,
    pub(super) traffic: Traffic,
    pub(super) polls: Polls,
    task: JoinSet<Ended>,
}

impl Leg {
    /// Waits for the connection's end.
    pub(super) async fn ended(&mut self) -> Ended {
        let ended = in_time(self.task.join_next()).await;
        ended.expect("asked for once").expect("no panic")
    }

    /// Drops the connection where it stands.
    pub(super) async fn abort(&mut self) {
        self.task.shutdown().await;
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.task.try_join_next().is_none()
    }

    /// Queues a frame for this phone.
    pub(super) fn deliver(&self, binary: &Binary, frame: &str) {
        let delivery = binary.deliver(&self.conn_id, Some(frame.as_bytes()), None);
        assert_eq!(delivery, Delivery::Queued);
    }

    /// Has this phone closed by its binary, behind everything queued.
    pub(super) fn direct(&self, binary: &Binary, code: u16) {
        let delivery = binary.deliver(&self.conn_id, None, Some(code));
        assert_eq!(delivery, Delivery::Queued);
    }

    /// Closes this phone with 4404, dropping what is queued: its binary is replaced.
    pub(super) fn evict(&self, binary: Binary) -> Binary {
        drop(binary);
        claim(&self.registry)
    }

    /// Claims the server-id that this connection's binary has left.
    pub(super) fn claim(&self) -> Binary {
        claim(&self.registry)
    }

    /// The binary of this connection, as another claimant sees it.
    pub(super) fn incumbent(&self) -> Incumbent {
        match self
            .registry
            .claim(&server_id(), Origin::unknown(), clock::now())
        {
            Err(ClaimError::Held(incumbent)) => incumbent,
            other => panic!("the server-id is held, not {other:?}"),
        }
    }

    pub(super) fn drain(&self, flush: Duration) {
        self.registry.begin_drain();
        for handle in self.registry.snapshot().legs() {
            handle.drain(flush);
        }
    }

    pub(super) fn messages(&self) -> Vec<String> {
        self.told.lock().messages.clone()
    }

    pub(super) fn closed_by(&self) -> Vec<ClosedBy> {
        self.told.lock().closed_by.clone()
    }
}

fn server_id() -> ServerId {
    ServerId::new(b"6f1c".as_slice())
}

fn claim(registry: &Registry) -> Binary {
    let claimed = registry.claim(&server_id(), Origin::unknown(), clock::now());
    claimed.expect("free or in grace")
}

/// Takes everything queued for a member that the test holds itself, as a fast connection would.
pub(super) fn frames_in(outbox: &Outbox) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(chunk) = outbox.take(std::task::Waker::noop(), true).chunk {
        let mut bytes = chunk.bytes();
        while let [_, len, rest @ ..] = bytes {
            let (len, rest) = match *len {
                126 => (
                    usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                    &rest[2..],
                ),
                127 => {
                    let len = u64::from_be_bytes(rest[..8].try_into().unwrap());
                    (usize::try_from(len).unwrap(), &rest[8..])
                }
                short => (usize::from(short), rest),
            };
            found.push(String::from_utf8(rest[..len].to_vec()).unwrap());
            bytes = &rest[len..];
        }
        outbox.written(chunk);
    }
    found
}

//! The operations, each with all it needs made beforehand.

use std::hint::black_box;
use std::task::Waker;
use std::time::Instant;

use relay_core::envelope;
use relay_core::{Binary, Limits, Origin, Phone, Registry, ServerId};
use relay_transport::internals::Decoding;

use crate::frames::{masked, payload};

/// One step, ready to be repeated; its number keeps the work from being optimised away.
pub(crate) type Step = Box<dyn FnMut() -> usize>;

/// What can be repeated.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn() -> Step,
}

/// By the names that budgets are committed under.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "decode/64",
        prepare: || decode(64),
    },
    Operation {
        name: "decode/1024",
        prepare: || decode(1024),
    },
    Operation {
        name: "decode/16384",
        prepare: || decode(16_384),
    },
    Operation {
        name: "check/64",
        prepare: || check(64),
    },
    Operation {
        name: "check/1024",
        prepare: || check(1024),
    },
    Operation {
        name: "wrap/64",
        prepare: || wrap(64),
    },
    Operation {
        name: "wrap/1024",
        prepare: || wrap(1024),
    },
    Operation {
        name: "unwrap/64",
        prepare: || unwrap(64),
    },
    Operation {
        name: "unwrap/1024",
        prepare: || unwrap(1024),
    },
    Operation {
        name: "route/64",
        prepare: || route(64),
    },
    Operation {
        name: "route/1024",
        prepare: || route(1024),
    },
    Operation {
        name: "encode/16x64",
        prepare: || encode(64),
    },
];

/// A frame out of a read buffer: head, unmasking, UTF-8.
fn decode(bytes: usize) -> Step {
    let wire = masked(payload(bytes).as_bytes());
    let mut buffer = wire.clone();
    let mut decoding = Decoding::new(256 << 10);
    Box::new(move || {
        // Decoding unmasks in place.
        buffer.copy_from_slice(&wire);
        decoding.feed(black_box(&mut buffer)).unwrap_or_default()
    })
}

/// Whether a phone's payload is one JSON value.
fn check(bytes: usize) -> Step {
    let payload = payload(bytes);
    Box::new(move || usize::from(envelope::check_frame_str(black_box(&payload)).is_ok()))
}

/// A phone's payload into its binary's outbox, envelope and head around it, and out again when it is full.
fn wrap(bytes: usize) -> Step {
    let (binary, phone) = pair();
    let payload = payload(bytes);
    Box::new(move || {
        let is_queued = phone.forward(black_box(payload.as_bytes())).is_ok();
        drain(binary.outbox());
        usize::from(is_queued)
    })
}

/// A binary's envelope taken apart.
fn unwrap(bytes: usize) -> Step {
    let (_binary, phone) = pair();
    let message = format!(
        r#"{{"conn_id":"{}","frame":{}}}"#,
        phone.conn_id(),
        payload(bytes)
    );
    Box::new(move || usize::from(envelope::parse_str(black_box(&message)).is_ok()))
}

/// The phone found by its name, and the frame into its outbox.
fn route(bytes: usize) -> Step {
    let (binary, phone) = pair();
    let (conn_id, frame) = (phone.conn_id().to_string(), payload(bytes));
    Box::new(move || {
        let delivery = binary.deliver(black_box(&conn_id), Some(frame.as_bytes()), None);
        drain(phone.outbox());
        delivery as usize
    })
}

/// Sixteen frames laid behind one another and taken for one write.
fn encode(bytes: usize) -> Step {
    let (binary, phone) = pair();
    let payload = payload(bytes);
    Box::new(move || {
        for _ in 0..16 {
            black_box(phone.forward(black_box(payload.as_bytes())).is_ok());
        }
        drain(binary.outbox())
    })
}

/// Takes what is queued as the writer does, and gives it back as written.
fn drain(outbox: &relay_core::Outbox) -> usize {
    let mut bytes = 0;
    while let Some(chunk) = outbox.take(Waker::noop(), true).chunk {
        bytes += chunk.bytes().len();
        outbox.written(chunk);
    }
    bytes
}

fn pair() -> (Binary, Phone) {
    let registry = Registry::new(Limits::default());
    let id = ServerId::new(*b"00000000-0000-4000-8000-000000000000");
    let now = now();
    let binary = registry
        .claim(&id, Origin::unknown(), now)
        .expect("nobody holds it");
    let phone = registry.join(&id, now).expect("its binary is there");
    (binary, phone)
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program")]
fn now() -> Instant {
    Instant::now()
}

//! Waiting for a drain to begin, and for its last member to end.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake};

use super::*;
use crate::testing::counting_waker;

#[test]
fn idle_waits_for_the_drain_and_for_every_member() {
    let relay = Relay::new();
    let (wakes, waker) = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    let registry = relay.registry.clone();
    let mut idle = std::pin::pin!(registry.idle());
    assert!(
        idle.as_mut().poll(cx).is_pending(),
        "empty, but not draining"
    );

    let mut binary = relay.claim("s");
    let mut phone = relay.join("s");
    relay.registry.begin_drain();
    assert_eq!(wakes.count(), 1);
    assert!(idle.as_mut().poll(cx).is_pending());
    phone.leave(None);
    binary.leave(relay.now);
    assert!(idle.as_mut().poll(cx).is_pending(), "they still close");
    drop(phone);
    assert!(idle.as_mut().poll(cx).is_pending());
    drop(binary);
    assert!(wakes.count() >= 2);
    assert!(idle.as_mut().poll(cx).is_ready());
}

#[test]
fn idle_and_draining_are_levels() {
    let relay = Relay::new();
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(
        std::pin::pin!(relay.registry.draining())
            .poll(cx)
            .is_pending()
    );
    relay.registry.begin_drain();
    for _ in 0..2 {
        assert!(
            std::pin::pin!(relay.registry.draining())
                .poll(cx)
                .is_ready()
        );
        assert!(std::pin::pin!(relay.registry.idle()).poll(cx).is_ready());
    }
}

#[test]
fn draining_wakes_every_waiter() {
    let relay = Relay::new();
    let (wakes, waker) = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    let mut first = std::pin::pin!(relay.registry.draining());
    let mut second = std::pin::pin!(relay.registry.draining());
    assert!(first.as_mut().poll(cx).is_pending());
    assert!(second.as_mut().poll(cx).is_pending());
    relay.registry.begin_drain();
    assert_eq!(wakes.count(), 2);
    assert!(first.as_mut().poll(cx).is_ready());
    assert!(second.as_mut().poll(cx).is_ready());
}

/// Looks at the registry from inside an eviction, when a claim has let go of its lock and is not over yet.
struct Witness {
    registry: Registry,
    seen: Mutex<Option<(usize, usize)>>,
}

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        let binaries = self.registry.snapshot().binaries();
        let members = self.registry.shared.members.load(Ordering::SeqCst);
        *self.seen.lock().expect("no panic") = Some((binaries, members));
    }
}

#[test]
fn a_claim_that_can_be_seen_keeps_the_registry_from_being_idle() {
    let relay = Relay::new();
    let _dead = relay.claim("s");
    let phone = relay.join("s");
    let witness = Arc::new(Witness {
        registry: relay.registry.clone(),
        seen: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&witness));
    phone.outbox().take(&waker, true);
    let _new = relay.take_over(&relay.incumbent("s")).expect("silent");
    let seen = *witness.seen.lock().expect("no panic");
    assert_eq!(
        seen,
        Some((1, 3)),
        "the dead one, its phone and the new one"
    );
}

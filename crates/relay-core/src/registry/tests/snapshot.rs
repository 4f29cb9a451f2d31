//! Snapshots: complete, fresh, independent, and taken while everything moves.

use std::collections::HashSet;
use std::sync::Barrier;

use super::*;
use crate::snapshot::Leg;
use crate::{ConnId, LegKind, Snapshot};

fn conn_ids(snapshot: &Snapshot) -> Vec<ConnId> {
    let mut found = Vec::new();
    for handle in snapshot.legs() {
        if let Leg::Phone(leg) = &handle.0 {
            found.push(leg.conn_id);
        }
    }
    found
}

#[test]
fn an_empty_registry_has_an_empty_snapshot() {
    let snapshot = Relay::new().registry.snapshot();
    assert!(snapshot.legs().is_empty());
    assert_eq!((snapshot.binaries(), snapshot.phones()), (0, 0));
    assert!(!snapshot.is_draining());
}

#[test]
fn holds_every_binary_and_every_phone() {
    let relay = Relay::new();
    let _binaries = [relay.claim("a"), relay.claim("b"), relay.claim("c")];
    let phones = [relay.join("a"), relay.join("a"), relay.join("b")];
    let snapshot = relay.registry.snapshot();
    assert_eq!((snapshot.binaries(), snapshot.phones()), (3, 3));
    let found: HashSet<_> = conn_ids(&snapshot).into_iter().collect();
    assert_eq!(found, phones.iter().map(Phone::conn_id).collect());
}

#[test]
fn lists_a_binary_before_its_phones() {
    let relay = Relay::new();
    let _binary = relay.claim("a");
    let _phones = [relay.join("a"), relay.join("a")];
    let snapshot = relay.registry.snapshot();
    let kinds: Vec<_> = snapshot.legs().iter().map(crate::LegHandle::kind).collect();
    assert_eq!(kinds, [LegKind::Binary, LegKind::Phone, LegKind::Phone]);
}

#[test]
fn leaves_out_a_binary_in_grace_but_not_its_phones() {
    let relay = Relay::new();
    let mut binary = relay.claim("a");
    let _phone = relay.join("a");
    binary.leave(relay.now);
    let snapshot = relay.registry.snapshot();
    assert_eq!((snapshot.binaries(), snapshot.phones()), (0, 1));
    assert_eq!(snapshot.legs().len(), 1);
}

#[test]
fn is_fresh_each_time_and_does_not_change_afterwards() {
    let relay = Relay::new();
    let _binary = relay.claim("a");
    let phone = relay.join("a");
    let before = relay.registry.snapshot();

    let (_second, _joined) = (relay.claim("b"), relay.join("b"));
    let conn_id = phone.conn_id();
    drop(phone);
    relay.registry.begin_drain();

    assert_eq!((before.binaries(), before.phones()), (1, 1));
    assert_eq!(conn_ids(&before), [conn_id]);
    assert!(!before.is_draining());
    let after = relay.registry.snapshot();
    assert_eq!((after.binaries(), after.phones()), (2, 1));
    assert!(!conn_ids(&after).contains(&conn_id));
    assert!(after.is_draining());
}

#[test]
fn emptying_a_snapshot_changes_nothing_in_the_registry() {
    let relay = Relay::new();
    let (_binary, phone) = (relay.claim("a"), relay.join("a"));
    let mut snapshot = relay.registry.snapshot();
    snapshot.legs.clear();
    snapshot.binaries = 0;
    drop(snapshot);
    assert_eq!(relay.connected(), (1, 1));
    assert_eq!(order(phone.outbox()), None);
}

#[test]
fn handles_of_legs_that_have_left_are_harmless() {
    let relay = Relay::new();
    let mut binary = relay.claim("a");
    let phone = relay.join("a");
    let stale = relay.registry.snapshot();
    drop(phone);
    binary.leave(relay.now);
    drop(binary);

    let binary = relay.claim("a");
    let phone = relay.join("a");
    for leg in stale.legs() {
        leg.drain(FLUSH);
        leg.cut();
    }
    assert_eq!(order(binary.outbox()), None);
    assert_eq!(order(phone.outbox()), None);
    assert!(!binary.outbox().take(Waker::noop(), false).cut);
    assert_eq!(relay.connected(), (1, 1));
}

#[test]
fn a_snapshot_keeps_no_lock() {
    let relay = Relay::new();
    let _binary = relay.claim("a");
    let _snapshot = relay.registry.snapshot();
    let _other = relay.claim("b");
    let _phone = relay.join("a");
    relay.registry.begin_drain();
}

#[test]
fn is_race_free_under_sixteen_threads() {
    const THREADS: usize = 16;
    const OPERATIONS: usize = 200;
    let relay = Relay::new();
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (relay, barrier) = (&relay, &barrier);
            scope.spawn(move || {
                let name = format!("server {thread}");
                barrier.wait();
                for operation in 0..OPERATIONS {
                    let mut binary = relay.claim(&name);
                    let phones: Vec<_> = (0..=operation % 4).map(|_| relay.join(&name)).collect();

                    let snapshot = relay.registry.snapshot();
                    let found = conn_ids(&snapshot);
                    let unique: HashSet<_> = found.iter().collect();
                    assert_eq!(unique.len(), found.len(), "no leg twice");
                    for phone in &phones {
                        assert!(unique.contains(&phone.conn_id()), "our own are in it");
                    }
                    assert!(snapshot.binaries() >= 1 && snapshot.binaries() <= THREADS);
                    assert_eq!(
                        snapshot.legs().len(),
                        snapshot.binaries() + snapshot.phones()
                    );

                    drop(phones);
                    binary.leave(relay.now);
                }
            });
        }
    });
    assert_eq!(relay.connected(), (0, 0));
}

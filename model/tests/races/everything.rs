//! All of it at once, in an order that the schedule rolls: what no scene was written for.

use std::collections::HashSet;

use relay_model::{Binary, ClaimError, Limits, Phone};
use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::thread;

use crate::race::{coin, race};
use crate::relay::{conn_id, deliver, is_notice, write_queued};
use crate::{Relay, check};

const STEPS: usize = 6;

/// One binary after the other under one server-id; what each of them read.
fn be_binaries(relay: &Relay) -> Vec<Vec<String>> {
    let mut binary: Option<Binary> = None;
    let mut read = vec![Vec::new()];
    for _ in 0..STEPS {
        let Some(seated) = &mut binary else {
            read.push(Vec::new());
            binary = match relay.try_claim("s") {
                Ok(seated) => Some(seated),
                Err(ClaimError::Held(incumbent)) if coin() => relay.take_over(&incumbent).ok(),
                Err(_refused) => None,
            };
            continue;
        };
        let reading = read.last_mut().expect("one for each claim");
        match thread_rng().gen_range(0..5) {
            0 => {
                seated.leave(relay.now);
                binary = None;
            }
            1 => binary = None,
            2 => seated.heard(),
            _ => {
                reading.extend(write_queued(seated.outbox()));
                if let Some(last) = reading.last() {
                    let frame = "1".repeat(thread_rng().gen_range(1..120));
                    deliver(seated, conn_id(last), Some(&frame), coin().then_some(4401));
                }
            }
        }
    }
    read
}

/// One phone after the other.
fn be_phones(relay: &Relay) {
    let mut phone: Option<Phone> = None;
    for _ in 0..STEPS {
        let Some(joined) = &mut phone else {
            phone = relay.try_join("s").ok();
            continue;
        };
        match thread_rng().gen_range(0..5) {
            0 => {
                joined.leave(Some(1000));
                phone = None;
            }
            1 => phone = None,
            2 => {
                write_queued(joined.outbox());
            }
            _ => {
                if joined.forward(b"1").is_err() {
                    joined.leave(None);
                }
            }
        }
    }
}

/// Every phone is read about by one binary, and ends with its only notice.
fn check_read(connections: &[Vec<String>]) {
    let mut known = HashSet::new();
    for read in connections {
        let mut gone = HashSet::new();
        for text in read {
            assert!(!known.contains(conn_id(text)), "another's: {connections:?}");
            assert!(!gone.contains(conn_id(text)), "behind its notice: {read:?}");
            if is_notice(text) {
                gone.insert(conn_id(text));
            }
        }
        known.extend(read.iter().map(|text| conn_id(text)));
    }
}

#[test]
fn whatever_happens_each_phone_has_one_binary_and_nothing_is_left() {
    check(|| {
        let relay = Relay::with(Limits::default().max_phones_per_server(1).queue_memory(600));
        let (r1, r2, r3) = (relay.clone(), relay.clone(), relay.clone());
        let binaries = move || {
            let other = r1.clone();
            race(move || be_binaries(&r1), move || be_binaries(&other))
        };
        let phones = move || {
            let other = r2.clone();
            race(move || be_phones(&r2), move || be_phones(&other))
        };
        let end = thread::spawn(move || {
            r3.end_grace();
            r3.drain();
            block_on(r3.registry.idle());
        });
        let ((mut read, others), ((), ())) = race(binaries, phones);
        end.join().expect("no panic");
        read.extend(others);
        check_read(&read);
        relay.check_nothing_is_left();
    });
}

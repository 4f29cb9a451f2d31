//! A random schedule on real threads: phones come and go, binaries restart, and each sees a consistent world.
//!
//! What each thread does follows from its seed alone; how the threads interleave does not.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::testing::write_all;
use crate::{ForwardError, JoinError};

const BINARIES: usize = 5;
const PHONE_THREADS: usize = 5;
const PHONES_PER_THREAD: usize = 10;
const PHONE_STEPS: usize = 4000;

/// Xorshift (Marsaglia 2003): a test needs no better.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

struct Churn {
    relay: Relay,
    phone_threads_done: AtomicUsize,
    /// What each binary connection read.
    read: Mutex<Vec<Vec<String>>>,
}

#[test]
fn c55_random_restarts_leave_nothing_behind() {
    let limits = Limits::default()
        .max_phone_backlog(20_000)
        .queue_memory(20_000);
    let mut churn = Churn {
        relay: Relay::with(limits),
        phone_threads_done: AtomicUsize::new(0),
        read: Mutex::default(),
    };
    thread::scope(|scope| {
        let churn = &churn;
        for number in 0..BINARIES {
            scope.spawn(move || churn.restart_binaries(number, 0x5eed_0001 + number as u64));
        }
        for number in 0..PHONE_THREADS {
            scope.spawn(move || churn.dial_phones(0x5eed_1001 + number as u64));
        }
    });

    churn.relay.pass(Duration::ZERO);
    churn.relay.pass(Duration::from_secs(30));
    assert_eq!(churn.relay.connected(), (0, 0));
    assert_eq!(churn.relay.registry.stats().queued_bytes, 0);
    for name in 0..BINARIES {
        let joined = churn
            .relay
            .registry
            .join(&id(&name.to_string()), churn.relay.now);
        assert!(matches!(joined, Err(JoinError::NoServer)));
    }
    check_what_binaries_read(&churn.read.into_inner().expect("no panic"));
}

impl Churn {
    /// One binary after the other under one server-id, until the phones are through.
    fn restart_binaries(&self, number: usize, seed: u64) {
        let name = number.to_string();
        let mut dice = Dice(seed);
        let mut binary = self.relay.claim(&name);
        let mut read = Vec::new();
        let mut frames = 0;
        loop {
            let is_last = self.phone_threads_done.load(Ordering::SeqCst) == PHONE_THREADS;
            read.extend(write_all(binary.outbox()));
            for text in read.iter().rev().take(3) {
                frames += 1;
                let conn_id = conn_id(text);
                let frame = format!("{frames:0width$}", width = 1 + dice.below(300));
                let close_code = (dice.below(40) == 0).then_some(4401);
                binary.deliver(conn_id, Some(frame.as_bytes()), close_code);
            }
            if is_last {
                binary.leave(self.relay.now);
                break;
            }
            match dice.below(60) {
                0 => binary.leave(self.relay.now),
                1 => drop(binary),
                2 => {
                    let incumbent = self.relay.incumbent(&name);
                    let new = self.relay.take_over(&incumbent).expect("silent");
                    self.keep(std::mem::take(&mut read));
                    binary = new;
                    continue;
                }
                _ => {
                    thread::yield_now();
                    continue;
                }
            }
            self.keep(std::mem::take(&mut read));
            binary = self.relay.claim(&name);
        }
        self.keep(read);
    }

    fn keep(&self, read: Vec<String>) {
        self.read.lock().expect("no panic").push(read);
    }

    fn dial_phones(&self, seed: u64) {
        let mut dice = Dice(seed);
        let mut phones: Vec<Option<(Phone, usize, usize)>> = Vec::new();
        phones.resize_with(PHONES_PER_THREAD, || None);
        for _ in 0..PHONE_STEPS {
            let place = &mut phones[dice.below(PHONES_PER_THREAD)];
            let Some((phone, sent, received)) = place else {
                let name = dice.below(BINARIES).to_string();
                match self.relay.registry.join(&id(&name), self.relay.now) {
                    Ok(phone) => *place = Some((phone, 0, 0)),
                    Err(JoinError::NoServer | JoinError::AtCap) => {}
                    Err(refused) => panic!("seed {seed:#x}: {refused}"),
                }
                continue;
            };
            for frame in write_all(phone.outbox()) {
                let frame: usize = frame.parse().expect("a number");
                assert!(frame > *received, "seed {seed:#x}: out of order");
                *received = frame;
            }
            match dice.below(20) {
                0 => *place = None,
                1 => {
                    phone.leave(Some(4000));
                    *place = None;
                }
                _ => {
                    *sent += 1;
                    match phone.forward(sent.to_string().as_bytes()) {
                        Ok(_room) => {}
                        Err(ForwardError::Closing) => *place = None,
                        Err(ForwardError::NoBinary) => {
                            phone.leave(Some(1000));
                            *place = None;
                        }
                    }
                }
            }
        }
        drop(phones);
        self.phone_threads_done.fetch_add(1, Ordering::SeqCst);
    }
}

fn conn_id(text: &str) -> &str {
    text.split('"').nth(3).expect("a conn_id")
}

/// Every phone belongs to one connection, sends in order and without a gap, and ends with its only notice.
fn check_what_binaries_read(connections: &[Vec<String>]) {
    let mut owners = HashMap::new();
    for (connection, read) in connections.iter().enumerate() {
        let mut sent: HashMap<&str, usize> = HashMap::new();
        let mut gone = HashSet::new();
        for text in read {
            let conn_id = conn_id(text);
            assert_eq!(*owners.entry(conn_id).or_insert(connection), connection);
            assert!(!gone.contains(conn_id), "behind its notice: {text}");
            let sent = sent.entry(conn_id).or_default();
            if text.contains(r#""close_code":"#) {
                gone.insert(conn_id);
            } else {
                *sent += 1;
                assert!(text.ends_with(&format!(r#""frame":{sent}}}"#)), "{text}");
            }
        }
    }
    assert!(owners.len() > PHONES_PER_THREAD, "something happened");
}

//! Drains without sockets, on a paused clock: members are guards that this test holds itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use relay_core::{BoxFuture, DrainServer, Flush, Limits, Origin, Outbox, Registry, ServerId};

use crate::{Outcome, ShutdownContext, clock, shutdown};

#[derive(Default)]
struct FakeServer {
    never_closes: bool,
    has_stopped: AtomicBool,
    was_aborted: AtomicBool,
}

impl DrainServer for FakeServer {
    fn name(&self) -> &str {
        "fake"
    }

    fn stop_accepting(&self) {
        self.has_stopped.store(true, Ordering::SeqCst);
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.never_closes {
                std::future::pending::<()>().await;
            }
        })
    }

    fn abort(&self) {
        self.was_aborted.store(true, Ordering::SeqCst);
    }
}

fn id() -> ServerId {
    ServerId::new(b"s".as_slice())
}

#[tokio::test(start_paused = true)]
async fn an_empty_registry_drains_at_once() {
    let registry = Registry::new(Limits::default());
    let server = FakeServer::default();
    let report = shutdown(ShutdownContext::new(), &registry, &[&server]).await;
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!(report.elapsed, Duration::ZERO);
    assert!(server.has_stopped.load(Ordering::SeqCst));
    assert!(!server.was_aborted.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn members_that_leave_make_it_clean() {
    let registry = Registry::new(Limits::default());
    let mut binary = registry
        .claim(&id(), Origin::unknown(), clock::now())
        .expect("free");
    let mut phone = registry.join(&id(), clock::now()).expect("binary");
    let leaving = async {
        registry.draining().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        binary.closed_cleanly();
        phone.closed_cleanly();
        drop((phone, binary));
    };
    let (report, ()) = tokio::join!(shutdown(ShutdownContext::new(), &registry, &[]), leaving);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.binaries, report.phones), (1, 1));
    assert_eq!((report.closed, report.cut), (2, 0));
    assert_eq!(report.legs_gone_after, Some(Duration::from_millis(20)));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_expires_returns_promptly() {
    let registry = Registry::new(Limits::default());
    let _binary = registry
        .claim(&id(), Origin::unknown(), clock::now())
        .expect("free");
    let server = FakeServer {
        never_closes: true,
        ..FakeServer::default()
    };
    let ctx = ShutdownContext::new().deadline(Duration::from_secs(3));
    let report = shutdown(ctx, &registry, &[&server]).await;
    assert_eq!(report.outcome, Outcome::DeadlineExceeded);
    assert_eq!(report.elapsed, Duration::from_millis(3_500));
    assert!(server.was_aborted.load(Ordering::SeqCst));
    assert_eq!(report.legs_gone_after, None);
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_it_early() {
    let registry = Registry::new(Limits::default());
    let binary = registry
        .claim(&id(), Origin::unknown(), clock::now())
        .expect("free");
    let ctx = ShutdownContext::new();
    let cut = ctx.cut_handle();
    let cutting = async {
        registry.draining().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        cut.cut();
        cut.cut();
        drop(binary);
    };
    let (report, ()) = tokio::join!(shutdown(ctx, &registry, &[]), cutting);
    assert_eq!(report.outcome, Outcome::CutShort);
    assert_eq!((report.closed, report.cut), (0, 1));
    assert!(report.elapsed < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_waits_for_the_same_end() {
    let registry = Registry::new(Limits::default());
    let binary = registry
        .claim(&id(), Origin::unknown(), clock::now())
        .expect("free");
    let leaving = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(binary);
    };
    let (first, second, ()) = tokio::join!(
        shutdown(ShutdownContext::new(), &registry, &[]),
        shutdown(ShutdownContext::new(), &registry, &[]),
        leaving,
    );
    assert_eq!(first.outcome, Outcome::Complete);
    assert_eq!(second.outcome, Outcome::Complete);
}

/// A step of the paused clock, by which members look for their close.
const STEP: Duration = Duration::from_millis(10);

/// When a leg was asked to close, after `start`, and how long it may flush.
async fn asked(outbox: &Outbox, start: Instant) -> (Duration, Duration) {
    loop {
        if let Some(close) = outbox.close_order() {
            let Flush::Within(flush) = close.flush else {
                panic!("{close:?} is not the drain's");
            };
            return (clock::now() - start, flush);
        }
        tokio::time::sleep(STEP).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_spread_asks_binaries_in_turn_and_each_phone_behind_its_own() {
    let registry = Registry::new(Limits::default());
    let start = clock::now();
    let members = ["a", "b"].map(|name| {
        let id = ServerId::new(name.as_bytes());
        let binary = registry.claim(&id, Origin::unknown(), start);
        let binary = binary.expect("free");
        (binary, registry.join(&id, start).expect("binary"))
    });
    let leaving = async {
        let [(mut a, mut a_phone), (mut b, mut b_phone)] = members;
        let turns = tokio::join!(
            asked(a.outbox(), start),
            asked(a_phone.outbox(), start),
            asked(b.outbox(), start),
            asked(b_phone.outbox(), start),
        );
        a_phone.closed_cleanly();
        b_phone.closed_cleanly();
        a.closed_cleanly();
        b.closed_cleanly();
        drop((a_phone, b_phone, a, b));
        [(turns.0, turns.1), (turns.2, turns.3)]
    };
    let ctx = ShutdownContext::new().spread(Duration::from_secs(4));
    let (report, turns) = tokio::join!(shutdown(ctx, &registry, &[]), leaving);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.closed, report.cut), (4, 0));
    let mut binaries = turns.map(|(binary, _)| binary.0);
    binaries.sort();
    assert!(binaries[0] < STEP, "{binaries:?}");
    let second = Duration::from_secs(1)..Duration::from_secs(1) + 2 * STEP;
    assert!(second.contains(&binaries[1]), "{binaries:?}");
    for (binary, phone) in turns {
        assert!(binary.0 <= phone.0 && phone.0 <= Duration::from_secs(4));
        // Half of what is left of ten seconds when the turn comes, a step of the clock aside.
        for (after, flush) in [binary, phone] {
            let left = (Duration::from_secs(10) - after) / 2;
            assert!(left <= flush && flush <= left + STEP, "{after:?} {flush:?}");
        }
    }
    assert!(report.asked_after > Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_spread_with_a_seed_can_be_repeated() {
    let mut turns = Vec::new();
    for seed in [7, 7, 8] {
        let registry = Registry::new(Limits::default());
        let start = clock::now();
        let mut binary = registry
            .claim(&id(), Origin::unknown(), start)
            .expect("free");
        let mut phone = registry.join(&id(), start).expect("binary");
        let leaving = async {
            let (turn, _) = asked(phone.outbox(), start).await;
            phone.closed_cleanly();
            binary.closed_cleanly();
            drop((phone, binary));
            turn
        };
        let ctx = ShutdownContext::new()
            .spread(Duration::from_secs(9))
            .jitter_seed(seed);
        let (_, turn) = tokio::join!(shutdown(ctx, &registry, &[]), leaving);
        turns.push(turn);
    }
    assert_eq!(turns[0], turns[1]);
    assert_ne!(turns[0], turns[2]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_in_the_middle_of_a_spread_asks_nobody_any_more() {
    let registry = Registry::new(Limits::default());
    let binary = registry
        .claim(&id(), Origin::unknown(), clock::now())
        .expect("free");
    let phone = registry.join(&id(), clock::now()).expect("binary");
    let ctx = ShutdownContext::new().spread(Duration::from_secs(9));
    let cut = ctx.cut_handle();
    let cutting = async {
        registry.draining().await;
        cut.cut();
        tokio::time::sleep(STEP).await;
        drop((phone, binary));
    };
    let (report, ()) = tokio::join!(shutdown(ctx, &registry, &[]), cutting);
    assert_eq!(report.outcome, Outcome::CutShort);
    assert_eq!(report.cut, 2);
    assert!(report.elapsed <= 2 * STEP);
}

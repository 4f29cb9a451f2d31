//! Drains without sockets, on a paused clock: members are guards that this test holds itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relay_core::{BoxFuture, DrainServer, Limits, Origin, Registry, ServerId};

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

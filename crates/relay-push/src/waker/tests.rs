//! The driver on a paused clock, with a courier in place of Google.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relay_core::{BoxFuture, WakeToken};
use tokio::time::{sleep, timeout};

use super::*;
use crate::error::{CallError, FetchError};

/// Does what the token says, and counts what it was asked to do.
#[derive(Default)]
struct Script {
    begun: AtomicUsize,
    stop: CancellationToken,
}

impl Courier for Script {
    fn deliver<'a>(
        &'a self,
        token: &'a WakeToken,
    ) -> BoxFuture<'a, Result<Option<MessageId>, SendError>> {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match token.expose() {
                word if word.starts_with("hang") => std::future::pending().await,
                word if word.starts_with("panic") => panic!("on request"),
                word if word.starts_with("fail") => Err(SendError::Call(CallError::TimedOut)),
                "cut off" => {
                    self.stop.cancelled().await;
                    let broken = FetchError::Call(CallError::Broken);
                    Err(SendError::TokenFetch(broken))
                }
                "third time" if begun < 2 => Err(SendError::Call(CallError::Broken)),
                _ => Ok(None),
            }
        })
    }
}

fn start(config: &Config) -> (Waker, Arc<Script>) {
    let script = Arc::new(Script::default());
    let courier = Arc::clone(&script) as Arc<dyn Courier>;
    let waker = Waker::with_courier(courier, config, TaskTracker::new(), script.stop.clone());
    (waker, script)
}

fn ask(waker: &Waker, server: &str, token: &str) -> Result<(), WakeRefused> {
    let raw = format!(r#"{{"platform":"fcm","token":"{token}"}}"#);
    waker.wake(&ServerId::new(server.as_bytes()), raw.as_bytes())
}

/// Lets every task do what it can without time passing by more than a moment.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wake_is_sent_at_once() {
    let (waker, script) = start(&Config::default());
    ask(&waker, "s", "T").unwrap();
    assert_eq!(script.begun.load(Ordering::Relaxed), 0, "nothing waited");
    settle().await;
    assert_eq!(waker.stats().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn o58_the_seventh_goes_when_its_time_has_come() {
    let (waker, _) = start(&Config::default());
    for token in 1..=7 {
        ask(&waker, "s", &token.to_string()).unwrap();
    }
    sleep(Duration::from_millis(9_900)).await;
    assert_eq!(waker.stats().sent, 6);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(waker.stats().sent, 7);
}

#[tokio::test(start_paused = true)]
async fn a_failed_send_is_tried_until_it_succeeds() {
    let (waker, script) = start(&Config::default());
    ask(&waker, "s", "third time").unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(script.begun.load(Ordering::Relaxed), 3);
    let stats = waker.stats();
    assert_eq!((stats.sent, stats.retried, stats.queued), (1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn o59_a_hanging_platform_holds_up_no_request() {
    let (waker, script) = start(&Config::default());
    for server in 0..33 {
        ask(&waker, &server.to_string(), "hang").unwrap();
    }
    settle().await;
    let stats = waker.stats();
    assert_eq!((stats.in_flight, stats.queued), (32, 1));
    assert_eq!(script.begun.load(Ordering::Relaxed), 32);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(waker.stats().dropped, 1, "waited too long");
}

#[tokio::test(start_paused = true)]
async fn o60_what_is_no_request_counts_nowhere() {
    let (waker, _) = start(&Config::default());
    let id = ServerId::new(b"s".as_slice());
    for raw in [
        "5",
        r#"{"platform":"apns","token":"T"}"#,
        r#"{"platform":"fcm"}"#,
    ] {
        assert!(waker.wake(&id, raw.as_bytes()).is_err(), "{raw}");
    }
    settle().await;
    assert_eq!(waker.stats(), Stats::default());
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_wake_and_no_other() {
    let (waker, _) = start(&Config::default().max_in_flight(1));
    ask(&waker, "s", "panic").unwrap();
    ask(&waker, "s", "T").unwrap();
    settle().await;
    let stats = waker.stats();
    assert_eq!((stats.send_failed, stats.sent, stats.in_flight), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn o63_closing_with_sends_hanging_and_waiting_takes_no_time() {
    let (waker, _) = start(&Config::default().burst(1));
    for token in ["hang 1", "hang 2", "hang 3"] {
        ask(&waker, "s", token).unwrap();
    }
    settle().await;
    assert_eq!(waker.stats().in_flight, 1);
    waker.close();
    timeout(Duration::from_millis(1), waker.closed())
        .await
        .unwrap();
    let stats = waker.stats();
    assert_eq!(
        (stats.send_failed, stats.in_flight, stats.queued),
        (3, 0, 0)
    );
    assert_eq!(ask(&waker, "s", "T"), Err(WakeRefused::Off));
    waker.close();
    waker.closed().await;
}

#[tokio::test(start_paused = true)]
async fn o63_closing_with_a_retry_waiting_ends_it() {
    let (waker, _) = start(&Config::default());
    ask(&waker, "s", "fail").unwrap();
    settle().await;
    assert_eq!(waker.stats().queued, 1);
    waker.close();
    waker.closed().await;
    let stats = waker.stats();
    assert_eq!((stats.send_failed, stats.queued), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn o63_a_connection_that_the_stop_ends_is_no_failure_of_the_other_side() {
    let (waker, _) = start(&Config::default());
    ask(&waker, "s", "cut off").unwrap();
    settle().await;
    waker.close();
    waker.closed().await;
    let stats = waker.stats();
    assert_eq!((stats.send_failed, stats.token_fetch_failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waker_leaves_no_task() {
    let (waker, script) = start(&Config::default());
    ask(&waker, "s", "hang").unwrap();
    settle().await;
    let tasks = waker.shared.tasks.clone();
    drop(waker);
    tasks.wait().await;
    assert_eq!(Arc::strong_count(&script), 1);
}

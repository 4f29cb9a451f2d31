//! What becomes of queued frames in a drain.

use relay_core::Limits;
use relay_shutdown::{Outcome, ShutdownContext};
use relay_transport::Config;
use tokio::task::JoinSet;

use super::backlog::{fill, numbered};
use crate::support::frame::{Frame, TEXT};
use crate::support::raw::{End, Socket};
use crate::support::{RawPeer, Relay, eventually, millis, notice, routed};

const GOODBYE: &str = "shutting down";
const FRAME: usize = 50_000;

fn within(millis_: u64) -> ShutdownContext {
    ShutdownContext::new().deadline(millis(millis_))
}

/// Reads numbered frames up to a close, without a gap; how many.
async fn read_to_goodbye(mut phone: RawPeer) -> usize {
    let mut read = 0;
    loop {
        let frame = phone.frame().await;
        if frame.first != TEXT {
            assert_eq!(frame.close_status(), (1001, GOODBYE.to_owned()));
            phone.send(frame).await;
            assert_eq!(phone.next().await, Err(End::Eof));
            return read;
        }
        assert_eq!(frame, Frame::text(numbered(read, FRAME)));
        read += 1;
    }
}

#[tokio::test]
async fn full_queues_arrive_before_the_close_both_ways() {
    const FRAMES: usize = 100;
    let limits = Limits::default().binary_high_water(64 << 20);
    let relay = Relay::with(Config::default(), limits).await;
    let shallow = Socket::shallow();
    let mut binary = relay.binary_on(shallow, "queues").await;
    let (mut phone, id) = relay.known_phone_on(shallow, "queues", &mut binary).await;
    let sent = fill(&relay, &mut binary, &id, 0, FRAME, 1 << 20).await;
    for n in 0..FRAMES {
        phone.send_text(numbered(n, FRAME)).await;
    }
    // The pong stands behind what the phone has not read yet: that the frames were accepted shows elsewhere.
    let queued = || relay.registry.stats().queued_bytes;
    eventually("full queues", || queued() > 2 << 20).await;
    phone.settle().await;

    let peers = async {
        relay.registry.draining().await;
        assert_eq!(read_to_goodbye(phone).await, sent);
        for n in 0..FRAMES {
            let expected = routed(&id, &numbered(n, FRAME));
            assert_eq!(binary.text().await, expected);
        }
        assert_eq!(binary.text().await, notice(&id, 1001));
        binary.expect_close(1001, GOODBYE).await;
    };
    let (report, ()) = tokio::join!(relay.shutdown(within(20_000)), peers);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.closed, report.cut), (2, 0));
    assert_eq!(report.frames_dropped, 0);
    assert!(report.frames_flushed > 20, "{report:?}");
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_at_the_deadline_and_holds_nobody_up() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("never").await;
    let known = relay.known_phone_on(Socket::shallow(), "never", &mut binary);
    let (mut stalled, id) = known.await;
    let (sibling, _) = relay.known_phone("never", &mut binary).await;
    fill(&relay, &mut binary, &id, 0, FRAME, 1 << 20).await;
    let peers = async {
        sibling.expect_close(1001, GOODBYE).await;
        // Two notices, the stalled phone's among them: its binary does not wait for it either.
        let notices = [binary.text().await, binary.text().await];
        assert!(notices.contains(&notice(&id, 1001)), "{notices:?}");
        binary.expect_close(1001, GOODBYE).await;
        assert!(relay.registry.stats().connected_phones == 1);
    };
    let (report, ()) = tokio::join!(relay.shutdown(within(1_000)), peers);
    assert_eq!(report.outcome, Outcome::DeadlineExceeded);
    assert_eq!((report.closed, report.cut), (2, 1));
    assert!(report.frames_dropped > 0);
    assert!(report.elapsed < millis(2_000), "{report:?}");
    relay.registry.idle().await;
    let end = loop {
        match stalled.next().await {
            Ok(frame) => assert_eq!(frame.first, TEXT),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, End::Torn | End::Reset), "{end:?}");
}

#[tokio::test]
async fn what_a_slow_peer_does_not_take_in_time_is_dropped_and_its_1001_still_read() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("late").await;
    let known = relay.known_phone_on(Socket::shallow(), "late", &mut binary);
    let (slow, id) = known.await;
    let sent = fill(&relay, &mut binary, &id, 0, FRAME, 1 << 20).await;
    let peers = async {
        assert_eq!(binary.text().await, notice(&id, 1001));
        binary.expect_close(1001, GOODBYE).await;
        let dropped = || relay.registry.stats().drain_frames_dropped;
        eventually("the end of the flush", || dropped() > 0).await;
        read_to_goodbye(slow).await
    };
    // Half of it is for the flush.
    let (report, read) = tokio::join!(relay.shutdown(within(2_000)), peers);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.closed, report.cut), (2, 0));
    assert_eq!(report.frames_dropped, (sent - read) as u64);
    assert!(report.elapsed >= millis(1_000), "{report:?}");
}

#[tokio::test]
async fn a_phone_that_waits_for_its_binary_reads_1001() {
    let relay = Relay::start().await;
    let _stalled = relay.binary_on(Socket::shallow(), "waits").await;
    let mut phone = relay.phone("waits").await;
    let mut sender = JoinSet::new();
    sender.spawn(async move {
        for n in 0..100 {
            phone.send_text(numbered(n, FRAME)).await;
        }
        phone.expect_close(1001, GOODBYE).await;
    });
    let late = relay.phone("waits").await;
    let queued = || relay.registry.stats().queued_bytes;
    eventually("a full queue", || queued() >= 256 << 10).await;
    let peers = async {
        late.expect_close(1001, GOODBYE).await;
        sender.join_all().await
    };
    let (report, _) = tokio::join!(relay.shutdown(within(1_000)), peers);
    assert_eq!(report.outcome, Outcome::DeadlineExceeded);
    assert_eq!((report.closed, report.cut), (2, 1));
}

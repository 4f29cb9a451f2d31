//! A binary that does not read: its phones wait, and nothing is lost unless it never reads again.

use relay_core::Limits;
use relay_transport::Config;
use tokio::task::JoinSet;

use super::backlog::numbered;
use crate::support::envelope::{conn_id, frame};
use crate::support::frame::{PONG, TEXT};
use crate::support::raw::{End, Socket};
use crate::support::{Frame, Relay, deliver, eventually, log, millis};

const HIGH_WATER: usize = 256 << 10;
const FRAME: usize = 32_000;

#[tokio::test]
async fn c44_a_binary_that_accepts_nothing_is_cut_and_its_phones_closed_with_1000() {
    let config = Config::default().binary_write_timeout(millis(500));
    let relay = Relay::with(config, Limits::default()).await;
    let mut binary = relay.binary_on(Socket::shallow(), "c44").await;
    let mut phone = relay.phone("c44").await;
    let mut waiting = relay.phone("c44").await;
    let mut n = 0;
    while relay.registry.stats().connected_binaries == 1 {
        // Returns late when the relay does not read this phone: that is the back-pressure.
        let _ = phone.try_send(Frame::text(numbered(n, FRAME))).await;
        n += 1;
    }
    for phone in [&mut phone, &mut waiting] {
        let _ = phone.try_send(Frame::text("1")).await;
    }
    phone.expect_close(1000, "").await;
    waiting.expect_close(1000, "").await;
    log::event("c44", "server_released").await;
    let end = loop {
        match binary.next().await {
            Ok(frame) => assert_eq!(frame.first, TEXT),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, End::Torn | End::Reset), "{end:?}");
    // In grace: the next one has it at once.
    relay.binary("c44").await;
    assert_eq!(log::count("c44", "server_id_conflict"), 0);
}

#[tokio::test]
async fn nothing_is_lost_when_a_binary_reads_again() {
    const FRAMES: usize = 600;
    let relay = Relay::start().await;
    let mut binary = relay.binary_on(Socket::shallow(), "resumes").await;
    let mut senders = JoinSet::new();
    for _ in 0..2 {
        let mut phone = relay.phone("resumes").await;
        senders.spawn(async move {
            for n in 0..FRAMES {
                phone.send_text(numbered(n, FRAME)).await;
            }
            phone
        });
    }
    let queued = || relay.registry.stats().queued_bytes;
    eventually("a full queue", || queued() >= HIGH_WATER).await;

    // Each phone may overshoot by one message, and what is charged is what is pinned.
    let bound = HIGH_WATER + 2 * (FRAME + 200) + (64 << 10);
    let mut next: Vec<(String, usize)> = Vec::new();
    for _ in 0..2 * FRAMES {
        assert!(queued() <= bound, "{} bytes queued", queued());
        let text = binary.text().await;
        let id = conn_id(&text);
        let at = next.iter().position(|(other, _)| *other == id);
        let at = at.unwrap_or_else(|| {
            next.push((id, 0));
            next.len() - 1
        });
        let expected = numbered(next[at].1, FRAME);
        assert_eq!(frame(&text), Some(expected.as_str()));
        next[at].1 += 1;
    }
    let mut phones = senders.join_all().await;
    for phone in &mut phones {
        phone.settle().await;
    }
    binary.settle().await;
    assert_eq!(queued(), 0);
}

#[tokio::test]
async fn frames_to_phones_flow_while_the_other_way_is_blocked() {
    let relay = Relay::start().await;
    let mut binary = relay.binary_on(Socket::shallow(), "both").await;
    let (mut reader, reader_id) = relay.known_phone("both", &mut binary).await;
    let mut writer = relay.phone("both").await;
    let mut senders = JoinSet::new();
    senders.spawn(async move {
        for n in 0..400 {
            writer.send_text(numbered(n, FRAME)).await;
        }
        writer
    });
    let queued = || relay.registry.stats().queued_bytes;
    eventually("a full queue", || queued() >= HIGH_WATER).await;
    for n in 0..300 {
        binary.send_text(deliver(&reader_id, &n.to_string())).await;
        assert_eq!(reader.text().await, n.to_string());
    }
    for n in 0..400 {
        let text = binary.text().await;
        assert_eq!(frame(&text), Some(numbered(n, FRAME).as_str()));
    }
    senders.join_all().await;
}

#[tokio::test]
async fn a_phone_that_waits_for_its_binary_is_not_taken_for_dead() {
    const FRAMES: usize = 200;
    let config = Config::default()
        .heartbeat_interval(millis(50))
        .heartbeat_timeout(millis(500));
    let relay = Relay::with(config, Limits::default()).await;
    let mut binary = relay.binary_on(Socket::shallow(), "patient").await;
    let mut phone = relay.phone("patient").await;
    let mut sender = JoinSet::new();
    sender.spawn(async move {
        for n in 0..FRAMES {
            phone.send_text(numbered(n, FRAME)).await;
        }
        phone
    });
    let queued = || relay.registry.stats().queued_bytes;
    eventually("a full queue", || queued() >= HIGH_WATER).await;
    // Its wait is the subject, more than twice the time of a heartbeat. The binary shows that it lives.
    let mut pause = tokio::time::interval(millis(100));
    for _ in 0..14 {
        pause.tick().await;
        binary.send(Frame::new(PONG, "")).await;
    }
    // No more was read in all that time than the queue and the sockets behind it hold.
    let written = relay.registry.stats().frames_to_binaries as usize * FRAME;
    assert!(
        written < 1 << 20,
        "{written} bytes went to a binary that does not read"
    );
    assert!(queued() >= HIGH_WATER);
    for n in 0..FRAMES {
        let text = binary.text().await;
        assert_eq!(frame(&text), Some(numbered(n, FRAME).as_str()));
    }
    for phone in &mut sender.join_all().await {
        phone.settle().await;
    }
}

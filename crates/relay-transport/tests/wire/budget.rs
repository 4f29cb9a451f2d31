//! The process-wide bound on queued bytes: the largest backlog pays, whoever reached it.

use relay_core::Limits;
use relay_transport::Config;

use super::backlog::{fill, numbered};
use crate::support::frame::{Frame, TEXT};
use crate::support::raw::Socket;
use crate::support::{RawPeer, Relay, deliver, notice};

const MIB: usize = 1 << 20;
const FRAME: usize = 30_000;

/// Reads numbered frames up to a close, without a gap; how many.
async fn read_to_close(phone: &mut RawPeer) -> (usize, Frame) {
    let mut read = 0;
    loop {
        let frame = phone.frame().await;
        if frame.first != TEXT {
            return (read, frame);
        }
        assert_eq!(frame, Frame::text(numbered(read, FRAME)));
        read += 1;
    }
}

#[tokio::test]
async fn the_largest_backlog_of_the_process_goes_first() {
    let limits = Limits::default().queue_memory(6 * MIB);
    let relay = Relay::with(Config::default(), limits).await;
    let mut one = relay.binary("budget-1").await;
    let mut two = relay.binary("budget-2").await;
    let shallow = Socket::shallow();
    let (mut small, small_id) = relay.known_phone_on(shallow, "budget-1", &mut one).await;
    let (mut large, large_id) = relay.known_phone_on(shallow, "budget-2", &mut two).await;
    let (mut middle, middle_id) = relay.known_phone_on(shallow, "budget-2", &mut two).await;

    let small_sent = fill(&relay, &mut one, &small_id, 0, FRAME, MIB).await;
    let large_sent = fill(&relay, &mut two, &large_id, 0, FRAME, 4 * MIB).await;
    let middle_sent = fill(&relay, &mut two, &middle_id, 0, FRAME, 5 * MIB + MIB / 2).await;
    assert_eq!(relay.registry.stats().backlog_evictions, 0);
    // The straw that breaks it is for the smallest, on another server-id.
    let mut small_next = small_sent;
    while relay.registry.stats().backlog_evictions == 0 {
        let envelope = deliver(&small_id, &numbered(small_next, FRAME));
        one.send_text(envelope).await;
        one.settle().await;
        small_next += 1;
    }
    assert_eq!(relay.registry.stats().backlog_evictions, 1);

    // The victim reads why, although its queue is gone.
    let (read, close) = read_to_close(&mut large).await;
    assert!(read < large_sent);
    let backlog_full = (1011, "phone backlog full".to_owned());
    assert_eq!(close.close_status(), backlog_full);
    large.send(close).await;
    drop(large);
    assert_eq!(two.text().await, notice(&large_id, 1011));

    for (phone, sent) in [(&mut small, small_next), (&mut middle, middle_sent)] {
        for n in 0..sent {
            assert_eq!(phone.text().await, numbered(n, FRAME));
        }
        phone.settle().await;
    }
    assert_eq!(relay.registry.stats().queued_bytes, 0);
}

//! Nobody sleeps over something to do: whoever waits for a frame, an order or room is woken by it.

use std::future::poll_fn;
use std::task::Poll;

use relay_model::{Cause, Forwarded, LegHandle, Limits, Phone};
use shuttle::future::block_on;
use shuttle::rand::{Rng as _, thread_rng};

use crate::race::{race, race3};
use crate::relay::{cause, deliver, next_chunk, write_until_closed};
use crate::{Relay, check};

#[test]
fn a_connection_with_nothing_to_write_is_woken_by_frames_and_by_the_close() {
    check(|| {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let phone = relay.join("s");
        let conn_id = phone.conn_id().to_string();
        let (read, ()) = race(
            move || block_on(write_until_closed(phone.outbox())),
            move || {
                deliver(&binary, &conn_id, Some("1"), None);
                deliver(&binary, &conn_id, Some("2"), None);
                deliver(&binary, &conn_id, Some("3"), Some(4401));
            },
        );
        assert_eq!(read, ["1", "2", "3"]);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_connection_that_is_writing_is_woken_by_orders() {
    check(|| {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let phone = relay.join("s");
        let conn_id = phone.conn_id().to_string();
        let (r1, r2) = (relay.clone(), relay.clone());
        let wait_for_orders = move || {
            let mut order = None;
            let ordered = poll_fn(|cx| {
                let work = phone.outbox().take(cx.waker(), false);
                assert!(work.chunk.is_none());
                order = work.close;
                if work.cut {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            block_on(ordered);
            (phone, order)
        };
        let ((phone, _order), (), ()) = race3(
            wait_for_orders,
            move || {
                deliver(&binary, &conn_id, Some("1"), None);
                r1.registry
                    .snapshot()
                    .legs()
                    .iter()
                    .for_each(LegHandle::cut);
                drop(binary);
            },
            move || r2.drain(),
        );
        assert_eq!(cause(phone.outbox()), Some(Cause::Drain));
        drop(phone);
        relay.check_nothing_is_left();
    });
}

/// Sends as a phone's connection does: after a frame that filled the queue it waits for room.
async fn send_with_back_pressure(phone: &Phone, frames: usize) -> usize {
    for sent in 0..frames {
        match phone.forward(b"1") {
            Ok(Forwarded::Room) => {}
            Ok(Forwarded::Full) => poll_fn(|cx| phone.poll_room(cx)).await,
            Err(_closing) => return sent,
        }
    }
    frames
}

#[test]
fn whoever_waits_for_room_is_let_go_when_the_binary_reads() {
    const FRAMES: usize = 2;
    check(|| {
        let relay = Relay::with(Limits::default().binary_high_water(1));
        let binary = relay.claim("s");
        let phones = [relay.join("s"), relay.join("s")];
        let [first, second] =
            phones.map(|phone| move || block_on(send_with_back_pressure(&phone, FRAMES)));
        let (first, second, ()) = race3(first, second, move || {
            let frames_and_notices = 2 * FRAMES + 2;
            let mut read = 0;
            while read < frames_and_notices {
                let chunk = block_on(next_chunk(binary.outbox())).expect("not closed");
                read += chunk
                    .bytes()
                    .windows(9)
                    .filter(|w| w == b"{\"conn_id")
                    .count();
                binary.outbox().written(chunk);
            }
            assert_eq!(read, frames_and_notices);
        });
        assert_eq!((first, second), (FRAMES, FRAMES));
        relay.check_nothing_is_left();
    });
}

#[test]
fn whoever_waits_for_room_is_let_go_when_waiting_is_pointless() {
    check(|| {
        let relay = Relay::with(Limits::default().binary_high_water(1));
        let mut binary = relay.claim("s");
        let phones = [relay.join("s"), relay.join("s")];
        let other = relay.clone();
        let [first, second] =
            phones.map(|phone| move || block_on(send_with_back_pressure(&phone, 2)));
        let (_, _, binary) = race3(first, second, move || {
            match thread_rng().gen_range(0..3) {
                0 => return None,
                1 => binary.leave(other.now),
                _ => other.drain(),
            }
            Some(binary)
        });
        drop(binary);
        relay.check_nothing_is_left();
    });
}

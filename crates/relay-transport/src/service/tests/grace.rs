//! What becomes of a server-id, and of its phones, when its binary has gone.

use super::*;
use crate::testing::log;

async fn left_alone(relay: &mut Relay) -> Client {
    let mut binary = relay.upgrade(server("6f1c")).await;
    let mut phone = relay.upgrade(phone("6f1c")).await;
    phone.send(ping("")).await;
    phone.recv().await;
    binary.send(close(1000, "")).await;
    assert_eq!(binary.recv().await, Frame::close(1000, ""));
    assert_eq!(relay.registry.snapshot().binaries(), 0);
    phone
}

#[tokio::test(start_paused = true)]
async fn c34_a_reclaim_evicts_the_phones() {
    let mut relay = Relay::new();
    let mut phone = left_alone(&mut relay).await;
    tokio::time::sleep(25 * SECOND).await;
    let _successor = relay.upgrade(server("6f1c")).await;
    let evicted = Frame::close(4404, "binary reclaimed server-id");
    assert_eq!(phone.recv_alive().await, evicted);
}

#[tokio::test(start_paused = true)]
async fn c35_in_grace_a_phone_may_come_and_is_closed_by_its_first_frame() {
    let mut relay = Relay::new();
    let mut silent = left_alone(&mut relay).await;
    let mut talking = relay.upgrade(phone("6f1c")).await;
    talking.send(text("1")).await;
    assert_eq!(talking.recv().await, Frame::close(1000, ""));
    silent.send(ping("still here")).await;
    let pong = Frame::Pong(b"still here".to_vec());
    assert_eq!(silent.recv().await, pong);
}

#[tokio::test(start_paused = true)]
async fn c36_after_thirty_seconds_the_phones_are_closed_and_the_server_id_is_free() {
    let mut relay = Relay::new();
    let elapsed = stopwatch();
    let mut phone_left = left_alone(&mut relay).await;
    assert_eq!(phone_left.recv_alive().await, Frame::close(1000, ""));
    // Timers have a millisecond's grain.
    let late = elapsed() - 30 * SECOND;
    assert!(late <= Duration::from_millis(2), "{late:?}");
    assert_eq!(relay.registry.stats().grace_expiries, 1);
    let mut too_late = relay.upgrade(phone("6f1c")).await;
    let refused = Frame::close(4404, "no server with that id");
    assert_eq!(too_late.recv().await, refused);
    let elapsed = stopwatch();
    let _successor = relay.upgrade(server("6f1c")).await;
    let mut phone = relay.upgrade(phone("6f1c")).await;
    phone.send(ping("in")).await;
    assert_eq!(phone.recv().await, Frame::Pong(b"in".to_vec()));
    assert_eq!(elapsed(), Duration::ZERO, "no probe");
}

#[tokio::test(start_paused = true)]
async fn c37_a_reclaim_at_the_last_moment_is_never_undone_by_the_old_timer() {
    let mut relay = Relay::new();
    let _evicted = left_alone(&mut relay).await;
    tokio::time::sleep(30 * SECOND - SECOND / 100).await;
    let mut binary = relay.upgrade(server("6f1c")).await;
    let mut phone = relay.upgrade(phone("6f1c")).await;
    let later = tokio::time::timeout(60 * SECOND, async {
        tokio::join!(phone.recv_alive(), binary.recv_alive())
    });
    assert!(later.await.is_err(), "nothing but pings");
    assert_eq!(relay.registry.stats().grace_expiries, 0);
}

/// The runtime fires its timers before it accepts who came while the process was suspended.
#[tokio::test(start_paused = true)]
async fn who_comes_back_while_the_relay_is_suspended_comes_in_grace() {
    let mut relay = Relay::new();
    let mut phone_left = left_alone(&mut relay).await;
    tokio::time::advance(40 * SECOND).await;
    tokio::task::yield_now().await;
    let _back = relay.upgrade(server("6f1c")).await;
    let evicted = Frame::close(4404, "binary reclaimed server-id");
    assert_eq!(phone_left.recv_alive().await, evicted);

    let mut relay = Relay::new();
    let mut abandoned = left_alone(&mut relay).await;
    tokio::time::advance(40 * SECOND).await;
    let elapsed = stopwatch();
    assert_eq!(abandoned.recv_alive().await, Frame::close(1000, ""));
    assert_eq!(elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn c35_a_frame_behind_the_end_of_grace_is_told_once() {
    let (lines, _capture) = log::capture();
    let mut relay = Relay::new();
    let mut phone = left_alone(&mut relay).await;
    // Sent before the phone's task hears that its server-id was given up.
    phone.send([text("1"), text("2")].concat()).await;
    relay.registry.tick(clock::now() + 31 * SECOND);
    assert_eq!(phone.recv().await, Frame::close(1000, ""));
    let told = lines.of("phone_forwarder_no_binary");
    let [line] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(line.contains("INFO"), "{line}");
    assert!(
        line.contains("server_id=6f1c") && line.contains("conn_id=client-"),
        "{line}"
    );
    assert!(!line.contains("err="), "{line}");
}

//! Two binaries, one server-id.

use relay_core::Limits;
use relay_transport::Config;

use crate::support::envelope::conn_id;
use crate::support::frame::{Frame, PONG};
use crate::support::raw::Socket;
use crate::support::{NEVER, RawPeer, Relay, Request, deliver, log, millis, notice, routed};

pub(crate) const IN_USE: &str = "server-id already claimed";

/// A probe from the incumbent's own address is over soon, any other never.
pub(crate) async fn impatient_with_neighbours() -> Relay {
    let config = Config::default()
        .probe_timeout(NEVER)
        .probe_timeout_same_host(millis(200));
    Relay::with(config, Limits::default()).await
}

/// A probe takes for ever.
pub(crate) async fn patient() -> Relay {
    let config = Config::default()
        .probe_timeout(NEVER)
        .probe_timeout_same_host(NEVER);
    Relay::with(config, Limits::default()).await
}

async fn assert_works(binary: &mut RawPeer, phone: &mut RawPeer, id: &str) {
    phone.send_text("1").await;
    assert_eq!(binary.text().await, routed(id, "1"));
    binary.send_text(deliver(id, "2")).await;
    assert_eq!(phone.text().await, "2");
}

#[tokio::test]
async fn c30_a_living_binary_keeps_its_server_id() {
    let relay = patient().await;
    let (mut binary, mut phone, id) = relay.pair("c30").await;
    for _ in 0..8 {
        let claimant = relay.dial(Request::binary("c30")).await;
        let probe = binary.ping().await;
        binary.send(Frame::new(PONG, probe)).await;
        claimant.expect_close(4409, IN_USE).await;
    }
    let line = log::event("c30", "server_id_conflict").await;
    assert_eq!(line.keys(), ["server_id", "remote"]);
    assert_works(&mut binary, &mut phone, &id).await;
    assert_eq!(log::count("c30", "server_claimed"), 1);
}

#[tokio::test]
async fn c31_a_silent_binary_is_displaced_and_cannot_undo_that() {
    let config = Config::default().probe_timeout_same_host(millis(200));
    let limits = Limits::default().grace(millis(300));
    let relay = Relay::with(config, limits).await;
    let (mut silent, phone, _) = relay.pair("c31").await;
    // The other server-id shows later that any grace window opened meanwhile would be over.
    let other = relay.binary("c31-other").await;
    let witness = relay.phone("c31-other").await;

    let mut claimant = relay.dial(Request::binary("c31")).await;
    claimant.settle().await;
    assert_eq!(silent.ping().await, "1");
    phone.expect_close(4404, "binary reclaimed server-id").await;
    silent.expect_close(1011, "heartbeat timeout").await;
    log::event("c31", "server_released").await;
    let events: Vec<_> = log::about("c31").into_iter().map(|l| l.message).collect();
    let at = |event: &str| events.iter().rposition(|other| other == event);
    assert!(
        at("server_id_takeover") < at("server_claimed"),
        "{events:?}"
    );

    other.close(1000, "").await;
    witness.expect_close(1000, "").await;
    let (_phone, _) = relay.known_phone("c31", &mut claimant).await;
    assert_eq!(relay.registry.stats().connected_binaries, 1);
    assert_eq!(relay.registry.stats().grace_expiries, 1);
}

#[tokio::test]
async fn c32_of_two_claimants_one_wins() {
    let relay = impatient_with_neighbours().await;
    for _ in 0..5 {
        let silent = relay.binary("c32").await;
        let mut claimants = Vec::new();
        for _ in 0..2 {
            let mut claimant = relay.dial(Request::binary("c32")).await;
            claimant.send(Frame::ping("won?")).await;
            claimants.push(claimant);
        }
        let mut winners = Vec::new();
        for mut claimant in claimants {
            let answer = claimant.frame().await;
            if answer.first == PONG {
                winners.push(claimant);
            } else {
                assert_eq!(answer.close_status(), (4409, IN_USE.to_owned()));
            }
        }
        assert_eq!(winners.len(), 1);
        let mut winner = winners.remove(0);
        let (_phone, _) = relay.known_phone("c32", &mut winner).await;
        drop(silent);
        winner.close(1000, "").await;
    }
}

#[tokio::test]
async fn c33_a_stalled_phone_does_not_make_its_binary_look_dead() {
    let relay = patient().await;
    let mut binary = relay.binary("c33").await;
    let known = relay.known_phone_on(Socket::shallow(), "c33", &mut binary);
    let (mut stalled, id) = known.await;
    let frame = format!(r#""{}""#, "s".repeat(100_000));
    let mut sent = 0;
    while relay.registry.stats().queued_bytes < 1 << 20 {
        binary.send_text(deliver(&id, &frame)).await;
        binary.settle().await;
        sent += 1;
    }
    let claimant = relay.dial(Request::binary("c33")).await;
    let probe = binary.ping().await;
    binary.send(Frame::new(PONG, probe)).await;
    claimant.expect_close(4409, IN_USE).await;
    for _ in 0..sent {
        assert_eq!(stalled.text().await, frame);
    }
    assert_works(&mut binary, &mut stalled, &id).await;
}

#[tokio::test]
async fn a_binary_whose_message_was_too_big_is_back_at_once() {
    let relay = patient().await;
    let (mut binary, phone, _) = relay.pair("toobig").await;
    let head = [0x81, 0xff, 0, 0, 0, 0, 0, 4, 0, 1];
    binary.send_bytes(&head).await;
    assert_eq!(binary.frame().await.close_status().0, 1009);
    // While the old leg is still in its close handshake.
    let mut back = relay.dial(Request::binary("toobig")).await;
    back.settle().await;
    phone.expect_close(4404, "binary reclaimed server-id").await;
    let mut phone = relay.dial(Request::phone("toobig")).await;
    phone.send_text("1").await;
    let envelope = back.text().await;
    assert_eq!(envelope, routed(&conn_id(&envelope), "1"));
}

#[tokio::test]
async fn a_binary_that_closes_is_back_before_its_handshake_is_over() {
    let relay = patient().await;
    for code in [1000, 1011] {
        let mut binary = relay.binary("closes").await;
        binary.send(Frame::close(code, "")).await;
        assert_eq!(binary.frame().await.close_status().0, code);
        // The old leg's socket stays open on this side.
        relay.binary("closes").await.close(1000, "").await;
        drop(binary);
    }
    assert_eq!(log::count("closes", "server_id_conflict"), 0);
}

#[tokio::test]
async fn a_displaced_binary_owes_its_successor_no_notices() {
    let relay = impatient_with_neighbours().await;
    let (silent, phone, _) = relay.pair("displaced").await;
    let mut claimant = relay.dial(Request::binary("displaced")).await;
    claimant.settle().await;
    phone.expect_close(4404, "binary reclaimed server-id").await;
    log::event("displaced", "phone_unregistered").await;
    // The first thing it hears of is its own phone.
    let (phone, id) = relay.known_phone("displaced", &mut claimant).await;
    phone.close(1000, "").await;
    assert_eq!(claimant.text().await, notice(&id, 1000));
    drop(silent);
}

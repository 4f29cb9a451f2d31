//! What the conflict probe takes for a sign of life, and how long it waits for one.

use relay_core::Limits;
use relay_shutdown::ShutdownContext;
use relay_transport::Config;

use crate::support::frame::Frame;
use crate::support::raw::Socket;
use crate::support::{NEVER, Relay, Request, deliver, log, millis, routed};

use super::claims::{IN_USE, impatient_with_neighbours, patient};

const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

#[tokio::test]
async fn any_byte_from_the_incumbent_is_a_sign_of_life() {
    let relay = patient().await;
    let (mut binary, mut phone, id) = relay.pair("byte").await;
    let envelope = Frame::text(deliver(&id, "1")).masked();
    // The pong never comes; what does is a message, one byte per probe.
    for byte in &envelope {
        let claimant = relay.dial(Request::binary("byte")).await;
        binary.ping().await;
        binary.send_bytes(&[*byte]).await;
        claimant.expect_close(4409, IN_USE).await;
    }
    assert_eq!(phone.text().await, "1");
}

#[tokio::test]
async fn a_claimant_from_the_same_address_waits_the_shorter_time() {
    let relay = impatient_with_neighbours().await;
    for source in [[127, 0, 0, 1], ELSEWHERE] {
        let socket = Socket::from(source);
        let silent = relay.binary_on(socket, "same").await;
        let mut claimant = relay.dial_on(socket, Request::binary("same")).await;
        claimant.settle().await;
        silent.expect_probe_and_close().await;
        claimant.close(1000, "").await;
    }
}

#[tokio::test]
async fn a_claimant_from_another_address_waits_the_longer_time() {
    let config = Config::default()
        .probe_timeout(millis(200))
        .probe_timeout_same_host(NEVER);
    let relay = Relay::with(config, Limits::default()).await;
    let silent = relay.binary("other").await;
    // This one's time never comes.
    let neighbour = relay.dial(Request::binary("other")).await;
    let elsewhere = Socket::from(ELSEWHERE);
    let mut claimant = relay.dial_on(elsewhere, Request::binary("other")).await;
    claimant.settle().await;
    silent.expect_probe_and_close().await;
    // Its incumbent is gone, and somebody else was faster.
    neighbour.expect_close(4409, IN_USE).await;
}

#[tokio::test]
async fn an_incumbent_that_leaves_during_the_probe_makes_room_at_once() {
    let relay = patient().await;
    for is_abrupt in [false, true] {
        let (mut binary, phone, _) = relay.pair("leaves").await;
        let mut claimant = relay.dial(Request::binary("leaves")).await;
        binary.ping().await;
        if is_abrupt {
            binary.reset();
        } else {
            drop(binary);
        }
        claimant.settle().await;
        phone.expect_close(4404, "binary reclaimed server-id").await;
        claimant.close(1000, "").await;
    }
}

#[tokio::test]
async fn what_a_claimant_sent_during_its_probe_is_read_once_it_holds_the_server_id() {
    let relay = impatient_with_neighbours().await;
    let silent = relay.binary("early").await;
    let mut claimant = relay.dial(Request::binary("early")).await;
    claimant.send_text("not an envelope").await;
    claimant.settle().await;
    let (mut phone, id) = relay.known_phone("early", &mut claimant).await;
    claimant.send_text(deliver(&id, "1")).await;
    assert_eq!(phone.text().await, "1");
    drop(silent);
}

#[tokio::test]
async fn a_claimant_in_its_probe_reads_1001_in_a_drain() {
    let relay = patient().await;
    let (mut silent, phone, id) = relay.pair("drained").await;
    let claimant = relay.dial(Request::binary("drained")).await;
    silent.ping().await;
    let peers = async {
        claimant.expect_close(1001, "shutting down").await;
        phone.expect_close(1001, "shutting down").await;
        assert_eq!(silent.text().await, crate::support::notice(&id, 1001));
        silent.expect_close(1001, "shutting down").await;
    };
    let (report, ()) = tokio::join!(relay.shutdown(ShutdownContext::new()), peers);
    assert_eq!(report.outcome, relay_shutdown::Outcome::Complete);
    assert_eq!((report.binaries, report.phones, report.cut), (1, 1, 0));
}

#[tokio::test]
async fn a_binary_that_is_busy_sending_survives_a_probe() {
    let relay = patient().await;
    let (mut binary, mut phone, id) = relay.pair("busy").await;
    let claimant = relay.dial(Request::binary("busy")).await;
    binary.ping().await;
    for n in 0..10 {
        binary.send_text(deliver(&id, &n.to_string())).await;
    }
    claimant.expect_close(4409, IN_USE).await;
    for n in 0..10 {
        assert_eq!(phone.text().await, n.to_string());
    }
    phone.send_text("1").await;
    assert_eq!(binary.text().await, routed(&id, "1"));
}

#[tokio::test]
async fn a_claimant_that_is_gone_displaces_nobody() {
    let relay = impatient_with_neighbours().await;
    let mut silent = relay.binary("gone").await;
    let vanished = relay.dial(Request::binary("gone")).await;
    silent.ping().await;
    drop(vanished);
    // The second probe is over after the first one would have been.
    let mut claimant = relay.dial(Request::binary("gone")).await;
    claimant.settle().await;
    silent.expect_probe_and_close().await;
    assert_eq!(log::count("gone", "server_id_takeover"), 1);
    assert_eq!(log::count("gone", "server_claimed"), 2);
}

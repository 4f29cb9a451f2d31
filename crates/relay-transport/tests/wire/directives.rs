//! A binary closes its phones.

use relay_core::Limits;
use relay_transport::Config;
use tracing::Level;

use crate::backlog::fill;
use crate::support::frame::{CLOSE, Frame, TEXT};
use crate::support::raw::Socket;
use crate::support::{RawPeer, Relay, deliver, directive, last_words, log, millis, routed};

/// No notice, no late frame: what another phone says is what comes next. That phone works as ever.
async fn assert_binary_unharmed(relay: &Relay, server_id: &str, binary: &mut RawPeer) {
    let (mut other, id) = relay.known_phone(server_id, binary).await;
    binary.send_text(deliver(&id, "0")).await;
    assert_eq!(other.text().await, "0");
}

#[tokio::test]
async fn c22_frame_and_code_in_one_envelope_arrive_in_this_order() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c22").await;
    let sibling = relay.phone("c22").await;
    binary.send_text(last_words(&id, "1", 4401)).await;
    assert_eq!(phone.text().await, "1");
    phone.expect_close(4401, "").await;
    let line = log::event("c22", "binary_forwarder_phone_closed").await;
    assert_eq!(line.field("close_code"), Some("4401"));
    let line = log::event("c22", "phone_unregistered").await;
    assert_eq!(line.field("conn_id"), Some(&*id));

    binary.send_text(deliver(&id, "2")).await;
    log::event("c22", "binary_forwarder_unknown_conn_id").await;
    assert_eq!(relay.registry.snapshot().phones(), 1);
    drop(sibling);
    let text = binary.text().await;
    assert!(!text.contains(&id), "a notice for the phone itself: {text}");
}

#[tokio::test]
async fn c23_a_code_without_a_frame_closes_and_sends_nothing() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c23").await;
    for null in ["", r#""frame":null,"#] {
        let (phone, id) = relay.known_phone("c23", &mut binary).await;
        let envelope = format!(r#"{{"conn_id":"{id}",{null}"close_code":4403}}"#);
        binary.send_text(envelope).await;
        phone.expect_close(4403, "").await;
    }
    assert_binary_unharmed(&relay, "c23", &mut binary).await;
}

#[tokio::test]
async fn c24_what_is_queued_before_a_directive_is_delivered_and_nothing_behind_it() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c24").await;
    let known = relay.known_phone_on(Socket::shallow(), "c24", &mut binary);
    let (mut phone, id) = known.await;
    // More than the sockets between take, so that the directive waits in the queue.
    let big = |n: u8| format!(r#""{}""#, char::from(n).to_string().repeat(200_000));
    let mut queued = 0;
    while relay.registry.stats().queued_bytes < 600_000 {
        binary.send_text(deliver(&id, &big(b'a'))).await;
        binary.settle().await;
        queued += 1;
    }
    for n in [b'1', b'2', b'3'] {
        binary.send_text(deliver(&id, &big(n))).await;
    }
    binary.send_text(last_words(&id, r#""last""#, 4408)).await;
    binary.send_text(deliver(&id, r#""too late""#)).await;
    binary.settle().await;
    // A phone under sentence is not heard any more.
    phone.send_text(r#""too late as well""#).await;

    for _ in 0..queued {
        assert_eq!(phone.text().await, big(b'a'));
    }
    for n in [b'1', b'2', b'3'] {
        assert_eq!(phone.text().await, big(n));
    }
    assert_eq!(phone.text().await, r#""last""#);
    phone.expect_close(4408, "").await;
    assert_binary_unharmed(&relay, "c24", &mut binary).await;
}

#[tokio::test]
async fn c25_a_code_that_may_not_be_sent_closes_with_1011_and_harms_nobody_else() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c25").await;
    let codes = [1, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_535];
    for code in codes {
        let (mut phone, id) = relay.known_phone("c25", &mut binary).await;
        binary.send_text(last_words(&id, "1", code)).await;
        assert_eq!(phone.text().await, "1");
        phone.expect_close(1011, "invalid close code").await;
    }
    let event = "binary_forwarder_invalid_close_code";
    assert_eq!(log::count("c25", event), codes.len());
    assert_binary_unharmed(&relay, "c25", &mut binary).await;
}

#[tokio::test]
async fn c25_every_other_code_is_passed_on() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c25-ok").await;
    for code in [1000, 1003, 1007, 1014, 3000, 4000, 4421, 4999] {
        let (phone, id) = relay.known_phone("c25-ok", &mut binary).await;
        binary.send_text(directive(&id, code.into())).await;
        phone.expect_close(code, "").await;
    }
    assert_binary_unharmed(&relay, "c25-ok", &mut binary).await;
}

#[tokio::test]
async fn c25_the_code_for_no_code_is_an_empty_close() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c25-1005").await;
    let (mut phone, id) = relay.known_phone("c25-1005", &mut binary).await;
    binary.send_text(directive(&id, 1005)).await;
    assert_eq!(phone.frame().await, Frame::new(CLOSE, ""));
    drop(phone);
    assert_binary_unharmed(&relay, "c25-1005", &mut binary).await;
}

#[tokio::test]
async fn a_directive_that_a_stalled_phone_does_not_let_out_is_told_and_harms_nobody() {
    let config = Config::default().phone_write_timeout(millis(1_000));
    let relay = Relay::with(config, Limits::default()).await;
    let mut binary = relay.binary("stalled").await;
    let known = relay.known_phone_on(Socket::shallow(), "stalled", &mut binary);
    let (_stalled, id) = known.await;
    fill(&relay, &mut binary, &id, 0, 100_000, 1 << 20).await;
    binary.send_text(directive(&id, 4408)).await;
    let line = log::event("stalled", "binary_forwarder_close_frame_send_failed").await;
    assert_eq!(line.level, Level::INFO);
    assert_eq!(line.keys(), ["server_id", "conn_id", "close_code", "err"]);
    assert_eq!(line.field("conn_id"), Some(&*id));
    assert_eq!(line.field("close_code"), Some("4408"));
    log::event("stalled", "phone_unregistered").await;
    assert_eq!(log::count("stalled", "binary_forwarder_phone_closed"), 0);
    assert_eq!(
        log::count("stalled", "binary_forwarder_phone_send_failed"),
        0
    );
    assert_binary_unharmed(&relay, "stalled", &mut binary).await;
}

#[tokio::test]
async fn c50_a_wake_beside_a_conn_id_means_nothing() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c50").await;
    let envelope = format!(r#"{{"conn_id":"{id}","frame":1,"push_wake":5}}"#);
    binary.send_text(envelope).await;
    assert_eq!(phone.frame().await, Frame::new(TEXT, "1"));
    phone.send_text("2").await;
    assert_eq!(binary.text().await, routed(&id, "2"));
    assert_eq!(log::count("c50", "binary_forwarder_push_wake_dropped"), 0);
}

#[tokio::test]
async fn the_first_of_two_directives_wins() {
    let relay = Relay::start().await;
    let (mut binary, phone, id) = relay.pair("two").await;
    let both = [4408, 4401].map(|code| Frame::text(directive(&id, code)));
    binary.send_all(both).await;
    phone.expect_close(4408, "").await;
    assert_binary_unharmed(&relay, "two", &mut binary).await;
}

#[tokio::test]
async fn an_unanswered_directive_is_not_told_to_the_binary_either() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("unanswered").await;
    binary.send_text(directive(&id, 4408)).await;
    let Ok(close) = phone.next().await else {
        panic!("a close");
    };
    assert_eq!(close.first, CLOSE);
    phone.reset();
    log::event("unanswered", "phone_unregistered").await;
    assert_binary_unharmed(&relay, "unanswered", &mut binary).await;
}

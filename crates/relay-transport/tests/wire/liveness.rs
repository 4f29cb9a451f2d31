//! Who counts as alive, and how long a message may take.

use relay_core::Limits;
use relay_transport::Config;

use crate::support::frame::{CLOSE, CONTINUATION, FIN, Frame, PING, PONG, TEXT};
use crate::support::raw::End;
use crate::support::{RawPeer, Relay, Request, log, millis, notice, now, routed};

/// Reads until a frame that is no ping; no ping is answered.
async fn without_answering(peer: &mut RawPeer) -> Frame {
    loop {
        match peer.next().await {
            Ok(frame) if frame.first == PING => {}
            Ok(frame) => return frame,
            Err(end) => panic!("a frame, not {end:?}"),
        }
    }
}

#[tokio::test]
async fn c39_a_dribbled_message_ends_its_peer_although_it_answers_pings() {
    let config = Config::default()
        .heartbeat_interval(millis(20))
        .message_timeout(millis(300));
    let relay = Relay::with(config, Limits::default()).await;
    for request in [Request::binary("c39"), Request::phone("c39")] {
        let mut peer = relay.dial(request).await;
        peer.settle().await;
        let start = now();
        peer.send(Frame::new(TEXT & !FIN, "[")).await;
        let close = loop {
            match peer.next().await {
                Ok(frame) if frame.first == PING => {
                    let pong = Frame::new(PONG, frame.payload);
                    let crumb = Frame::new(CONTINUATION, " ");
                    peer.send_all([pong, crumb]).await;
                }
                Ok(frame) => break frame,
                Err(end) => panic!("a frame, not {end:?}"),
            }
        };
        assert_eq!(close.close_status().0, 1008);
        assert!(start.elapsed() >= millis(300));
    }
}

#[tokio::test]
async fn c39_an_idle_peer_that_answers_pings_stays() {
    let config = Config::default()
        .heartbeat_interval(millis(20))
        .message_timeout(millis(50))
        .heartbeat_timeout(millis(5_000));
    let relay = Relay::with(config, Limits::default()).await;
    let (mut binary, mut phone, id) = relay.pair("c39-idle").await;
    for _ in 0..20 {
        for peer in [&mut binary, &mut phone] {
            let ping = peer.ping().await;
            peer.send(Frame::new(PONG, ping)).await;
        }
    }
    phone.send_text("1").await;
    assert_eq!(binary.text().await, routed(&id, "1"));
}

fn quick_heartbeat() -> Config {
    Config::default()
        .heartbeat_interval(millis(50))
        .heartbeat_timeout(millis(500))
        .close_timeout(millis(200))
}

#[tokio::test]
async fn c40_a_phone_that_answers_no_ping_is_closed_and_told_of() {
    let relay = Relay::with(quick_heartbeat(), Limits::default()).await;
    let (mut binary, mut phone, id) = relay.pair("c40").await;
    let silent = async {
        let close = without_answering(&mut phone).await;
        let timeout = (1011, "heartbeat timeout".to_owned());
        assert_eq!(close.close_status(), timeout);
        phone.send(close).await;
        drop(phone);
    };
    let (text, ()) = tokio::join!(binary.text(), silent);
    assert_eq!(text, notice(&id, 1011));
    assert_eq!(relay.registry.stats().connected_phones, 0);
}

#[tokio::test]
async fn c40_a_binary_that_answers_no_ping_is_closed_and_its_grace_begins() {
    let limits = Limits::default().grace(millis(200));
    let relay = Relay::with(quick_heartbeat(), limits).await;
    let (mut binary, phone, _) = relay.pair("c40-b").await;
    let silent = async {
        let close = without_answering(&mut binary).await;
        let timeout = (1011, "heartbeat timeout".to_owned());
        assert_eq!(close.close_status(), timeout);
    };
    tokio::join!(silent, phone.expect_close(1000, ""));
    assert_eq!(relay.registry.stats().grace_expiries, 1);
    log::event("c40-b", "server_released").await;
}

#[tokio::test]
async fn a_peer_that_sends_anything_instead_of_pongs_is_alive() {
    let relay = Relay::with(quick_heartbeat(), Limits::default()).await;
    let (mut binary, mut phone, id) = relay.pair("anything").await;
    let start = now();
    let mut sent = 0;
    let talker = async {
        while start.elapsed() < millis(1_500) {
            phone.ping().await;
            phone.send_text(sent.to_string()).await;
            sent += 1;
        }
        phone.send_text(r#""done""#).await;
    };
    let listener = async {
        let mut heard = 0;
        loop {
            let text = binary.text().await;
            if text == routed(&id, r#""done""#) {
                return heard;
            }
            assert_eq!(text, routed(&id, &heard.to_string()));
            heard += 1;
        }
    };
    let ((), heard) = tokio::join!(talker, listener);
    assert_eq!(heard, sent);
}

#[tokio::test]
async fn a_silent_peer_that_ignores_its_close_is_let_go_of() {
    let relay = Relay::with(quick_heartbeat(), Limits::default()).await;
    let (mut binary, mut phone, id) = relay.pair("ignores").await;
    let silent = async {
        assert_eq!(without_answering(&mut phone).await.first, CLOSE);
        assert_eq!(phone.next().await, Err(End::Eof));
    };
    let (text, ()) = tokio::join!(binary.text(), silent);
    // It never returned the 1011.
    assert_eq!(text, notice(&id, 1001));
}

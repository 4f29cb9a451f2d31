//! Being stopped, by the moment of the stop.

use std::io;

use relay_core::{DrainServer, Limits};
use relay_shutdown::{Outcome, ShutdownContext};
use relay_transport::Config;
use tokio::net::TcpStream;

use crate::support::frame::{CONTINUATION, FIN, Frame, TEXT};
use crate::support::raw::End;
use crate::support::{NEVER, Relay, Request, eventually, log, millis, notice, now, routed};

const GOODBYE: &str = "shutting down";

fn within(millis_: u64) -> ShutdownContext {
    ShutdownContext::new().deadline(millis(millis_))
}

async fn with_close_timeout(millis_: u64) -> Relay {
    let config = Config::default().close_timeout(millis(millis_));
    Relay::with(config, Limits::default()).await
}

async fn assert_unreachable(relay: &Relay) {
    let refused = TcpStream::connect(relay.addr).await;
    let kind = refused.map(|_| ()).map_err(|err| err.kind());
    assert_eq!(kind, Err(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn c51_idle_both_legs_read_1001_and_nobody_else_gets_in() {
    let relay = Relay::start().await;
    let (mut binary, phone, id) = relay.pair("c51").await;
    let peers = async {
        phone.expect_close(1001, GOODBYE).await;
        assert_eq!(binary.text().await, notice(&id, 1001));
        binary.expect_close(1001, GOODBYE).await;
    };
    let (report, ()) = tokio::join!(relay.shutdown(ShutdownContext::new()), peers);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.binaries, report.phones), (1, 1));
    assert_eq!((report.closed, report.cut), (2, 0));
    assert_eq!(report.frames_dropped, 0);
    assert!(report.elapsed < millis(1_000), "{report:?}");
    assert_unreachable(&relay).await;
    relay.registry.idle().await;
}

#[tokio::test]
async fn c51_a_peer_that_ignores_the_close_is_waited_for_as_long_as_any_close() {
    let relay = with_close_timeout(300).await;
    let (binary, mut phone, _) = relay.pair("c51-ignored").await;
    let start = now();
    let report = relay.shutdown(within(10_000)).await;
    assert!(start.elapsed() >= millis(300));
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.closed, report.cut), (0, 2));
    // Its close was there to be read all the time.
    let close = (1001, GOODBYE.to_owned());
    assert_eq!(phone.frame().await.close_status(), close);
    drop(binary);
}

#[tokio::test]
async fn the_deadline_ends_it_whatever_peers_do() {
    let relay = Relay::start().await;
    let (_binary, mut phone, _) = relay.pair("deadline").await;
    let report = relay.shutdown(within(300)).await;
    assert_eq!(report.outcome, Outcome::DeadlineExceeded);
    assert_eq!((report.closed, report.cut), (0, 2));
    assert!(report.elapsed >= millis(300) && report.elapsed < millis(1_300));
    let close = (1001, GOODBYE.to_owned());
    assert_eq!(phone.frame().await.close_status(), close);
    assert_unreachable(&relay).await;
    relay.registry.idle().await;
    relay.server.closed().await;
}

#[tokio::test]
async fn an_empty_relay_is_down_at_once_and_any_number_of_times() {
    let relay = Relay::start().await;
    for _ in 0..3 {
        let report = relay.shutdown(within(10_000)).await;
        assert_eq!(report.outcome, Outcome::Complete);
        assert_eq!((report.binaries, report.phones), (0, 0));
        assert!(report.elapsed < millis(500), "{report:?}");
    }
    assert_unreachable(&relay).await;
}

#[tokio::test]
async fn c52_two_drains_of_one_connection_close_it_once() {
    let relay = Relay::start().await;
    let binary = relay.binary("twice").await;
    let both = async { tokio::join!(relay.shutdown(within(9_000)), relay.shutdown(within(9_000))) };
    let ((one, two), ()) = tokio::join!(both, binary.expect_close(1001, GOODBYE));
    assert_eq!(one.outcome, Outcome::Complete);
    assert_eq!(two.outcome, Outcome::Complete);
    assert_eq!(relay.registry.stats().drain_legs_closed, 1);
    let third = relay.shutdown(within(9_000)).await;
    assert_eq!((third.binaries, third.closed, third.cut), (0, 0, 0));
}

#[tokio::test]
async fn a_second_request_cuts_at_once() {
    let relay = Relay::start().await;
    let (_binary, mut phone, _) = relay.pair("cut").await;
    let ctx = within(3_600_000);
    let cut = ctx.cut_handle();
    let impatient = async {
        // By now everybody has been asked, and waits.
        let close = (1001, GOODBYE.to_owned());
        assert_eq!(phone.frame().await.close_status(), close);
        let start = now();
        cut.cut();
        start
    };
    let (report, start) = tokio::join!(relay.shutdown(ctx), impatient);
    assert!(start.elapsed() < millis(1_000));
    assert_eq!(report.outcome, Outcome::CutShort);
    assert_eq!((report.closed, report.cut), (0, 2));
}

#[tokio::test]
async fn mid_upgrade_a_request_is_not_answered_101_any_more() {
    let config = Config::default().http_drain_timeout(millis(300));
    let relay = Relay::with(config, Limits::default()).await;
    let _binary = relay.binary("mid-upgrade").await;
    let request = Request::phone("mid-upgrade").bytes();
    let (head, rest) = request.split_at(request.len() / 2);
    let mut half = relay.connect().await;
    half.send_bytes(head).await;
    let mut idle = relay.connect().await;
    let health = idle.ask(&Request::bare("GET", "/healthz")).await;
    assert_eq!(health.status, 200);
    let peers = async {
        relay.registry.draining().await;
        assert_eq!(idle.next().await, Err(End::Eof));
        half.send_bytes(rest).await;
        assert_eq!(half.response().await.status, 503);
        assert_eq!(half.next().await, Err(End::Eof));
    };
    let (report, ()) = tokio::join!(relay.shutdown(within(500)), peers);
    assert_eq!(report.phones, 0);
}

#[tokio::test]
async fn mid_frame_the_rest_of_a_message_is_thrown_away() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("mid-frame").await;
    let message = Frame::text(r#""half""#).masked();
    phone.send_bytes(&message[..8]).await;
    let mut fragmented = relay.phone("mid-frame").await;
    fragmented.send(Frame::new(TEXT & !FIN, "[")).await;
    fragmented.settle().await;
    let peers = async {
        relay.registry.draining().await;
        phone.send_bytes(&message[8..]).await;
        fragmented.send(Frame::new(CONTINUATION | FIN, "]")).await;
        // What comes whole but late is thrown away as well.
        phone.send_text("1").await;
        phone.expect_close(1001, GOODBYE).await;
        fragmented.expect_close(1001, GOODBYE).await;
        let mut notices = [binary.text().await, binary.text().await];
        notices.sort_by_key(|text| *text != notice(&id, 1001));
        assert_eq!(notices[0], notice(&id, 1001));
        assert!(notices[1].ends_with(r#","close_code":1001}"#));
        binary.expect_close(1001, GOODBYE).await;
    };
    let (report, ()) = tokio::join!(relay.shutdown(within(10_000)), peers);
    assert_eq!((report.closed, report.cut), (3, 0));
}

#[tokio::test]
async fn a_refused_peer_keeps_its_own_code_and_is_waited_for() {
    let relay = with_close_timeout(2_000).await;
    let phone = relay.dial(Request::phone("refused")).await;
    let peer = async {
        relay.registry.draining().await;
        phone.expect_close(4404, "no server with that id").await;
    };
    let (report, ()) = tokio::join!(relay.shutdown(within(10_000)), peer);
    assert_eq!(report.outcome, Outcome::Complete);
    assert!(report.elapsed < millis(2_000), "{report:?}");
}

#[tokio::test]
async fn in_grace_a_drain_closes_the_phones_that_wait() {
    let limits = Limits::default().grace(NEVER);
    let relay = Relay::with(Config::default(), limits).await;
    let (binary, phone, _) = relay.pair("grace").await;
    binary.close(1000, "").await;
    log::event("grace", "server_released").await;
    let drain = relay.shutdown(within(10_000));
    let (report, ()) = tokio::join!(drain, phone.expect_close(1001, GOODBYE));
    assert_eq!((report.binaries, report.phones, report.closed), (0, 1, 1));
}

#[tokio::test]
async fn a_directive_accepted_before_the_drain_keeps_its_code() {
    let relay = Relay::start().await;
    let (mut binary, phone, id) = relay.pair("sentenced").await;
    binary.send_text(crate::support::directive(&id, 4401)).await;
    binary.settle().await;
    let peers = async {
        relay.registry.draining().await;
        phone.expect_close(4401, "").await;
        binary.expect_close(1001, GOODBYE).await;
    };
    let (report, ()) = tokio::join!(relay.shutdown(within(10_000)), peers);
    assert_eq!(report.cut, 0);
}

#[tokio::test]
async fn readiness_says_no_and_the_service_refuses_once_draining() {
    let relay = Relay::start().await;
    let ask = |path: &str| {
        let request = http::Request::get(path).body(()).expect("a request");
        let response = relay.server.service().respond(request, relay.addr);
        response.status().as_u16()
    };
    assert_eq!(ask("/readyz"), 200);
    relay.registry.begin_drain();
    assert_eq!(ask("/readyz"), 503);
    assert_eq!(ask("/healthz"), 200);
    assert_eq!(ask("/v1/client"), 503);
    // Over the wire too: the listener is not this drain's to close.
    let response = relay.ask(Request::phone("late")).await;
    assert_eq!(response.status, 503);
}

#[tokio::test]
async fn a_server_that_stops_accepting_keeps_its_legs() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("dropped").await;
    relay.server.stop_accepting();
    eventually("no listener", || {
        std::net::TcpStream::connect(relay.addr).is_err()
    })
    .await;
    phone.send_text("1").await;
    assert_eq!(binary.text().await, routed(&id, "1"));
}

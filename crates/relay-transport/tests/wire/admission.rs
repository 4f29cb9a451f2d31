//! The connection cap, and the cap of phones per server-id.

use std::sync::Arc;

use relay_core::Limits;
use relay_transport::Config;
use tokio::task::JoinSet;

use crate::support::frame::{Frame, PONG};
use crate::support::{RawPeer, Relay, Request, log, millis, patiently};

async fn capped(max_connections: usize) -> Relay {
    let config = Config::default().max_connections(max_connections);
    Relay::with(config, Limits::default()).await
}

/// A slot comes back when the relay is through with a connection, which its peer cannot see: it may have to ask
/// more than once.
async fn dial_when_free(relay: &Relay, request: Request) -> RawPeer {
    let mut pause = tokio::time::interval(millis(1));
    patiently("a free slot", async {
        loop {
            let mut peer = relay.connect().await;
            match peer.ask(&request).await.status {
                101 => return peer,
                status => assert_eq!(status, 503),
            }
            pause.tick().await;
        }
    })
    .await
}

#[tokio::test]
async fn c07_at_the_cap_everything_is_answered_503_until_somebody_leaves() {
    let relay = capped(2).await;
    let (mut binary, phone, _) = relay.pair("c07").await;
    for request in [
        Request::phone("c07"),
        Request::binary("c07-other"),
        Request::bare("GET", "/v1/client"),
        Request::bare("GET", "/v1/server"),
    ] {
        let response = relay.ask(request).await;
        assert_eq!((response.status, response.body.as_str()), (503, "\n"));
    }
    let is_it = |line: &log::Line| line.message == "conn_cap_reached";
    let line = log::find("conn_cap_reached", is_it).await;
    assert_eq!(line.keys(), ["path", "remote"]);
    assert_eq!(line.field("remote"), Some("127.0.0.1"));

    let healthz = relay.ask(Request::bare("GET", "/healthz")).await;
    assert_eq!(healthz.status, 200);

    phone.close(1000, "").await;
    let mut phone = dial_when_free(&relay, Request::phone("c07")).await;
    phone.settle().await;
    binary.settle().await;
}

#[tokio::test]
async fn c08_a_refused_phone_gives_its_slot_back() {
    let relay = capped(1).await;
    for _ in 0..20 {
        let phone = dial_when_free(&relay, Request::phone("c08")).await;
        phone.expect_close(4404, "no server with that id").await;
    }
}

#[tokio::test]
async fn a_slot_comes_back_however_its_connection_ends() {
    let config = Config::default()
        .max_connections(1)
        .close_timeout(millis(100))
        .handshake_timeout(millis(200));
    let relay = Relay::with(config, Limits::default()).await;
    let request = || Request::binary("slot");

    drop(dial_when_free(&relay, request()).await);
    dial_when_free(&relay, request()).await.reset();
    // Refused by the handshake's checks.
    assert_eq!(
        relay.ask(Request::bare("GET", "/v1/client")).await.status,
        400
    );
    // Never answers its close.
    let _silent = dial_when_free(&relay, Request::phone("slot-none")).await;
    dial_when_free(&relay, request())
        .await
        .close(1000, "")
        .await;
    dial_when_free(&relay, request()).await.settle().await;
}

#[tokio::test]
async fn c28_the_seventeenth_phone_is_refused_until_one_leaves() {
    let relay = Relay::start().await;
    let _binary = relay.binary("c28").await;
    let _other = relay.binary("c28-other").await;
    let mut phones = Vec::new();
    for _ in 0..16 {
        phones.push(relay.phone("c28").await);
    }
    let refused = relay.dial(Request::phone("c28")).await;
    refused.expect_close(4429, AT_CAP).await;
    log::event("c28", "phone_register_at_cap").await;
    for phone in &mut phones {
        phone.settle().await;
    }
    relay.phone("c28-other").await;
    phones.pop().expect("sixteen").close(1000, "").await;
    relay.phone("c28").await;
}

const AT_CAP: &str = "too many phones for server-id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_of_ten_phones_at_once_one_gets_the_last_place() {
    let relay = Arc::new(Relay::start().await);
    let _binary = relay.binary("c29").await;
    let mut phones = Vec::new();
    for _ in 0..15 {
        phones.push(relay.phone("c29").await);
    }
    let mut dials = JoinSet::new();
    for _ in 0..10 {
        let relay = Arc::clone(&relay);
        dials.spawn(async move {
            let mut phone = relay.dial(Request::phone("c29")).await;
            // Either the pong or the refusal.
            let _ = phone.try_send(Frame::ping("?")).await;
            let answer = phone.frame().await;
            let is_in = answer.first == PONG;
            if !is_in {
                assert_eq!(answer.close_status(), (4429, AT_CAP.to_owned()));
            }
            is_in.then_some(phone)
        });
    }
    let admitted: Vec<_> = dials.join_all().await.into_iter().flatten().collect();
    assert_eq!(admitted.len(), 1);
    assert_eq!(relay.registry.snapshot().phones(), 16);
}

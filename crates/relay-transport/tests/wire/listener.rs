//! A listener that dies without having been asked to.

use std::net::Shutdown;

use relay_core::{DrainServer, Limits, Registry};
use relay_shutdown::{Outcome, ShutdownContext, shutdown};
use relay_transport::{ListenerError, ServerBuilder};
use socket2::SockRef;
use tokio::net::TcpListener;

use crate::support::raw::Socket;
use crate::support::{RawPeer, Request, patiently};

#[tokio::test]
async fn a_dead_listener_is_told_and_its_connections_go_on_and_are_drained() {
    let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(ours.try_clone().unwrap()).unwrap();
    let registry = Registry::new(Limits::default());
    let builder = ServerBuilder::new(registry.clone());
    let server = builder.with_listener(listener).unwrap().serve();
    let connected = RawPeer::connect(server.local_addr(), Socket::default()).await;
    let mut peer = connected.unwrap();
    peer.upgrade(&Request::binary("dead")).await;
    peer.settle().await;
    assert!(futures_util::poll!(Box::pin(server.failed())).is_pending());

    SockRef::from(&ours).shutdown(Shutdown::Both).unwrap();
    for _ in 0..2 {
        let failed = patiently("the end of accepting", server.failed()).await;
        assert!(
            matches!(failed, ListenerError::Unusable { .. }),
            "{failed:?}"
        );
    }
    assert_eq!(server.service().stats().accept_errors, 0);
    peer.settle().await;

    let servers: [&dyn DrainServer; 1] = [&server];
    let drained = shutdown(ShutdownContext::new(), &registry, &servers);
    let goodbye = peer.expect_close(1001, "shutting down");
    let (report, ()) = tokio::join!(drained, goodbye);
    assert_eq!(report.outcome, Outcome::Complete);
    server.closed().await;
}

#[tokio::test]
async fn a_listener_that_was_stopped_has_not_failed() {
    let registry = Registry::new(Limits::default());
    let builder = ServerBuilder::new(registry);
    let server = builder.bind("127.0.0.1:0").await.unwrap().serve();
    server.stop_accepting();
    server.closed().await;
    assert!(futures_util::poll!(Box::pin(server.failed())).is_pending());
}

#[tokio::test]
async fn who_was_accepted_gets_in_after_the_listener_was_let_go_and_who_was_not_waits_for_a_successor()
 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let relay = || {
        let listener = TcpListener::from_std(socket.try_clone().unwrap()).unwrap();
        let registry = Registry::new(Limits::default());
        let builder = ServerBuilder::new(registry.clone());
        (registry, builder.with_listener(listener).unwrap())
    };
    let (registry, bound) = relay();
    let server = bound.serve();
    let addr = server.local_addr();
    let connect = async || RawPeer::connect(addr, Socket::default()).await.unwrap();
    let mut accepted = connect().await;
    // Behind it in the queue, so that its answer says that both were accepted.
    let mut idle = connect().await;
    assert_eq!(idle.ask(&Request::bare("GET", "/readyz")).await.status, 200);

    server.release_listener();
    let mut settled = Box::pin(server.settled());
    assert!(futures_util::poll!(&mut settled).is_pending());
    accepted.upgrade(&Request::binary("late")).await;
    // Nobody waits for a connection that was answered and idles.
    patiently("the last newcomer", settled).await;
    server.settled().await;
    accepted.settle().await;
    assert!(futures_util::poll!(Box::pin(server.failed())).is_pending());

    let mut waiting = connect().await;
    let (_, successor) = relay();
    let _successor = successor.serve();
    waiting.upgrade(&Request::binary("late")).await;

    let servers: [&dyn DrainServer; 1] = [&server];
    let drained = shutdown(ShutdownContext::new(), &registry, &servers);
    let goodbye = accepted.expect_close(1001, "shutting down");
    let (report, ()) = tokio::join!(drained, goodbye);
    assert_eq!((report.outcome, report.cut), (Outcome::Complete, 0));
    waiting.settle().await;
}

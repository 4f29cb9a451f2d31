//! Sockets that were open before the relay began.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use futures_util::stream;
use relay_bin::boot::inherited::Inherited;
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use relay_bin::run_with;
use tokio::time::timeout;

use crate::executable::Executable;
use crate::harness::{PATIENCE, free_addr};
use crate::http::get;

fn listening() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind(free_addr()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn connects_that_came_before_the_relay_are_served() {
    let ((http, addr), (metrics, metrics_addr)) = (listening(), listening());
    let listen = format!("--insecure-listen={addr}");
    let early = async {
        (
            get(addr, "/readyz").await,
            get(metrics_addr, "/metrics").await,
        )
    };
    let args = [OsString::from(listen)];
    let inherited = [("http", http), ("metrics", metrics)].into_iter().collect();
    let serving = Box::pin(run_with(
        Environment::default(),
        inherited,
        args,
        stream::pending(),
    ));
    tokio::select! {
        (ready, metrics) = early => assert_eq!((ready.status, metrics.status), (200, 200)),
        exit = serving => panic!("ended with {exit:?}"),
    }
}

#[tokio::test]
async fn a_socket_that_fits_no_flag_exits_2() {
    let (socket, addr) = listening();
    let inherited: Inherited = [("https", socket)].into_iter().collect();
    let args = [OsString::from(format!("--insecure-listen={addr}"))];
    let running = run_with(Environment::default(), inherited, args, stream::pending());
    let exit = timeout(PATIENCE, Box::pin(running)).await.unwrap();
    assert_eq!(exit, Exit::Config);
}

#[tokio::test]
async fn the_executable_takes_what_its_variables_announce() {
    let ((http, addr), (metrics, metrics_addr)) = (listening(), listening());
    let sockets = [("http", http.into()), ("metrics", metrics.into())];
    let flags = [format!("--insecure-listen={addr}")];
    let relay = Executable::start_with_sockets(sockets, (addr, metrics_addr), &flags).await;
    assert_eq!(get(metrics_addr, "/metrics").await.status, 200);
    relay.stop().await;
}

#[tokio::test]
async fn the_executable_names_a_socket_that_is_no_listener() {
    let socket: OwnedFd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
    let addr = free_addr();
    let flags = [format!("--insecure-listen={addr}")];
    let ended = Executable::launch_with_sockets([("http", socket)], (addr, addr), &flags)
        .exit()
        .await;
    assert_eq!(ended.code, Some(2));
    let told = |line: &String| line.contains("value=http") && line.contains("not a listening");
    assert!(ended.log.iter().any(told), "{:#?}", ended.log);
}

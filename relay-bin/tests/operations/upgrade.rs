//! A successor on the same sockets, as whoever watches the executable sees it.

use std::os::unix::net::UnixDatagram as Manager;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::timeout;

use crate::executable::Executable;
use crate::harness::{PATIENCE, free_addr};
use crate::http::get;
use crate::scratch::Scratch;

async fn told(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let received = timeout(PATIENCE, manager.recv(&mut buffer)).await;
    let length = received.expect("it is told").unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// Nobody's child here; killed when dropped.
struct Successor(Pid);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[tokio::test]
async fn a_manager_hears_who_is_the_main_process_and_scrapes_go_to_it() {
    let scratch = Scratch::new();
    let path = scratch.path().join("manager");
    let manager = Manager::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let manager = UnixDatagram::from_std(manager).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let relay = Executable::start(&environment, &["--log-format=json"]).await;
    assert_eq!(told(&manager).await, "READY=1\nSTATUS=serving");

    relay.signal(Signal::HUP);
    assert!(
        told(&manager)
            .await
            .starts_with("RELOADING=1\nMONOTONIC_USEC=")
    );
    assert_eq!(told(&manager).await, "READY=1\nSTATUS=serving");

    relay.signal(Signal::USR2);
    let main = told(&manager).await;
    let pid = main
        .strip_prefix("MAINPID=")
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert_eq!(main, format!("MAINPID={pid}\nREADY=1\nSTATUS=serving"));
    let serves = relay.wait_for(&["successor serves; draining"], 1).await;
    assert_eq!(serves[0]["pid"].to_string(), pid);
    let (addr, metrics) = (relay.addr, relay.metrics);
    let successor = Successor(Pid::from_raw(pid.parse().unwrap()).unwrap());
    // The old process ends by itself, and cleanly; the new one is on both of its listeners.
    relay.wait_for(&["shutdown complete"], 1).await;
    assert_eq!(get(addr, "/readyz").await.status, 200);
    let page = get(metrics, "/metrics").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("\npyrycode_relay_draining 0\n"));

    kill_process(successor.0, Signal::TERM).unwrap();
    assert_eq!(told(&manager).await, "STOPPING=1\nSTATUS=draining");
    let ended = relay.exit().await;
    // Its end is that of its standard error, which the test has read to the end: it is not killed twice.
    std::mem::forget(successor);
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
}

#[tokio::test]
async fn a_relay_with_an_authority_hands_over_all_three_listeners_and_shares_its_cache() {
    let scratch = Scratch::new();
    let (https, acme, metrics) = (free_addr(), free_addr(), free_addr());
    let args = [
        "--domain=relay.example.com".to_owned(),
        // Nobody is there: that certificates are issued is shown elsewhere.
        format!("--acme-directory=https://{}/", free_addr()),
        format!("--cert-cache={}", scratch.path().join("certs").display()),
        format!("--https-listen={https}"),
        format!("--http-listen={acme}"),
        format!("--metrics-listen={metrics}"),
        "--log-format=json".to_owned(),
    ];
    let relay = Executable::start_from((https, metrics), &args).await;
    relay.signal(Signal::USR2);
    let serves = relay.wait_for(&["successor serves; draining"], 1).await;
    let pid = serves[0]["pid"].as_i64().unwrap().try_into().unwrap();
    let successor = Successor(Pid::from_raw(pid).unwrap());
    relay.wait_for(&["shutdown complete"], 1).await;
    // For another host than the relay's: nobody but the page of challenges says so.
    let challenge = get(acme, "/.well-known/acme-challenge/x").await;
    assert_eq!(challenge.status, 403);
    assert_eq!(get(metrics, "/metrics").await.status, 200);
    TcpStream::connect(https).await.unwrap();

    kill_process(successor.0, Signal::TERM).unwrap();
    let ended = relay.exit().await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    std::mem::forget(successor);
}

//! Ports for processes that cannot say which one they took.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

/// One that was free a moment ago.
pub(crate) fn free() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until somebody listens; says whether somebody did.
pub(crate) async fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut ticks = interval(Duration::from_millis(20));
    let connect = async {
        while TcpStream::connect(address).await.is_err() {
            ticks.tick().await;
        }
    };
    timeout(Duration::from_secs(20), connect).await.is_ok()
}

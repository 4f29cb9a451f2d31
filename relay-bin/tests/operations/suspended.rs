//! The process is stopped by a signal and goes on; what concerns plain connections is played by `cargo xtask e2e`.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::executable::Executable;
use crate::harness::PATIENCE;
use crate::scratch::Scratch;
use crate::tls_peers::{DOMAIN, connect, issue};

/// Longer than a handshake may take.
const STOP: Duration = Duration::from_secs(7);

/// The first byte of an answer that is no alert.
const HANDSHAKE_RECORD: u8 = 0x16;

#[tokio::test]
async fn a_tls_handshake_that_the_relay_slept_through_goes_on() {
    let (scratch, issued) = (Scratch::new(), issue());
    let flags = issued.write(&scratch);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let relay = Executable::start_with_tls(&[], &flags).await;

    let name = ServerName::try_from(DOMAIN).unwrap();
    let mut client = ClientConnection::new(Arc::new(issued.client()), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let (first, second) = hello.split_at(hello.len() / 2);
    let mut newcomer = TcpStream::connect(relay.addr).await.unwrap();
    newcomer.write_all(first).await.unwrap();
    // Whoever came after it has been accepted, and so has it.
    drop(connect(relay.addr, issued.client(), DOMAIN).await);

    relay.signal(Signal::STOP);
    newcomer.write_all(second).await.unwrap();
    // How long it lasts is what is tested: nothing will tell.
    let mut stops = tokio::time::interval(STOP);
    stops.tick().await;
    stops.tick().await;
    relay.signal(Signal::CONT);
    let answer = timeout(PATIENCE, newcomer.read_u8()).await;
    assert_eq!(answer.unwrap().unwrap(), HANDSHAKE_RECORD);
    relay.stop().await;
}

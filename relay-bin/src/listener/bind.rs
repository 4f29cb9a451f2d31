//! Binding a configured address.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use crate::config::{Host, ListenAddr};

/// Connects that wait to be accepted, if the system allows as many. The usual 128 are gone in a burst, and whoever
/// finds no place is not answered and tries again after a second.
const MAX_WAITING: i32 = 4096;

/// Binds `addr`. Without a host that is every interface, over IPv4 alone where the system has no IPv6.
pub(crate) async fn bind(addr: &ListenAddr) -> io::Result<TcpListener> {
    let listener = listen(addr).await?;
    // Asking a listening socket again changes the length of its queue and nothing else.
    rustix::net::listen(&listener, MAX_WAITING)?;
    Ok(listener)
}

/// Takes a socket that listens already; how many may wait in it is its maker's choice.
pub(crate) fn adopt(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

async fn listen(addr: &ListenAddr) -> io::Result<TcpListener> {
    let port = addr.port.get();
    match (&addr.host, addr.literal()) {
        (Host::Name(name), _) => TcpListener::bind((name.as_str(), port)).await,
        (Host::Any, Some(dual_stack)) => match TcpListener::bind(dual_stack).await {
            Err(error) if has_no_ipv6(&error) => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            result => result,
        },
        (Host::Ip(ip), _) => TcpListener::bind((*ip, port)).await,
        (Host::Any, None) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_burst_of_connects_waits_in_line_to_be_accepted() {
        // A loopback address of this process's own, where nobody else binds.
        let ip = Ipv4Addr::LOCALHOST.to_bits() & 0xff00_0000 | std::process::id();
        let addr = format!("{}:11000", Ipv4Addr::from_bits(ip));
        let _nobody_accepts = bind(&addr.parse().unwrap()).await.unwrap();
        let burst = async {
            let mut waiting = Vec::new();
            for _ in 0..500 {
                waiting.push(TcpStream::connect(&addr).await.unwrap());
            }
        };
        // One that finds no place is not answered, and tries again a second later, in vain.
        let burst = tokio::time::timeout(Duration::from_secs(5), burst).await;
        assert!(burst.is_ok(), "not everybody found a place");
    }
}

//! Binding a configured address.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use crate::config::{Host, ListenAddr};

/// Binds `addr`. Without a host that is every interface, over IPv4 alone where the system has no IPv6.
pub(crate) async fn bind(addr: &ListenAddr) -> io::Result<TcpListener> {
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

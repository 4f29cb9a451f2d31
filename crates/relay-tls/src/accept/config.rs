//! How we speak TLS: every setting that differs from rustls' default, and those we keep on purpose.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};

use super::SetupError;
use crate::certificate;
use crate::certificates::{Certificates, Resolver};

/// WebSockets upgrade from HTTP/1.1 only, and one protocol is one less surface.
const ALPN: &[u8] = b"http/1.1";

/// A server for `certificates`.
///
/// Memory per connection is rustls' own state, about 10 KiB; the settings below add nothing to it:
///
/// * Resumption is by tickets the peer keeps, under keys that are made at start and rotate every six hours; the server
///   stores no session. A returning phone skips the chain, some 3 KiB down a mobile line, and both sides the
///   signature. The SNI gate is asked before a ticket is looked at.
/// * One ticket per TLS 1.3 handshake instead of two: a peer comes back once.
/// * No early data (`max_early_data_size` stays 0): it can be replayed, and a WebSocket has no use for it.
/// * `max_fragment_size` stays at 16 KiB: 4 KiB made no difference to an idle connection, and quadruples the records
///   of a busy one.
/// * The provider's own suites and groups: forward-secret AEADs only; X25519 first, the post-quantum hybrid for
///   peers that ask for nothing else. What the relay carries is encrypted end to end already.
pub(super) fn server(certificates: Certificates) -> Result<ServerConfig, SetupError> {
    let crypto = |source: rustls::Error| SetupError::Crypto {
        source: source.into(),
    };
    let mut config = ServerConfig::builder_with_provider(certificate::provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(crypto)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(certificates)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new().map_err(crypto)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

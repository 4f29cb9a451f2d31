//! A connection of the relay's own listener. The input is all that a client sends on it: heads of requests, and what
//! follows an upgrade.
//!
//! In any cuts the answers are the same, well formed, and those of `docs/PROTOCOL.md`; nobody is upgraded who may not
//! be; and the connection ends, whether or not the client does.

mod answers;
mod rules;

use std::net::SocketAddr;
use std::time::Duration;

use relay_core::{Limits, Registry};
use relay_transport::{Config, Http1, Io, ServerBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::{clock, cuts};
use answers::Answers;

/// Longer than every wait of a connection that says nothing more: its head, an idle spell, a heartbeat, a close.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// What the client does behind its last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Ends,
    Waits,
}

pub(crate) fn http(stream: &[u8]) {
    let whole = answers(vec![stream], Then::Waits);
    let first = whole.statuses.first();
    if let Some(expected) = rules::expected(stream) {
        let is_expected = first.is_some_and(|first| expected.contains(first));
        assert!(is_expected, "{first:?} instead of {expected:?}");
    }
    if first == Some(&101) {
        let judged = rules::lenient(stream);
        assert!(judged.contains(&101), "101 instead of {judged:?}");
    }
    let bytes = answers(stream.chunks(1).collect(), Then::Waits);
    let ended = answers(cuts::parts(stream, 60), Then::Ends);
    if rules::depends_on_cuts(stream) {
        assert!(whole.begins_like(&bytes), "{bytes:?} instead of {whole:?}");
        assert!(whole.begins_like(&ended), "{ended:?} instead of {whole:?}");
    } else {
        // A head that is broken and not complete is refused at once or runs out of time, as its bytes come.
        let extra = whole.statuses.strip_prefix(&*bytes.statuses);
        assert!(
            matches!(extra, Some([] | [400 | 414 | 431])),
            "{bytes:?} instead of {whole:?}"
        );
        // Who ends before an answer need not get it.
        assert!(
            whole.statuses.starts_with(&ended.statuses),
            "{ended:?} instead of {whole:?}"
        );
    }
}

/// What a client reads until the relay ends the connection.
fn answers(parts: Vec<&[u8]>, then: Then) -> Answers {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime needs nothing but memory");
    let read = runtime.block_on(async { timeout(LONGEST, connection(parts, then)).await });
    Answers::read(&read.expect("a connection without an end"))
}

async fn connection(parts: Vec<&[u8]>, then: Then) -> Vec<u8> {
    let service = ServerBuilder::new(Registry::new(Limits::default())).into_service();
    let (client, server) = tokio::io::duplex(1 << 20);
    let remote = SocketAddr::from(([192, 0, 2, 7], 40_000));
    let http1 = Http1::new(&Config::default());
    let server: Box<dyn Io> = Box::new(server);
    let never = std::future::pending();
    let serving = http1.serve(server, clock::now(), service.for_peer(remote), never);
    let ((), read) = tokio::join!(serving, client_of(client, parts, then));
    read
}

async fn client_of(mut client: DuplexStream, parts: Vec<&[u8]>, then: Then) -> Vec<u8> {
    for part in parts {
        // The relay may have had enough.
        if client.write_all(part).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    if then == Then::Ends {
        let _ = client.shutdown().await;
    }
    let mut read = Vec::new();
    client
        .read_to_end(&mut read)
        .await
        .expect("a pipe does not fail");
    read
}

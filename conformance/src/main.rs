//! Sends every WebSocket message back, through the relay's own handshake, decoder, connection and writer.
//!
//! `relay-conformance [--max-message-bytes N] [--max-fragments N]` takes a free port of the loopback, prints its
//! address, and ends with its standard input. `cargo xtask autobahn` starts it and sets the referee on it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the address on standard output is what a caller waits for"
)]

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::Context as _;
use lexopt::prelude::*;
use relay_transport::internals::EchoServer;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// The largest message Autobahn sends, which is far above the relay's own limit.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Autobahn cuts 4 MiB into pieces of 64 bytes, with an empty one behind them.
const MAX_FRAGMENTS: u32 = 65_537;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay-conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let server = server(lexopt::Parser::from_env())?;
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    let result = runtime.block_on(serve(&server));
    // A read of standard input may still be under way on a thread of its own.
    runtime.shutdown_background();
    result
}

fn server(mut parser: lexopt::Parser) -> Result<EchoServer, lexopt::Error> {
    let (mut max_message_bytes, mut max_fragments) = (MAX_MESSAGE_BYTES, MAX_FRAGMENTS);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("max-message-bytes") => max_message_bytes = parser.value()?.parse()?,
            Long("max-fragments") => max_fragments = parser.value()?.parse()?,
            other @ (Short(_) | Long(_) | Value(_)) => return Err(other.unexpected()),
        }
    }
    Ok(EchoServer::new(max_message_bytes, max_fragments))
}

async fn serve(server: &EchoServer) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("could not listen")?;
    println!("{}", listener.local_addr().context("no address")?);
    let mut ignored = Vec::new();
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        served = server.serve(listener) => match served.context("could not accept")? {},
        _ = stdin.read_to_end(&mut ignored) => Ok(()),
    }
}

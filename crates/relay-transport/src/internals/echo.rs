//! A server that sends every message back: the relay's own handshake, decoder, connection and writer, and nothing of
//! what the relay does with a message. A referee of the WebSocket protocol needs somebody who answers.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use fastwebsockets::upgrade::UpgradeFut;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use relay_core::internals::EchoBox;
use relay_core::{Close, Outbox};
use tokio::net::TcpListener;

use crate::clock;
use crate::config::Config;
use crate::connection::{ClosedBy, Connection, Endpoint, Shape, Step, Timing};
use crate::http1::Http1;
use crate::scratch::ScratchPool;
use crate::service::{ResponseBody, handshake, refused};
use crate::stream::Stream;
use crate::tasks::Tasks;
use crate::ws::{Bounds, Message};

/// Bytes queued above which an echo stops reading: what a binary's outbox has.
const HIGH_WATER: usize = 256 << 10;

/// Accepts any WebSocket on any path; clones share one server.
#[derive(Clone, Debug)]
pub struct EchoServer {
    bounds: Bounds,
    config: Config,
    scratch: Arc<ScratchPool>,
    tasks: Tasks,
}

impl EchoServer {
    /// Takes messages of so many bytes in so many frames, both inclusive; every timer is the relay's default.
    #[must_use]
    pub fn new(max_message_bytes: usize, max_fragments: u32) -> Self {
        Self {
            bounds: Bounds {
                max_bytes: max_message_bytes,
                max_fragments,
            },
            config: Config::default(),
            scratch: Arc::default(),
            tasks: Tasks::default(),
        }
    }

    /// Serves until accepting fails.
    ///
    /// # Errors
    /// Why no more connections are accepted.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<Infallible> {
        let http1 = Http1::new(&self.config);
        loop {
            let (tcp, _) = listener.accept().await?;
            let (http1, server) = (http1.clone(), self.clone());
            self.tasks.spawn(async move {
                let service = service_fn(|request| ready(Ok(server.respond(request))));
                let never = std::future::pending();
                http1.serve(tcp, clock::now(), service, never).await;
            });
        }
    }

    fn respond(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (parts, _body) = request.into_parts();
        match handshake::answer(parts) {
            Ok((response, upgrading)) => {
                self.tasks.spawn(self.clone().echo(upgrading));
                response
            }
            Err(refusal) => refused(refusal),
        }
    }

    async fn echo(self, upgrading: UpgradeFut) {
        let Ok(switched) = upgrading.await else {
            return;
        };
        let (stream, leftover) = Stream::from_upgraded(switched.into_inner().into_inner());
        let shape = Shape {
            scratch: self.scratch,
            timing: Timing {
                write_timeout: self.config.phone_write_timeout,
                close_timeout: self.config.close_timeout,
                message_timeout: self.config.message_timeout,
                heartbeat_interval: self.config.heartbeat_interval,
                heartbeat_timeout: self.config.heartbeat_timeout,
            },
            bounds: self.bounds,
            leftover,
            seed: 1,
            epoch: clock::now(),
        };
        let connection = Connection::new(stream, Echo(EchoBox::new()), shape, clock::now());
        connection.run().await;
    }
}

struct Echo(EchoBox);

impl Endpoint for Echo {
    fn outbox(&self) -> Option<&Outbox> {
        Some(self.0.outbox())
    }

    fn message(&mut self, message: Message<'_>, _: Instant) -> Step {
        let queued = match message {
            Message::Text(text) => self.0.text(text),
            Message::Binary(bytes) => self.0.binary(bytes),
        };
        if queued < HIGH_WATER {
            Step::Continue
        } else {
            Step::Pause
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_room(cx, HIGH_WATER)
    }

    fn heard(&mut self) {}

    fn closing(&mut self, _: ClosedBy, _: Instant) {}

    fn answered(&mut self, _: Close, _: u16) {}
}

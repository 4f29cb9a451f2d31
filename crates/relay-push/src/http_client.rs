//! One HTTP call: its deadline, its reply up to a bound, and why there is none.
//!
//! Redirects are not followed: a redirect would carry the credentials to wherever it points.
//! It must not know what is asked, nor what a reply means.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioTimer;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::error::CallError;

/// Push wake cannot be started on this machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system has no trusted root certificates, so that no `https` endpoint can be verified; the machine's fault.
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    #[error("relay: push: no trusted root certificates on this system")]
    NoTrustRoots {
        /// What was looked for.
        #[source]
        source: io::Error,
    },
    /// The TLS library takes none of its own protocol versions; a fault of the build.
    #[error("relay: push: TLS is not usable")]
    Tls {
        /// What it says.
        #[source]
        source: rustls::Error,
    },
}

/// A reply, cut to what was asked for.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// `None` if it was longer than asked for, or did not come to its end in time.
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    call_timeout: Duration,
}

/// Largest reply head; hyper's own bound is 400 KiB.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// Google ends idle connections after some minutes; a middlebox on the way may forget them sooner.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// To each host; one turn's end wakes a handful of devices.
const MAX_IDLE_CONNECTIONS: usize = 4;

impl HttpClient {
    /// Its connections run on `tasks` until `stop`.
    pub(crate) fn new(
        trust: Trust,
        call_timeout: Duration,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(trust)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(Counted { tasks, stop })
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector);
        Ok(Self {
            client,
            call_timeout,
        })
    }

    /// Sends one request and reads its reply, at most `max_reply_bytes` of it, all within the call timeout.
    ///
    /// A reply whose head has come is a reply, whatever becomes of its body: what it says has happened.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the other side may have acted all the same.
    pub(crate) async fn call(
        &self,
        request: Request<Full<Bytes>>,
        max_reply_bytes: usize,
    ) -> Result<Reply, CallError> {
        let deadline = Instant::from_std(clock::now()) + self.call_timeout;
        let response = timeout_at(deadline, self.client.request(request))
            .await
            .map_err(|_elapsed| CallError::TimedOut)?
            .map_err(|error| CallError::of(&error))?;
        let (head, body) = response.into_parts();
        let body = timeout_at(deadline, read(body, max_reply_bytes)).await;
        Ok(Reply {
            status: head.status,
            retry_after: retry_after(&head.headers, clock::calendar()),
            body: body.ok().flatten(),
        })
    }
}

/// Whose certificates are believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Those of the system.
    System,
    /// Nobody's: there is no `https` to speak.
    Nobody,
}

fn tls_config(trust: Trust) -> Result<ClientConfig, StartError> {
    // The provider is named: asking rustls for its default installs one for the whole process.
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| StartError::Tls { source })?;
    let config = match trust {
        Trust::System => config
            .with_native_roots()
            .map_err(|source| StartError::NoTrustRoots { source })?,
        Trust::Nobody => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

async fn read(mut body: Incoming, max_bytes: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        if data.len() > max_bytes - bytes.len() {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Some(bytes)
}

/// RFC 9110 section 10.2.3: seconds, or a date. A date gone by means now.
pub(crate) fn retry_after(headers: &HeaderMap, calendar: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // There is no bound on the digits; what does not fit is as good as for ever.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(calendar).unwrap_or_default())
}

impl CallError {
    fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let causes = || {
            let first: Option<&(dyn StdError + 'static)> = error.source();
            std::iter::successors(first, |error| deeper(*error))
        };
        let is_certificate = causes().any(|cause| {
            matches!(
                cause.downcast_ref(),
                Some(rustls::Error::InvalidCertificate(_))
            )
        });
        if is_certificate {
            Self::Certificate
        } else if error.is_connect() {
            let kind = causes()
                .filter_map(|cause| cause.downcast_ref::<io::Error>())
                .map(io::Error::kind)
                .find(|kind| NAMED.contains(kind));
            Self::Connect(kind)
        } else {
            Self::Broken
        }
    }
}

/// An IO error's own `source` skips the error it wraps.
fn deeper<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Reasons for having no connection that tell an operator something.
const NAMED: &[io::ErrorKind] = &[
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::NetworkDown,
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::TimedOut,
    io::ErrorKind::UnexpectedEof,
];

/// Where hyper's connections run: counted, and ended with the waker.
#[derive(Clone)]
struct Counted {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl<F> Executor<F> for Counted
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, connection: F) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(connection).await;
        });
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

#[cfg(test)]
mod tests;

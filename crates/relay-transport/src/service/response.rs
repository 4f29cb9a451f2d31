//! What the service answers with: short bodies in one piece, and the headers each status comes with.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use relay_core::Origin;
use tracing::warn;

use crate::admission::Refused;
use crate::log::Warn;
use crate::upgrade::Refusal;

/// A short body in one piece.
#[derive(Debug, Default)]
pub struct ResponseBody(pub(super) Option<Bytes>);

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        Self(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

pub(super) fn text(status: StatusCode, body: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// How soon a slot may be free again: a close handshake with a peer that does not answer takes that long.
const RETRY_WHEN_FULL: u64 = 5;

pub(super) fn turned_away(
    refused: Refused,
    path: &str,
    remote: SocketAddr,
) -> Response<ResponseBody> {
    let (status, retry_after) = match refused {
        Refused::RateLimited { client, limited } => {
            if let Warn::Write { suppressed } = limited.warn {
                // Quoted once more, as log watchers know it.
                let remote = format!("\"{client}\"");
                warn!(remote, suppressed, "rate_limited");
            }
            let seconds = limited.retry_after.as_secs_f64().ceil();
            (StatusCode::TOO_MANY_REQUESTS, seconds as u64)
        }
        Refused::Full => {
            let remote = Origin::from_ip(remote.ip());
            warn!(path, %remote, "conn_cap_reached");
            (StatusCode::SERVICE_UNAVAILABLE, RETRY_WHEN_FULL)
        }
    };
    let mut response = text(status, "\n");
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.max(1)));
    // Without a slot its descriptor is all it costs, and nothing bounds how many of those one client keeps.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(super) fn status(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    *response.status_mut() = status;
    response
}

pub(super) fn no_store(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

pub(crate) fn refused(refusal: Refusal) -> Response<ResponseBody> {
    let mut response = text(refusal.status(), refusal.body());
    let extra: &[(HeaderName, &'static str)] = match refusal {
        Refusal::NotAnUpgrade(_) => &[(CONNECTION, "Upgrade"), (UPGRADE, "websocket")],
        Refusal::Method => &[(ALLOW, "GET")],
        Refusal::WebSocketVersion => &[(SEC_WEBSOCKET_VERSION, "13")],
        Refusal::Headers | Refusal::BadRequest(_) | Refusal::Origin => &[],
    };
    for (name, value) in extra {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn switched<B>(response: Response<B>) -> Response<ResponseBody> {
    response.map(|_empty| ResponseBody::default())
}

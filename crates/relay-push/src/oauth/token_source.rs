//! The one access token everybody uses, and the one request at a time that renews it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use tokio::sync::Mutex;

use super::access_token::AccessToken;
use super::assertion;
use crate::clock;
use crate::credentials::Credentials;
use crate::error::FetchError;
use crate::http_client::{HttpClient, Reply};

pub(crate) struct TokenSource {
    credentials: Credentials,
    /// Held while a request is on its way, so that there is one; who waits for it takes what it brings.
    current: Mutex<Current>,
    /// Requests that have come to an end.
    ended: AtomicU64,
}

#[derive(Default)]
struct Current {
    token: Option<AccessToken>,
    /// How the last request failed, if it did.
    failure: Option<FetchError>,
}

/// Google's replies have about 1.2 KiB.
const MAX_REPLY_BYTES: usize = 1 << 20;
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

impl TokenSource {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            current: Mutex::default(),
            ended: AtomicU64::new(0),
        }
    }

    /// A token that is good for some seconds at least.
    ///
    /// Whoever comes while a request is on its way shares its end, be it a failure: otherwise each in turn would
    /// wait for a failure of its own.
    ///
    /// # Cancel safety
    /// A request that is dropped is not shared; the next caller makes its own.
    pub(crate) async fn token(&self, http: &HttpClient) -> Result<AccessToken, FetchError> {
        let ended_before = self.ended.load(Ordering::Acquire);
        let mut current = self.current.lock().await;
        if let Some(token) = &current.token
            && token.is_good(clock::now())
        {
            return Ok(token.clone());
        }
        let has_waited = self.ended.load(Ordering::Acquire) != ended_before;
        if let Some(failure) = current.failure.filter(|_| has_waited) {
            return Err(failure);
        }
        let fetched = self.fetch(http).await;
        self.ended.fetch_add(1, Ordering::Release);
        current.failure = fetched.as_ref().err().copied();
        current.token = fetched.as_ref().ok().cloned();
        fetched
    }

    /// Forgets a token that was refused, unless another has taken its place already.
    pub(crate) async fn forget(&self, refused: &AccessToken) {
        let mut current = self.current.lock().await;
        if current.token.as_ref() == Some(refused) {
            current.token = None;
        }
    }

    async fn fetch(&self, http: &HttpClient) -> Result<AccessToken, FetchError> {
        let asked = clock::now();
        let request = self.request().ok_or(FetchError::Unusable)?;
        let reply = http
            .call(request, MAX_REPLY_BYTES)
            .await
            .map_err(FetchError::Call)?;
        judge(reply, asked)
    }

    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let since_epoch: Duration = clock::calendar().duration_since(UNIX_EPOCH).ok()?;
        let assertion = assertion::sign(&self.credentials, since_epoch)?;
        // A JWT has no character that a form would have to escape.
        let form = [GRANT, &assertion].concat();
        let mut request = Request::new(Full::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.credentials.token_uri().clone();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        Some(request)
    }
}

/// What a reply to a request made at `asked` means: a token, or why there is none.
pub(crate) fn judge(reply: Reply, asked: Instant) -> Result<AccessToken, FetchError> {
    if !reply.status.is_success() {
        return Err(FetchError::Refused {
            status: reply.status,
            retry_after: reply.retry_after,
        });
    }
    reply
        .body
        .and_then(|body| AccessToken::read(&body, asked))
        .ok_or(FetchError::Unusable)
}

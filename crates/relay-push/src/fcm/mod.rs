//! One wake, said to FCM: the request, and what its answer means.

mod reply;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use relay_core::{BoxFuture, WakeToken};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use reply::MessageId;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::endpoint::absolute;
use crate::error::SendError;
use crate::http_client::{HttpClient, Reply, StartError, Trust};
use crate::oauth::{AccessToken, TokenSource};

/// Sends wakes through FCM's HTTP v1 API.
pub(crate) struct Fcm {
    http: HttpClient,
    tokens: TokenSource,
    send_uri: Uri,
}

/// Who carries one wake to the device's platform.
pub(crate) trait Courier: Send + Sync {
    /// Delivers to the platform; the id it gave the message, if it gave one that can be shown.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt; the platform may have taken the message all the same.
    fn deliver<'a>(
        &'a self,
        token: &'a WakeToken,
    ) -> BoxFuture<'a, Result<Option<MessageId>, SendError>>;
}

/// A reply is about 100 bytes, an error about 700.
const MAX_REPLY_BYTES: usize = 4 << 10;

#[derive(Serialize)]
struct Body<'a> {
    message: Message<'a>,
}

/// No `notification` and no `data`: a wake says nothing but that it is one.
#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    android: Android,
}

#[derive(Serialize)]
struct Android {
    priority: &'static str,
}

impl Fcm {
    /// Its connections run on `tasks` until `stop`.
    pub(crate) fn new(
        credentials: Credentials,
        config: &Config,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let base = config.endpoint.as_str();
        let project = credentials.project_id();
        let send_uri = absolute(&format!("{base}/v1/projects/{project}/messages:send"))
            .expect("an endpoint is an absolute URL, and a project id needs no escape");
        let uris = [&send_uri, credentials.token_uri()];
        let trust = if uris.iter().any(|uri| uri.scheme_str() == Some("https")) {
            Trust::System
        } else {
            Trust::Nobody
        };
        Ok(Self {
            http: HttpClient::new(trust, config.call_timeout, tasks, stop)?,
            tokens: TokenSource::new(credentials),
            send_uri,
        })
    }

    async fn send(&self, token: &WakeToken) -> Result<Option<MessageId>, SendError> {
        let access = self.tokens.token(&self.http).await?;
        let first = self.post(token, &access).await;
        let Err(SendError::Refused { status, .. }) = &first else {
            return first;
        };
        if *status != StatusCode::UNAUTHORIZED {
            return first;
        }
        // Revoked, or from before the key was replaced: a fresh one settles it.
        self.tokens.forget(&access).await;
        let access = self.tokens.token(&self.http).await?;
        self.post(token, &access).await
    }

    async fn post(
        &self,
        token: &WakeToken,
        access: &AccessToken,
    ) -> Result<Option<MessageId>, SendError> {
        let request = self.request(token, access);
        let reply = self
            .http
            .call(request, MAX_REPLY_BYTES)
            .await
            .map_err(SendError::Call)?;
        judge(reply)
    }

    fn request(&self, token: &WakeToken, access: &AccessToken) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(body(token)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.send_uri.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, access.authorization());
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json);
        request
    }
}

/// What a reply means: FCM has the message, or says why not.
pub(crate) fn judge(reply: Reply) -> Result<Option<MessageId>, SendError> {
    let body = reply.body.unwrap_or_default();
    if reply.status.is_success() {
        return Ok(MessageId::read(&body));
    }
    Err(SendError::Refused {
        status: reply.status,
        reason: reply::reason(&body),
        retry_after: reply.retry_after,
    })
}

fn body(token: &WakeToken) -> Vec<u8> {
    let body = Body {
        message: Message {
            token: token.expose(),
            android: Android { priority: "HIGH" },
        },
    };
    serde_json::to_vec(&body).expect("strings in structs are JSON")
}

impl Courier for Fcm {
    fn deliver<'a>(
        &'a self,
        token: &'a WakeToken,
    ) -> BoxFuture<'a, Result<Option<MessageId>, SendError>> {
        Box::pin(self.send(token))
    }
}

//! Port 80: the authority's challenges, and 404 for everything else. Never a redirect, which would hide a wrong port.

use http::header::{CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use relay_tls::{ChallengeReply, Challenges};
use relay_transport::ResponseBody;

use crate::listener::Page;

/// The page on port 80.
#[derive(Debug)]
pub(crate) struct ChallengePage(pub(crate) Challenges);

impl Page for ChallengePage {
    fn name(&self) -> &'static str {
        "challenges"
    }

    /// An authority asks from a handful of places; the rest are strangers.
    fn max_connections(&self) -> usize {
        128
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<ResponseBody> {
        let host = request.headers().get(HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let reply = self.0.respond(request.uri().path(), host);
        let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::NOT_FOUND);
        let body = match reply {
            ChallengeReply::Ok(answer) => answer,
            ChallengeReply::WrongHost => "403 not a host of this relay\n".to_owned(),
            ChallengeReply::NotFound | _ => "404 page not found\n".to_owned(),
        };
        let mut response = Response::new(ResponseBody::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, plain);
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }
}

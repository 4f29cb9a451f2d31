//! Google's token and FCM endpoints on one local port: answers as told, remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) struct Google {
    addr: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    token: Mutex<Script>,
    fcm: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    changed: Notify,
}

/// What to answer: the first of these, or what is usual.
#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    always: Option<Answer>,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// No answer, ever.
    Hang,
    /// The end of the connection instead of an answer.
    HangUp,
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn token(token: &str, expires_in: u64) -> Self {
        let body = format!(r#"{{"access_token":"{token}","expires_in":{expires_in}}}"#);
        Self::new(200, body)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

impl Script {
    fn next(&mut self) -> Option<Answer> {
        self.answers.pop_front().or_else(|| self.always.clone())
    }
}

impl Google {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&state)));
        Self {
            addr,
            state,
            _serving: serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The next answers of the token endpoint; after these, a token that is good for an hour.
    pub(crate) fn token_answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.token.lock().unwrap().answers.extend(answers);
    }

    /// What the token endpoint answers from now on, after those of [`Google::token_answers`].
    pub(crate) fn token_always(&self, answer: Answer) {
        self.state.token.lock().unwrap().always = Some(answer);
    }

    /// The next answers of FCM; after these, success.
    pub(crate) fn fcm_answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.fcm.lock().unwrap().answers.extend(answers);
    }

    /// What FCM answers from now on, after those of [`Google::fcm_answers`].
    pub(crate) fn fcm_always(&self, answer: Answer) {
        self.state.fcm.lock().unwrap().always = Some(answer);
    }

    /// The requests so far whose path ends like this.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.state.asked.lock().unwrap();
        let asked = asked.iter().filter(|asked| asked.path.ends_with(path));
        asked.cloned().collect()
    }

    /// The requests for wakes, as soon as there are `count`.
    pub(crate) async fn sends(&self, count: usize) -> Vec<Asked> {
        let sends = async {
            loop {
                let changed = self.state.changed.notified();
                let sends = self.asked(SEND);
                if sends.len() >= count {
                    return sends;
                }
                changed.await;
            }
        };
        let sends = timeout(Duration::from_secs(20), sends).await;
        sends.unwrap_or_else(|_| panic!("{} of {count} sends", self.asked(SEND).len()))
    }
}

pub(crate) const TOKEN: &str = "/token";
pub(crate) const SEND: &str = "/messages:send";

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async {
            // An error here is a client that went away, or an answer that was to hang up.
            let _ = connection.await;
        });
    }
}

#[derive(Debug, thiserror::Error)]
#[error("hang up")]
struct HangUp;

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, HangUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    let asked = Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let answer = if asked.path.ends_with(TOKEN) {
        let next = state.token.lock().unwrap().next();
        next.unwrap_or_else(|| Answer::token("ACCESS", 3600))
    } else {
        let next = state.fcm.lock().unwrap().next();
        next.unwrap_or_else(|| Answer::new(200, r#"{"name":"projects/example/messages/1"}"#))
    };
    state.asked.lock().unwrap().push(asked);
    state.changed.notify_waiters();
    let (status, headers, body) = match answer {
        Answer::Reply {
            status,
            headers,
            body,
        } => (status, headers, body),
        Answer::Hang => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Answer::HangUp => return Err(HangUp),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body)).unwrap())
}

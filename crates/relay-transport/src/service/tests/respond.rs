//! Answers to plain requests, and to upgrades that are refused.

use std::net::SocketAddr;

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Builder;
use http::{Method, Request, Response};
use hyper::body::Body;

use super::*;

fn service(config: Config) -> RelayService {
    ServerBuilder::new(Registry::new(Limits::default()))
        .config(config)
        .into_service()
}

fn remote() -> SocketAddr {
    ([192, 0, 2, 7], 40_000).into()
}

fn get(path: &str) -> Builder {
    Request::builder().uri(path)
}

/// A request that is upgraded. It has no connection, so the WebSocket behind it ends as soon as its task runs.
fn upgrade(path: &str) -> Builder {
    get(path)
        .header(HOST, "relay.example")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
        .header("x-pyrycode-server", "6f1c")
        .header("x-pyrycode-version", "1.2.3")
        .header("x-pyrycode-token", "secret")
        .header(USER_AGENT, "test")
}

fn answer(service: &RelayService, request: Builder) -> Response<ResponseBody> {
    let answer = service.respond(request.body(()).expect("a request"), remote());
    assert!(
        !answer.headers().contains_key(CONTENT_LENGTH),
        "hyper's to add"
    );
    answer
}

fn body(answer: Response<ResponseBody>) -> String {
    let size = answer.body().size_hint().exact();
    let bytes = answer.into_body().0.unwrap_or_default();
    assert_eq!(size, Some(bytes.len() as u64));
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn header(answer: &Response<ResponseBody>, name: HeaderName) -> &str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("ASCII"))
}

/// A status with a line of plain text.
fn assert_text(answer: Response<ResponseBody>, status: u16, text: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(header(&answer, CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(header(&answer, X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(body(answer), text);
}

#[tokio::test(start_paused = true)]
async fn healthz_has_five_keys_and_is_not_cached() {
    let service = service(Config::default().version("1.2.3"));
    tokio::time::advance(Duration::from_millis(61_900)).await;
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let healthy = answer(&service, get("/healthz?x=1").method(method));
        assert_eq!(healthy.status(), 200);
        assert_eq!(
            header(&healthy, CONTENT_TYPE),
            "application/json; charset=utf-8"
        );
        assert_eq!(header(&healthy, CACHE_CONTROL), "no-store");
        assert_eq!(
            body(healthy),
            r#"{"status":"ok","version":"1.2.3","connected_binaries":0,"connected_phones":0,"uptime_seconds":61}"#
        );
    }
}

#[tokio::test]
async fn healthz_counts_the_registrys_members() {
    let service = service(Config::default());
    let registry = service.shared.registry.clone();
    let id = relay_core::ServerId::new(b"6f1c".as_slice());
    let binary = registry
        .claim(&id, Origin::unknown(), clock::now())
        .expect("free");
    let _phones = [(); 2].map(|()| registry.join(&id, clock::now()).expect("room"));
    let counts = r#""connected_binaries":1,"connected_phones":2"#;
    assert!(body(answer(&service, get("/healthz"))).contains(counts));
    drop(binary);
    let counts = r#""connected_binaries":0,"connected_phones":2"#;
    assert!(body(answer(&service, get("/healthz"))).contains(counts));
}

#[tokio::test]
async fn readyz_says_whether_new_legs_are_taken() {
    let stop: fn(&RelayService) = |service| service.stop_accepting();
    let drain: fn(&RelayService) = |service| service.shared.registry.begin_drain();
    for stop in [stop, drain] {
        let service = service(Config::default());
        let ready = answer(&service, get("/readyz"));
        assert_eq!(header(&ready, CACHE_CONTROL), "no-store");
        assert_text(ready, 200, "ready\n");
        stop(&service);
        let draining = answer(&service, get("/readyz"));
        assert_eq!(header(&draining, CACHE_CONTROL), "no-store");
        assert_text(draining, 503, "draining\n");
        assert_eq!(answer(&service, get("/healthz")).status(), 200);
    }
}

#[tokio::test]
async fn every_other_path_is_404() {
    let service = service(Config::default());
    for path in [
        "/",
        "/v1/server/",
        "/V1/server",
        "/v2/server",
        "/v1/client/x",
        "/healthz/",
        "/metrics",
        "//v1/server",
    ] {
        assert_text(answer(&service, upgrade(path)), 404, "404 page not found\n");
    }
}

#[tokio::test]
async fn c05_the_101_selects_neither_protocol_nor_extension() {
    let service = service(Config::default());
    for path in ["/v1/server", "/v1/client", "/v1/client?query=1"] {
        let offers = upgrade(path)
            .header(SEC_WEBSOCKET_PROTOCOL, "foo")
            .header(SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate");
        let switched = answer(&service, offers);
        assert_eq!(switched.status(), 101);
        assert_eq!(
            header(&switched, SEC_WEBSOCKET_ACCEPT),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(header(&switched, UPGRADE).eq_ignore_ascii_case("websocket"));
        assert!(header(&switched, CONNECTION).eq_ignore_ascii_case("upgrade"));
        assert_eq!(header(&switched, SEC_WEBSOCKET_PROTOCOL), "");
        assert_eq!(header(&switched, SEC_WEBSOCKET_EXTENSIONS), "");
        assert_eq!(body(switched), "");
    }
}

/// fastwebsockets' own client takes any accept key; the peers' libraries hang up on a wrong one.
#[tokio::test]
async fn h21_the_accept_key_belongs_to_the_clients_nonce() {
    let service = service(Config::default());
    for (nonce, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("AAECAwQFBgcICQoLDA0ODw==", "Bz3qJYTGdOe8gUSpLosEdiLKDrk="),
    ] {
        let mut request = upgrade("/v1/client");
        let headers = request.headers_mut().expect("well-formed");
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(nonce));
        let switched = answer(&service, request);
        assert_eq!(header(&switched, SEC_WEBSOCKET_ACCEPT), accept);
    }
}

#[tokio::test]
async fn refusals_name_what_they_want_and_return_the_slot() {
    let service = service(Config::default().max_connections(1));
    for path in ["/v1/server", "/v1/client"] {
        assert_text(answer(&service, get(path)), 400, "\n");
        let names = [
            "x-pyrycode-server",
            "x-pyrycode-version",
            "x-pyrycode-token",
        ];
        let named = |request: Builder| {
            let named = names
                .iter()
                .fold(request, |request, name| request.header(*name, "1"));
            named.header(USER_AGENT, "test")
        };
        let plain = answer(&service, named(get(path)));
        assert_eq!(plain.status(), 426);
        assert_eq!(header(&plain, CONNECTION), "Upgrade");
        assert_eq!(header(&plain, UPGRADE), "websocket");
        let posted = answer(&service, upgrade(path).method(Method::POST));
        assert_eq!(header(&posted, ALLOW), "GET");
        assert_text(posted, 405, "WebSocket upgrade needs GET\n");
        let request = upgrade(path);
        let mut old = request.body(()).unwrap();
        old.headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        let old = service.respond(old, remote());
        assert_eq!(header(&old, SEC_WEBSOCKET_VERSION), "13");
        assert_text(old, 400, "unsupported Sec-WebSocket-Version, use 13\n");
        assert_eq!(service.shared.admission.connections(), 0);
    }
}

#[tokio::test]
async fn c07_a_full_relay_answers_503_before_it_looks_at_the_headers() {
    let service = service(Config::default().max_connections(2));
    assert_eq!(answer(&service, upgrade("/v1/server")).status(), 101);
    assert_eq!(answer(&service, upgrade("/v1/client")).status(), 101);
    for request in [upgrade("/v1/client"), get("/v1/client"), get("/v1/server")] {
        assert_text(answer(&service, request), 503, "\n");
    }
    assert_eq!(answer(&service, get("/healthz")).status(), 200);
    assert_eq!(answer(&service, get("/nowhere")).status(), 404);
    eventually(|| service.shared.admission.connections() == 0).await;
    assert_eq!(answer(&service, upgrade("/v1/client")).status(), 101);
}

/// It holds no slot, so nothing else bounds how many of it stay connected.
#[tokio::test]
async fn who_is_turned_away_is_hung_up_on() {
    let limit = RateLimit {
        burst: 2,
        refill: Duration::MAX,
        max_clients: 10,
    };
    let service = service(Config::default().max_connections(1).rate_limit(Some(limit)));
    assert_eq!(answer(&service, upgrade("/v1/server")).status(), 101);
    for status in [503, 429] {
        let turned_away = answer(&service, upgrade("/v1/client"));
        assert_eq!(turned_away.status(), status);
        assert_eq!(header(&turned_away, CONNECTION), "close");
        assert!(turned_away.headers().contains_key(RETRY_AFTER));
    }
}

#[tokio::test]
async fn a_draining_relay_answers_503_before_anything_else() {
    let stop: fn(&RelayService) = |service| service.stop_accepting();
    let drain: fn(&RelayService) = |service| service.shared.registry.begin_drain();
    for stop in [stop, drain] {
        let service = service(Config::default());
        stop(&service);
        for request in [
            upgrade("/v1/server"),
            upgrade("/v1/client"),
            get("/v1/client"),
        ] {
            assert_text(answer(&service, request), 503, "\n");
        }
        assert_eq!(service.shared.admission.connections(), 0);
        service.stop_accepting();
        service.closed().await;
    }
}

#[tokio::test]
async fn a_hyper_service_answers_the_same() {
    let service = service(Config::default());
    let request = get("/nowhere").body(()).unwrap();
    let peer = service.for_peer(remote());
    let answered = hyper::service::Service::call(&peer, request).await;
    let Ok(answered) = answered;
    assert_text(answered, 404, "404 page not found\n");
}

//! What is read off a reply's head, and how a call without a reply is told, on real sockets.

use rustls::ServerConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

#[test]
fn retry_after_is_seconds_or_a_date() {
    let calendar = httpdate::parse_http_date("Sun, 22 Nov 2026 09:00:00 GMT").unwrap();
    for (text, seconds) in [
        ("0", Some(0)),
        (" 7 ", Some(7)),
        ("Sun, 22 Nov 2026 09:00:20 GMT", Some(20)),
        ("Sun, 22 Nov 2026 08:00:00 GMT", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("+7", None),
        ("", None),
        ("99999999999999999999999", Some(u64::MAX)),
    ] {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(retry_after(&headers, calendar), expected, "{text}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), calendar), None);
}

fn client(call_timeout: Duration) -> HttpClient {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    HttpClient::new(Trust::Nobody, call_timeout, tasks, stop).unwrap()
}

/// Calls a server that serves one connection with `serve`; at most 8 bytes of reply are wanted.
async fn call<F: Future<Output = ()>>(
    scheme: &str,
    client: HttpClient,
    serve: impl FnOnce(TcpStream) -> F,
) -> Result<(StatusCode, Option<Vec<u8>>), CallError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut request = Request::new(Full::default());
    *request.uri_mut() = format!("{scheme}://localhost:{port}/").parse().unwrap();
    let serving = async {
        serve(listener.accept().await.unwrap().0).await;
        std::future::pending().await
    };
    tokio::select! {
        reply = client.call(request, 8) => reply.map(|reply| (reply.status, reply.body)),
        never = serving => never,
    }
}

/// Answers with these bytes and keeps the connection.
async fn answer(bytes: &str) -> Result<(StatusCode, Option<Vec<u8>>), CallError> {
    call(
        "http",
        client(Duration::from_millis(500)),
        async |mut stream| {
            let mut head = [0; 1024];
            assert_ne!(stream.read(&mut head).await.unwrap(), 0);
            stream.write_all(bytes.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        },
    )
    .await
}

#[tokio::test]
async fn a_reply_is_read_up_to_its_bound_and_its_time() {
    let body = |body: &[u8]| Ok((StatusCode::OK, Some(body.to_vec())));
    let no_body = Ok((StatusCode::OK, None));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: ";
    assert_eq!(
        answer(&format!("{head}8\r\n\r\n12345678")).await,
        body(b"12345678")
    );
    assert_eq!(answer(&format!("{head}9\r\n\r\n123456789")).await, no_body);
    assert_eq!(
        answer(&format!("{head}8\r\n\r\n1234")).await,
        no_body,
        "in time"
    );
    assert_eq!(answer("HTTP/1.1 200 OK").await, Err(CallError::TimedOut));
    assert_eq!(answer("SSH-2.0-x\r\n\r\n").await, Err(CallError::Broken));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told_as_such() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let reply = call("https", client(Duration::from_secs(10)), async |stream| {
        acceptor.accept(stream).await.unwrap_err();
    });
    assert_eq!(reply.await, Err(CallError::Certificate));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_no_connection() {
    let reply = call(
        "https",
        client(Duration::from_secs(10)),
        async |mut stream| {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        },
    );
    assert_eq!(reply.await, Err(CallError::Connect(None)));
}

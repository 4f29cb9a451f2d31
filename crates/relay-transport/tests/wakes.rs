//! A binary's wake requests on a real socket: who gets them, what is logged, and that nothing else is disturbed.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::io;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use relay_core::{Limits, Registry, ServerId, WakeRefused, WakeSink};
use relay_transport::{Server, ServerBuilder};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tracing_subscriber::fmt::MakeWriter;

type Peer = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Remembers what it is given; refuses requests that hold the word `refuse`.
#[derive(Default)]
struct Recorder(Mutex<Vec<(Vec<u8>, String)>>);

impl WakeSink for Recorder {
    fn wake(&self, server_id: &ServerId, raw: &[u8]) -> Result<(), WakeRefused> {
        let raw = String::from_utf8(raw.to_vec()).unwrap();
        if raw.contains("refuse") {
            return Err(WakeRefused::QueueFull);
        }
        let server_id = server_id.as_bytes().to_vec();
        self.0.lock().unwrap().push((server_id, raw));
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// The lines of one event. The test's runtime has one thread, so this thread's subscriber sees them all.
    fn lines(&self, event: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(event));
        lines.map(str::to_owned).collect()
    }
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn capture() -> (Logs, tracing::subscriber::DefaultGuard) {
    let logs = Logs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(logs.clone())
        .finish();
    (logs, tracing::subscriber::set_default(subscriber))
}

async fn serve(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    change(ServerBuilder::new(Registry::new(Limits::default())))
        .bind("127.0.0.1:0")
        .await
        .unwrap()
        .serve()
}

async fn connect(server: &Server, path: &str, second: &str) -> Peer {
    let url = format!("ws://{}{path}", server.local_addr());
    let mut request = url.into_client_request().unwrap();
    for (name, value) in [
        ("x-pyrycode-server", "s"),
        (second, "1"),
        ("user-agent", "test"),
    ] {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    Box::pin(connect_async(request)).await.unwrap().0
}

async fn pair(server: &Server) -> (Peer, Peer, String) {
    let mut binary = connect(server, "/v1/server", "x-pyrycode-version").await;
    // The 101 is answered before the claim: the answer to a ping is not.
    binary.send(Message::Ping("x".into())).await.unwrap();
    binary.next().await.unwrap().unwrap();
    let mut phone = connect(server, "/v1/client", "x-pyrycode-token").await;
    phone.send("{}".into()).await.unwrap();
    let hello = binary.next().await.unwrap().unwrap().into_text().unwrap();
    let hello: serde_json::Value = serde_json::from_str(&hello).unwrap();
    let conn_id = hello["conn_id"].as_str().unwrap().to_owned();
    (binary, phone, conn_id)
}

/// Sends `messages`, and then a frame that has to come through: everything before it is handled then.
async fn send(binary: &mut Peer, phone: &mut Peer, conn_id: &str, messages: &[&str]) {
    for message in messages {
        binary.send((*message).into()).await.unwrap();
    }
    let last = format!(r#"{{"conn_id":"{conn_id}","frame":"last"}}"#);
    binary.send(last.into()).await.unwrap();
    assert_eq!(phone.next().await.unwrap().unwrap(), r#""last""#.into());
}

#[tokio::test]
async fn c47_without_a_sink_push_is_off() {
    let (logs, _guard) = capture();
    let server = serve(|builder| builder).await;
    let (mut binary, mut phone, conn_id) = pair(&server).await;
    let wake = r#"{"push_wake":{"platform":"fcm","token":"MARKER"}}"#;
    send(&mut binary, &mut phone, &conn_id, &[wake]).await;
    let lines = logs.lines("binary_forwarder_push_wake_dropped");
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(line.contains(" WARN "), "{line}");
    assert!(line.contains("relay: push is off"), "{line}");
    assert!(line.contains("server_id=\"s\""), "{line}");
    assert_eq!(logs.lines("MARKER"), [""; 0]);
}

#[tokio::test]
async fn c37_a_wake_goes_to_the_sink_and_frames_go_on() {
    let (logs, _guard) = capture();
    let sink = Arc::new(Recorder::default());
    let server = serve(|builder| builder.wakes(Arc::clone(&sink) as Arc<dyn WakeSink>)).await;
    let (mut binary, mut phone, conn_id) = pair(&server).await;
    let messages = [
        r#"{"push_wake": {"any": "MARKER"} ,"frame":1}"#,
        r#"{"push_wake":5}"#,
        r#"{"push_wake":"refuse"}"#,
    ];
    send(&mut binary, &mut phone, &conn_id, &messages).await;
    let expected = [r#"{"any": "MARKER"}"#, "5"].map(|raw| (b"s".to_vec(), raw.to_owned()));
    assert_eq!(*sink.0.lock().unwrap(), expected);
    let lines = logs.lines("binary_forwarder_push_wake_dropped");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("relay: push_wake queue is full"));
    assert_eq!(logs.lines("MARKER"), [""; 0]);
}

#[tokio::test]
async fn c50_o60_beside_a_conn_id_a_wake_means_nothing() {
    let (logs, _guard) = capture();
    let sink = Arc::new(Recorder::default());
    let server = serve(|builder| builder.wakes(Arc::clone(&sink) as Arc<dyn WakeSink>)).await;
    let (mut binary, mut phone, conn_id) = pair(&server).await;
    let both = format!(r#"{{"conn_id":"{conn_id}","frame":1,"push_wake":5}}"#);
    binary.send(both.into()).await.unwrap();
    assert_eq!(phone.next().await.unwrap().unwrap(), "1".into());
    send(
        &mut binary,
        &mut phone,
        &conn_id,
        &[r#"{"push_wake":null}"#],
    )
    .await;
    assert!(sink.0.lock().unwrap().is_empty());
    assert_eq!(logs.lines("push_wake_dropped"), [""; 0]);
}

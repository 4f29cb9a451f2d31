//! Connections in memory on a paused clock; and, on sockets, who may stay.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: page\r\n\r\n";
const BODY: &str = "hello";

struct Hello;

impl Page for Hello {
    fn name(&self) -> &'static str {
        "hello"
    }

    fn answer(&self, _: &Request<Incoming>) -> Response<ResponseBody> {
        Response::new(BODY.into())
    }

    fn max_connections(&self) -> usize {
        4
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let result = timeout(Duration::from_secs(1_000), future).await;
    result.expect("nothing takes that long")
}

/// Asks once more; the head of the answer.
async fn ask(stream: &mut (impl Io + 'static)) -> String {
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(REQUEST).await.unwrap();
        while !answer.ends_with(BODY.as_bytes()) {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    };
    in_time(exchange).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

struct Client {
    stream: DuplexStream,
    connected: Instant,
    over: CancellationToken,
    _serving: JoinSet<()>,
}

impl Client {
    fn connect(stay: Stay) -> Self {
        let (stream, served) = duplex(4096);
        let (connected, over) = (clock::now(), CancellationToken::new());
        let mut serving = JoinSet::new();
        serving.spawn(serve(
            served,
            connected,
            Arc::new(Hello),
            stay,
            over.clone(),
        ));
        Self {
            stream,
            connected,
            over,
            _serving: serving,
        }
    }

    async fn at(&self, s: u64) {
        sleep_until((self.connected + Duration::from_secs(s)).into()).await;
    }

    /// Seconds since the connect at which the page hangs up, having said nothing more.
    async fn hung_up_on_at(mut self) -> u64 {
        let mut rest = Vec::new();
        in_time(self.stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
        (clock::now() - self.connected).as_secs()
    }
}

#[tokio::test(start_paused = true)]
async fn o46_silence_and_half_a_head_have_5_seconds() {
    let client = Client::connect(Stay::ForFurtherRequests);
    assert_eq!(client.hung_up_on_at().await, 5);
    let mut client = Client::connect(Stay::ForFurtherRequests);
    client.at(3).await;
    client.stream.write_all(&REQUEST[..9]).await.unwrap();
    assert_eq!(client.hung_up_on_at().await, 5);
}

#[tokio::test(start_paused = true)]
async fn o46_an_answered_connection_may_be_idle_for_120_seconds() {
    let mut client = Client::connect(Stay::ForFurtherRequests);
    ask(&mut client.stream).await;
    client.at(119).await;
    ask(&mut client.stream).await;
    assert_eq!(client.hung_up_on_at().await, 119 + 120);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let mut client = Client::connect(Stay::ForFurtherRequests);
    ask(&mut client.stream).await;
    client.at(7).await;
    client.over.cancel();
    assert_eq!(client.hung_up_on_at().await, 7);
}

#[tokio::test(start_paused = true)]
async fn where_it_is_crowded_an_answer_is_the_last_one_and_says_so() {
    let mut client = Client::connect(Stay::ForOneAnswer);
    let answer = ask(&mut client.stream).await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(client.hung_up_on_at().await, 0);
}

#[tokio::test]
async fn half_of_the_places_cannot_be_idled_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = BoundPage::new(listener).unwrap().serve(Arc::new(Hello));
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        assert!(!ask(&mut stream).await.contains("connection: close"));
        idle.push(stream);
    }
    for _ in 0..5 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        assert!(ask(&mut stream).await.contains("connection: close"));
        assert_eq!(in_time(stream.read_u8()).await.ok(), None);
    }
    for stream in &mut idle {
        ask(stream).await;
    }
    server.stop_accepting();
    in_time(server.closed()).await;
}

struct Faulty;

impl Page for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn answer(&self, _: &Request<Incoming>) -> Response<ResponseBody> {
        Response::new(ResponseBody::from(String::new()))
    }

    fn max_connections(&self) -> usize {
        panic!("a fault")
    }
}

#[tokio::test]
async fn an_accepting_task_that_panics_is_told_however_often_it_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = BoundPage::new(listener).unwrap().serve(Arc::new(Faulty));
    for _ in 0..2 {
        assert!(matches!(server.failed().await, ListenerError::Ended));
    }
}

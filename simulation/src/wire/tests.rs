//! The network does what TCP does, where the relay's care is about that.

use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

const LINK: Link = Link {
    delay_ms: (0, 0),
    piece: 1 << 20,
    window: 8,
    narrow: None,
    cuts: 0,
    hesitates: 0,
    holds_back: false,
};

fn connect(link: Link) -> (Arc<Wire>, End, End) {
    Wire::connect(link, 7, Clock::start())
}

async fn write(end: &mut End, bytes: &[u8]) -> Option<std::io::Result<usize>> {
    poll(|cx| std::pin::Pin::new(&mut *end).poll_write(cx, bytes)).await
}

/// The bytes there are, none at the end of the stream; `None` if one has to wait.
async fn read(end: &mut End) -> Option<std::io::Result<Vec<u8>>> {
    let mut bytes = [0; 64];
    let mut buf = ReadBuf::new(&mut bytes);
    let read = poll(|cx| std::pin::Pin::new(&mut *end).poll_read(cx, &mut buf)).await?;
    Some(read.map(|()| buf.filled().to_vec()))
}

async fn poll<T>(mut poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<T>) -> Option<T> {
    std::future::poll_fn(|cx| {
        Poll::Ready(match poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_full_window_has_to_be_waited_for() {
    let (_, mut relay, mut peer) = connect(LINK);
    assert_eq!(write(&mut peer, b"0123456789").await.unwrap().unwrap(), 8);
    assert!(write(&mut peer, b"89").await.is_none());
    assert_eq!(read(&mut relay).await.unwrap().unwrap(), b"01234567");
    assert_eq!(write(&mut peer, b"89").await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_under_way_for_their_time() {
    let link = Link {
        delay_ms: (30, 30),
        ..LINK
    };
    let (_, mut relay, mut peer) = connect(link);
    write(&mut relay, b"late").await.unwrap().unwrap();
    drop(relay);
    assert!(read(&mut peer).await.is_none());
    tokio::time::advance(Duration::from_millis(30)).await;
    assert_eq!(read(&mut peer).await.unwrap().unwrap(), b"late");
    assert_eq!(read(&mut peer).await.unwrap().unwrap(), b"");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_needs_a_flush() {
    let link = Link {
        holds_back: true,
        ..LINK
    };
    let (_, mut relay, mut peer) = connect(link);
    write(&mut relay, b"held").await.unwrap().unwrap();
    assert!(read(&mut peer).await.is_none());
    let flush = poll(|cx| std::pin::Pin::new(&mut relay).poll_flush(cx)).await;
    flush.unwrap().unwrap();
    assert_eq!(read(&mut peer).await.unwrap().unwrap(), b"held");
}

#[tokio::test(start_paused = true)]
async fn dropping_an_end_with_unread_bytes_takes_along_what_it_wrote() {
    for is_unread in [false, true] {
        let (_, mut relay, mut peer) = connect(LINK);
        write(&mut relay, b"close").await.unwrap().unwrap();
        if is_unread {
            write(&mut peer, b"more").await.unwrap().unwrap();
        }
        drop(relay);
        let read = read(&mut peer).await.unwrap();
        assert_eq!(read.ok(), (!is_unread).then(|| b"close".to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_vanishes_is_not_seen_to_leave() {
    for (void, taken) in [(Void::Swallows, 100), (Void::Fills, 8)] {
        let (wire, mut relay, peer) = connect(LINK);
        peer.vanish(void);
        drop(peer);
        assert!(read(&mut relay).await.is_none());
        assert_eq!(write(&mut relay, &[0; 100]).await.unwrap().unwrap(), taken);
        assert_eq!(wire.relay_left(), None);
    }
}

//! The limit: bytes from one socket to another, with no WebSocket, no JSON and no account of anything.
//!
//! One phone to a server: each direction is read and written again. Several phones to a server share the daemon's
//! socket, so their bytes go into records of a length and a place; that much routing no relay can do without.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::socket;

/// Read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// Length and place, 32 bits each, before the bytes of a record.
const RECORD_HEAD: usize = 8;

/// What a connection says first: its server, its place there (0 is the daemon's), and how many phones there will be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello {
    pub(crate) server: usize,
    pub(crate) place: usize,
    pub(crate) phones: usize,
}

impl Hello {
    const BYTES: usize = 12;

    pub(crate) fn dial(self, target: SocketAddr, number: usize) -> anyhow::Result<StdStream> {
        let mut stream = socket::connect(target, number)?;
        let mut hello = [0; Self::BYTES];
        let fields = [self.server, self.place, self.phones];
        for (field, bytes) in fields.into_iter().zip(hello.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&(field as u32).to_be_bytes());
        }
        stream.write_all(&hello)?;
        Ok(stream)
    }

    async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        Ok(Self {
            server: stream.read_u32().await? as usize,
            place: stream.read_u32().await? as usize,
            phones: stream.read_u32().await? as usize,
        })
    }
}

/// Serves until it is killed.
pub(crate) fn run(listen: SocketAddr) -> anyhow::Result<serde_json::Value> {
    // The runtime that anybody would take, and that the relay has: what is compared is the work, not the scheduler.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(accept(listen))
}

async fn accept(listen: SocketAddr) -> anyhow::Result<serde_json::Value> {
    let listener = TcpListener::bind(listen).await.context("bind")?;
    let mut tasks = JoinSet::new();
    let mut waiting: HashMap<usize, Vec<Option<TcpStream>>> = HashMap::new();
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let Ok(hello) = Hello::read(&mut stream).await else {
            // Somebody who only looked whether anybody listens.
            continue;
        };
        let places = waiting.entry(hello.server).or_default();
        places.resize_with(hello.phones + 1, || None);
        *places.get_mut(hello.place).context("place")? = Some(stream);
        if places.iter().any(Option::is_none) {
            continue;
        }
        let mut streams = waiting
            .remove(&hello.server)
            .into_iter()
            .flatten()
            .flatten();
        let daemon = streams.next().context("a daemon")?;
        let mut phones: Vec<_> = streams.collect();
        if phones.len() == 1
            && let Some(phone) = phones.pop()
        {
            let ((from, to), (back_from, back_to)) = (daemon.into_split(), phone.into_split());
            tasks.spawn(copy(from, back_to));
            tasks.spawn(copy(back_from, to));
        } else {
            share(&mut tasks, daemon, phones);
        }
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// What phones have for their daemon, gathered while a write is under way.
#[derive(Default)]
struct Shared {
    queue: Mutex<Vec<u8>>,
    filled: Notify,
}

fn share(tasks: &mut JoinSet<io::Result<()>>, daemon: TcpStream, phones: Vec<TcpStream>) {
    let shared = Arc::new(Shared::default());
    let (from, to) = daemon.into_split();
    let mut sinks = Vec::new();
    for (place, phone) in phones.into_iter().enumerate() {
        let (reader, writer) = phone.into_split();
        sinks.push(writer);
        tasks.spawn(gather(reader, place, Arc::clone(&shared)));
    }
    tasks.spawn(flush(to, shared));
    tasks.spawn(scatter(from, sinks));
}

async fn gather(mut phone: OwnedReadHalf, place: usize, shared: Arc<Shared>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = phone.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        {
            let mut queue = shared.queue.lock().expect("nobody panics with it");
            queue.extend_from_slice(&(read as u32).to_be_bytes());
            queue.extend_from_slice(&(place as u32).to_be_bytes());
            queue.extend_from_slice(&buffer[..read]);
        }
        shared.filled.notify_one();
    }
}

async fn flush(mut daemon: OwnedWriteHalf, shared: Arc<Shared>) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        shared.filled.notified().await;
        std::mem::swap(
            &mut batch,
            &mut shared.queue.lock().expect("nobody panics with it"),
        );
        daemon.write_all(&batch).await?;
        batch.clear();
    }
}

/// Takes records apart; what one read holds for a phone goes out in one write.
async fn scatter(mut daemon: OwnedReadHalf, mut phones: Vec<OwnedWriteHalf>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    let mut batches = vec![Vec::new(); phones.len()];
    loop {
        let read = daemon.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let taken = split(&buffer[..filled], &mut batches)?;
        for (batch, phone) in batches.iter_mut().zip(&mut phones) {
            if !batch.is_empty() {
                phone.write_all(batch).await?;
                batch.clear();
            }
        }
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
        // A record is what one read took, so it can be as large as the buffer, and its head comes on top.
        if filled == buffer.len() {
            buffer.resize(2 * BUFFER_BYTES, 0);
        }
    }
}

fn split(bytes: &[u8], batches: &mut [Vec<u8>]) -> io::Result<usize> {
    let mut rest = bytes;
    while let Some((head, body)) = rest.split_first_chunk::<RECORD_HEAD>() {
        let [a, b, c, d, place @ ..] = *head;
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((record, after)) = body.split_at_checked(len) else {
            break;
        };
        let place = u32::from_be_bytes(place) as usize;
        let batch = batches.get_mut(place).ok_or(io::ErrorKind::InvalidData)?;
        batch.extend_from_slice(record);
        rest = after;
    }
    Ok(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_to_their_phones_and_a_part_of_one_waits() {
        let mut bytes = Vec::new();
        for (place, text) in [(1_u32, "ab"), (0, "c"), (1, "d")] {
            bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&place.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        let mut batches = vec![Vec::new(); 2];
        let taken = split(&bytes[..bytes.len() - 1], &mut batches).unwrap();
        assert_eq!(taken, 2 * RECORD_HEAD + 3);
        assert_eq!(batches, [b"c".to_vec(), b"ab".to_vec()]);
        assert!(split(&bytes[..10], &mut batches[..1]).is_err());
    }
}

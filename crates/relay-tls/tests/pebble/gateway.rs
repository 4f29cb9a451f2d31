//! A TCP proxy in front of the authority that counts connections, and can pretend that there is no authority.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// # Drop
/// The proxy ends, and what went through it.
pub(crate) struct Gateway {
    port: u16,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    connections: AtomicUsize,
    is_open: AtomicBool,
    /// Changes end every connection.
    epoch: watch::Sender<u64>,
}

impl Gateway {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            connections: AtomicUsize::new(0),
            is_open: AtomicBool::new(true),
            epoch: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&state)));
        Self {
            port,
            state,
            _tasks: tasks,
        }
    }

    pub(crate) fn directory_url(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// Connections so far, refused ones included.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn set_open(&self, is_open: bool) {
        self.state.is_open.store(is_open, Ordering::SeqCst);
        self.state.epoch.send_modify(|epoch| *epoch += 1);
    }
}

async fn accept(listener: TcpListener, target: u16, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let mut epoch = state.epoch.subscribe();
        if !state.is_open.load(Ordering::SeqCst) {
            continue;
        }
        connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = epoch.changed() => {}
            }
        });
    }
}

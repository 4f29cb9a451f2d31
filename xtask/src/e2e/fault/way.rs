//! One direction of a proxied connection: carries bytes as its plan says. Knows nothing of what they mean.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval, timeout_at};

use super::plan::{Fault, Plan};
use crate::clock;

/// Bytes that one read may take, so that a slow receiver is felt by the sender.
const MAX_READ: usize = 64 * 1024;

/// Bytes that may be under way in a delay.
const MAX_DELAYED: usize = 4 * 1024 * 1024;

/// A plan, and which one in a row it is.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    number: u64,
    plan: Plan,
}

/// The handle of a direction.
#[derive(Debug)]
pub(in crate::e2e) struct Way {
    orders: watch::Sender<Order>,
    in_force: watch::Receiver<u64>,
}

/// What carries out the orders of a [`Way`].
#[derive(Debug)]
pub(super) struct Carrier {
    orders: watch::Receiver<Order>,
    in_force: watch::Sender<u64>,
    plan: Plan,
    /// Bytes that have passed under this plan.
    passed: u64,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// The sender has ended its stream.
    is_ended: bool,
    pace: Option<Interval>,
}

/// Bytes read and not yet passed on.
#[derive(Debug)]
struct Held {
    due: Option<Instant>,
    bytes: Vec<u8>,
}

/// How a direction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The sender has ended its stream, and the receiver was told.
    InOrder,
    /// By plan: both sides are to see the end of the stream.
    Cleanly,
    /// By plan, or because one side was lost: both sides are to see a reset.
    Abruptly,
}

/// The two ends of a direction that passes everything at first.
pub(super) fn way() -> (Way, Carrier) {
    let (orders, ordered) = watch::channel(Order::default());
    let (force, in_force) = watch::channel(0);
    let carrier = Carrier {
        orders: ordered,
        in_force: force,
        plan: Plan::default(),
        passed: 0,
        held: VecDeque::new(),
        held_bytes: 0,
        is_ended: false,
        pace: None,
    };
    (Way { orders, in_force }, carrier)
}

impl Way {
    /// Replaces the plan, and returns once it is in force or the connection is over.
    pub(in crate::e2e) async fn set(&self, plan: impl Into<Plan>) {
        let number = self.orders.borrow().number + 1;
        let plan = plan.into();
        self.orders.send_replace(Order { number, plan });
        // An error means that the connection is over.
        let _ = self.in_force.clone().wait_for(|done| *done >= number).await;
    }
}

impl Carrier {
    /// Carries bytes until the stream or the plan ends it.
    pub(super) async fn run(mut self, from: &TcpStream, to: &TcpStream) -> Ended {
        loop {
            self.take_order();
            let carried = match self.plan.at(self.passed) {
                Fault::Pass => self.carry(from, to, MAX_READ, MAX_READ, None).await,
                Fault::Delay(delay) => {
                    self.carry(from, to, MAX_READ, MAX_DELAYED, Some(delay))
                        .await
                }
                Fault::Dribble { bytes, every } => {
                    if self.pace.as_ref().is_none_or(|pace| pace.period() != every) {
                        self.pace = Some(interval(every));
                    }
                    self.carry(from, to, bytes, bytes, None).await
                }
                Fault::Freeze => {
                    changed(&mut self.orders).await;
                    continue;
                }
                Fault::Discard => {
                    self.discard(from).await;
                    continue;
                }
                Fault::End => return Ended::Cleanly,
                Fault::Reset => return Ended::Abruptly,
            };
            match carried {
                Ok(true) => {}
                Ok(false) => return Ended::InOrder,
                Err(_lost) => return Ended::Abruptly,
            }
        }
    }

    fn take_order(&mut self) {
        let Order { number, plan } = *self.orders.borrow_and_update();
        if *self.in_force.borrow() != number {
            self.plan = plan;
            self.passed = 0;
            self.pace = None;
            self.in_force.send_replace(number);
        }
    }

    /// One step: reads up to `max_read` bytes while fewer than `max_held` are held, or passes some on.
    /// False when everything was passed on, the end included.
    async fn carry(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        max_read: usize,
        max_held: usize,
        delay: Option<Duration>,
    ) -> io::Result<bool> {
        let room = max_held.saturating_sub(self.held_bytes).min(max_read);
        let paced = matches!(self.plan.at(self.passed), Fault::Dribble { .. });
        let most = max_read.min(self.plan.until_turn(self.passed));
        let writes = async {
            match self.held.front() {
                Some(front) => {
                    if let Some(due) = front.due {
                        // The future is never ready: what ends is the time.
                        let _ = timeout_at(due, pending::<()>()).await;
                    }
                    if let Some(pace) = self.pace.as_mut().filter(|_| paced) {
                        pace.tick().await;
                    }
                    write(to, &front.bytes[..most.min(front.bytes.len())]).await
                }
                None if self.is_ended => Ok(0),
                None => pending().await,
            }
        };
        tokio::select! {
            () = changed(&mut self.orders) => {}
            bytes = read(from, room), if !self.is_ended && room > 0 => {
                let bytes = bytes?;
                self.is_ended = bytes.is_empty();
                self.held_bytes += bytes.len();
                let due = delay.map(clock::after);
                self.held.extend((!bytes.is_empty()).then_some(Held { due, bytes }));
            }
            written = writes => {
                let written = written?;
                self.passed += written as u64;
                self.held_bytes -= written;
                let Some(front) = self.held.front_mut() else {
                    socket2::SockRef::from(to).shutdown(std::net::Shutdown::Write)?;
                    return Ok(false);
                };
                front.bytes.drain(..written);
                if front.bytes.is_empty() {
                    self.held.pop_front();
                }
            }
        }
        Ok(true)
    }

    /// Takes in bytes until the next order.
    async fn discard(&mut self, from: &TcpStream) {
        self.held.clear();
        self.held_bytes = 0;
        tokio::select! {
            () = changed(&mut self.orders) => {}
            bytes = read(from, MAX_READ), if !self.is_ended => {
                // An end, or a loss, stays between the sender and us.
                self.is_ended = bytes.map_or(true, |bytes| bytes.is_empty());
            }
        }
    }
}

/// The next order; nobody gives any once the handle is dropped.
async fn changed(orders: &mut watch::Receiver<Order>) {
    if orders.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// Some bytes; none at the end of the stream. Cancel safe.
async fn read(from: &TcpStream, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    loop {
        from.readable().await?;
        match from.try_read(&mut bytes) {
            Ok(length) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// How many bytes were taken. Cancel safe.
async fn write(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        to.writable().await?;
        match to.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

//! The two kinds of leg as the registry knows them: a binary with its routes, a phone with its way to the binary.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::close::Close;
use crate::id::ConnIdHasher;
use crate::outbox::{Direction, Outbox, Refused};
use crate::stats::Accounts;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Notified, Notify};
use crate::{ConnId, Origin, ServerId, envelope};

/// A binary's connection. Its phones hang off it, so that a frame can only ever reach the binary its phone joined.
#[derive(Debug)]
pub(crate) struct BinaryLeg {
    pub(crate) server_id: ServerId,
    /// Tells this connection from every other under the same id: timers and takeovers act on it alone.
    pub(crate) seq: u64,
    pub(crate) origin: Origin,
    pub(crate) outbox: Outbox,
    pub(crate) routes: Mutex<HashMap<ConnId, Route, BuildHasherDefault<ConnIdHasher>>>,
    pub(crate) signs: Signs,
}

/// A registered phone, and whether its end is still to be told.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) phone: Arc<PhoneLeg>,
    pub(crate) notice: Notice,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    Due,
    /// The binary asked for the close itself.
    Waived,
    /// A drain told it already.
    Given,
}

/// A phone's connection.
#[derive(Debug)]
pub(crate) struct PhoneLeg {
    pub(crate) conn_id: ConnId,
    pub(crate) outbox: Outbox,
    pub(crate) binary: Arc<BinaryLeg>,
    /// `{"conn_id":"…","frame":`, made once.
    pub(crate) prefix: Box<[u8]>,
}

/// Signs of life of a binary, counted only while somebody probes it.
#[derive(Default, Debug)]
pub(crate) struct Signs {
    probes: AtomicUsize,
    seen: AtomicU64,
    changed: Notify,
}

impl BinaryLeg {
    pub(crate) fn new(
        server_id: ServerId,
        seq: u64,
        origin: Origin,
        accounts: &Arc<Accounts>,
    ) -> Self {
        Self {
            server_id,
            seq,
            origin,
            outbox: Outbox::new(Arc::clone(accounts), Direction::ToBinary),
            routes: Mutex::default(),
            signs: Signs::default(),
        }
    }

    /// Tells the binary of every phone's end, then its own: nothing gets between or behind.
    pub(crate) fn drain(&self, close: Close) {
        let mut routes = self.routes.lock();
        let mut due: Vec<&mut Route> = routes
            .values_mut()
            .filter(|route| route.notice == Notice::Due)
            .collect();
        let code = close.code.get();
        let notices = due
            .iter()
            .map(|route| envelope::notice(&route.phone.conn_id.to_string(), code));
        if self.outbox.close_after(close, notices) {
            due.iter_mut()
                .for_each(|route| route.notice = Notice::Given);
        }
    }

    /// Unregisters every phone and returns them, to be closed by the caller outside its locks.
    pub(crate) fn take_phones(&self) -> Vec<Arc<PhoneLeg>> {
        let routes = std::mem::take(&mut *self.routes.lock());
        routes.into_values().map(|route| route.phone).collect()
    }

    pub(crate) fn notify(&self, conn_id: ConnId, code: u16) -> Result<(), Refused> {
        self.outbox
            .push_notice(&envelope::notice(&conn_id.to_string(), code))
    }
}

impl Signs {
    /// Notes an inbound byte. One relaxed load unless a probe is on.
    pub(crate) fn heard(&self) {
        if self.probes.load(Ordering::Relaxed) > 0 {
            self.seen.fetch_add(1, Ordering::Relaxed);
            self.changed.notify_waiters();
        }
    }

    /// Wakes probes so that they look at the leg again.
    pub(crate) fn gone(&self) {
        self.changed.notify_waiters();
    }

    pub(crate) fn watch(&self) -> Watch<'_> {
        self.probes.fetch_add(1, Ordering::Relaxed);
        Watch {
            signs: self,
            before: self.seen.load(Ordering::Relaxed),
        }
    }
}

/// A probe's view of [`Signs`], from its start on.
pub(crate) struct Watch<'a> {
    signs: &'a Signs,
    before: u64,
}

impl Watch<'_> {
    pub(crate) fn has_heard(&self) -> bool {
        self.signs.seen.load(Ordering::Relaxed) != self.before
    }

    pub(crate) fn changed(&self) -> Notified<'_> {
        self.signs.changed.notified()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.signs.probes.fetch_sub(1, Ordering::Relaxed);
    }
}

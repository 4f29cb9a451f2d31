//! From the first accept to the reason to end: signals, a listener's death, certificates, a successor.

use futures_util::Stream;
use tracing::{error, info, warn};

use super::bound::Serving;
use super::next;
use crate::signals::Signal;
use crate::supervisor::Supervisor;
use crate::tls_mode::Upkeep;
use crate::upgrade::{Program, Successor, UpgradeError};

/// What is looked after while the relay serves.
pub(super) struct Reign<'s> {
    pub(super) serving: &'s Serving,
    pub(super) supervisor: &'s Supervisor,
    pub(super) program: Option<&'s Program>,
    pub(super) upkeep: &'s mut Upkeep,
    /// One that does not serve yet; killed when something else ends this process.
    pub(super) successor: Option<Successor>,
}

/// Why it is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Somebody asked for that.
    Stopped,
    /// Nobody can come in any more.
    ListenerFailed,
    /// Another process serves.
    Succeeded {
        /// Which.
        pid: u32,
    },
}

impl Reign<'_> {
    /// Keeps certificates up to date meanwhile.
    pub(super) async fn until_over(
        &mut self,
        signals: &mut (impl Stream<Item = Signal> + Unpin),
    ) -> End {
        loop {
            tokio::select! {
                signal = next(signals) => match signal {
                    Signal::Stop => {
                        info!("shutdown signal received; draining");
                        return End::Stopped;
                    }
                    Signal::Reload => self.reload(),
                    Signal::Upgrade => self.upgrade(),
                },
                () = self.serving.listener_failed() => {
                    error!("listener error; draining");
                    return End::ListenerFailed;
                }
                served = served(&mut self.successor) => {
                    if let Some(end) = self.succeeded(served) {
                        return end;
                    }
                }
                never = self.upkeep.run() => match never {},
            }
        }
    }

    fn reload(&mut self) {
        self.supervisor.reloading();
        self.upkeep.reload();
        self.supervisor.ready();
    }

    fn upgrade(&mut self) {
        let (None, Some(program)) = (&self.successor, self.program) else {
            info!("upgrade not begun: one is under way, or there is no executable");
            return;
        };
        let path = program.executable.display();
        info!(%path, "upgrade begun");
        let sockets = self.serving.sockets().map_err(UpgradeError::from);
        match sockets.and_then(|sockets| Successor::start(program, sockets)) {
            Ok(successor) => self.successor = Some(successor),
            Err(err) => failed(&err),
        }
    }

    /// `None` when this process goes on.
    fn succeeded(&mut self, served: Result<(), UpgradeError>) -> Option<End> {
        let successor = self.successor.take()?;
        match (served, successor.pid()) {
            (Ok(()), Some(pid)) => {
                let duration = format!("{:.1?}", successor.age());
                info!(pid, duration, "successor serves; draining");
                Some(End::Succeeded { pid })
            }
            // It has been waited for, and so is nobody's successor.
            (Ok(()), None) => None,
            (Err(err), _) => {
                failed(&err);
                None
            }
        }
    }
}

/// Pending without a successor.
async fn served(successor: &mut Option<Successor>) -> Result<(), UpgradeError> {
    match successor {
        Some(successor) => successor.serves().await,
        None => std::future::pending().await,
    }
}

fn failed(err: &UpgradeError) {
    let err: &(dyn std::error::Error + 'static) = err;
    warn!(err, "upgrade failed; serving on");
}

//! Push wake within the process: started before anything listens, stopped when every peer is gone.

use std::sync::Arc;
use std::time::Duration;

use relay_core::WakeSink;
use relay_push::{Stats, Waker};
use tracing::{error, info};

use crate::config::{Config, Environment, credentials};
use crate::exit::Exit;

/// How long sends under way may take to be cancelled.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The waker, if there is a key.
#[derive(Clone, Debug)]
pub(crate) struct Push(Option<Arc<Waker>>);

impl Push {
    /// Starts the waker, or tells that there is none.
    pub(crate) fn start(config: &Config, environment: &Environment) -> Result<Self, Exit> {
        let key = credentials(environment).map_err(|problem| {
            problem.log();
            Exit::Config
        })?;
        let (Some(key), Some(push)) = (key, &config.push) else {
            info!("push off: PYRYCODE_RELAY_FCM_CREDENTIALS unset");
            return Ok(Self(None));
        };
        let config = relay_push::Config::default().endpoint(push.endpoint.clone());
        match Waker::start(key, &config) {
            Ok(waker) => Ok(Self(Some(Arc::new(waker)))),
            Err(err) => {
                let err: &(dyn std::error::Error + 'static) = &err;
                error!(err, "push cannot be started");
                Err(Exit::Config)
            }
        }
    }

    /// Who takes the binaries' requests.
    pub(crate) fn sink(&self) -> Option<Arc<dyn WakeSink>> {
        let waker = self.0.clone()?;
        Some(waker)
    }

    pub(crate) fn stats(&self) -> Option<Stats> {
        Some(self.0.as_ref()?.stats())
    }

    /// Cancels what is under way; each wake still gets its line.
    pub(crate) async fn stop(&self) {
        if let Some(waker) = &self.0 {
            waker.close();
            // A connection that takes longer to close is the kernel's.
            let _ = tokio::time::timeout(STOP_TIMEOUT, waker.closed()).await;
        }
    }
}

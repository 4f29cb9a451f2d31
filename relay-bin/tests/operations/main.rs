//! The operator's side of the relay, in-process: `run_in` with made-up signals and a made-up environment.
//!
//! Cases of the operations reference are named `oNN_…`.
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test reports, in its helpers too"
)]

mod autocert;
mod boot;
mod drain;
mod harness;
mod http;
mod limits;
mod metrics;
mod peers;
mod promtool;
mod push;
mod scratch;
mod tls;

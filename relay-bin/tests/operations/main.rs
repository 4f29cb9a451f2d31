//! The operator's side of the relay, in-process: `run_in` with made-up signals and a made-up environment.
//!
//! Cases of the operations reference are named `oNN_…`.
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test reports, in its helpers too"
)]

#[expect(clippy::print_stdout, reason = "tells why a test was skipped")]
#[path = "../../../crates/relay-tls/tests/pebble/authority.rs"]
mod authority;
mod autocert;
mod boot;
#[path = "../../../crates/relay-tls/tests/pebble/ca.rs"]
mod ca;
mod drain;
mod executable;
mod harness;
mod http;
mod limits;
mod metrics;
mod pebble;
mod peers;
#[path = "../../../crates/relay-tls/tests/pebble/port.rs"]
mod port;
mod promtool;
mod proxy;
mod push;
mod scratch;
mod secrets;
mod tls;

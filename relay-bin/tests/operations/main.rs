//! The operator's side of the relay, in-process: `run_in` with made-up signals and a made-up environment.
//!
//! Cases of the operations reference are named `oNN_…`.
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test reports, in its helpers too"
)]

mod activation;
#[expect(clippy::print_stdout, reason = "tells why a test was skipped")]
#[path = "../../../crates/relay-tls/tests/pebble/authority.rs"]
mod authority;
mod autocert;
mod boot;
mod boot_lines;
#[path = "../../../crates/relay-tls/tests/pebble/ca.rs"]
mod ca;
mod drain;
mod executable;
#[expect(dead_code, reason = "pebble itself is stopped here")]
#[path = "../../../crates/relay-tls/tests/pebble/gateway.rs"]
mod gateway;
#[path = "../../../crates/relay-push/tests/push/google.rs"]
mod google;
mod harness;
mod heads;
mod http;
#[path = "../../../crates/relay-push/src/testing.rs"]
mod key;
mod limits;
mod metrics;
mod page;
mod panics;
mod pebble;
mod peers;
#[path = "../../../crates/relay-tls/tests/pebble/port.rs"]
mod port;
mod prometheus;
mod promtool;
mod proxy;
mod push;
mod records;
mod refusals;
mod scratch;
mod secrets;
mod suspended;
mod tls;
mod tls_peers;
mod upgrade;
mod warnings;

//! The issuer against pebble, Let's Encrypt's ACME authority for tests (Debian package `pebble`).
//!
//! Without pebble the tests say so and pass, unless `CI=true`.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod authority;
mod ca;
mod directory;
mod full_disk;
mod gateway;
mod port;
mod relay;
mod scenarios;
mod stage;

//! Certificates from an ACME authority (RFC 8555), proven over http-01.
//!
//! [`schedule`] decides what is due, purely; [`issuer`] does it, one order at a time.

mod account;
mod bounds;
mod challenges;
mod client;
mod config;
mod failure;
mod issuer;
mod order;
mod schedule;

pub use challenges::{ChallengeReply, Challenges};
pub use config::AcmeConfig;
pub use issuer::{Issuer, IssuerError};

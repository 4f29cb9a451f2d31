//! Access to FCM by a signed assertion (RFC 7523): fetched once, kept until it runs out, asked for by one at a time.

mod access_token;
mod assertion;
mod token_source;

pub(crate) use access_token::AccessToken;
pub(crate) use token_source::TokenSource;
#[cfg(feature = "internals")]
pub(crate) use token_source::judge;

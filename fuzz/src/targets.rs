//! A file for each target; where a slow reader is needed, it is in the folder of that name.

mod cert_cache;
mod command_line;
mod envelopes;
mod frames;
mod http;
mod proxy_header;
mod push_replies;

pub(crate) use cert_cache::cert_cache;
pub(crate) use command_line::command_line;
pub(crate) use envelopes::envelopes;
pub(crate) use frames::frames;
pub(crate) use http::http;
pub(crate) use proxy_header::proxy_header;
pub(crate) use push_replies::push_replies;

//! The end of HTTP: 101 and what it leads to, or why not.

use fastwebsockets::upgrade::UpgradeFut;
use http::request::Parts;
use http::{Request, Response};

use super::response::{ResponseBody, switched};
use crate::upgrade::{self, Refusal};

/// Answers the handshake that a request is, or is not.
///
/// # Errors
/// Why not, to be answered in place of 101.
pub(crate) fn answer(mut parts: Parts) -> Result<(Response<ResponseBody>, UpgradeFut), Refusal> {
    upgrade::check_handshake(&parts)?;
    let mut request = Request::new(());
    std::mem::swap(request.headers_mut(), &mut parts.headers);
    std::mem::swap(request.extensions_mut(), &mut parts.extensions);
    match fastwebsockets::upgrade::upgrade(&mut request) {
        Ok((response, upgrading)) => Ok((switched(response), upgrading)),
        Err(_checked_before) => Err(Refusal::BadRequest("bad WebSocket handshake\n")),
    }
}

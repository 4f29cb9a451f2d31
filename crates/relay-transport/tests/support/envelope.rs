//! The envelopes of the binary's leg, written by hand: none of the relay's own codec.

/// What a binary sends to reach a phone.
pub(crate) fn deliver(conn_id: &str, frame: &str) -> String {
    format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#)
}

/// What a binary sends to close a phone.
pub(crate) fn directive(conn_id: &str, close_code: u32) -> String {
    format!(r#"{{"conn_id":"{conn_id}","close_code":{close_code}}}"#)
}

/// A frame and a close in one.
pub(crate) fn last_words(conn_id: &str, frame: &str, close_code: u32) -> String {
    format!(r#"{{"conn_id":"{conn_id}","frame":{frame},"close_code":{close_code}}}"#)
}

/// What a binary reads when a phone has sent `frame`: the same bytes in which it would answer.
pub(crate) fn routed(conn_id: &str, frame: &str) -> String {
    deliver(conn_id, frame)
}

/// What a binary reads when a phone is gone.
pub(crate) fn notice(conn_id: &str, close_code: u16) -> String {
    directive(conn_id, close_code.into())
}

/// Who sent an envelope.
pub(crate) fn conn_id(envelope: &str) -> String {
    let id = envelope
        .strip_prefix(r#"{"conn_id":""#)
        .and_then(|rest| rest.split_once('"'))
        .map(|(id, _)| id);
    match id {
        Some(id) => id.to_owned(),
        None => panic!("no envelope of the relay's: {envelope}"),
    }
}

/// The frame in an envelope; `None` for a notice.
pub(crate) fn frame(envelope: &str) -> Option<&str> {
    let (_, rest) = envelope.split_once(r#"","frame":"#)?;
    rest.strip_suffix('}')
}

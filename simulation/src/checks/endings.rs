//! How each connection ended: whoever reads sees a close frame, and whoever is silent is dropped in time.

use std::time::Duration;

use super::Scene;
use crate::ledger::{Ended, Record};
use crate::peer::Ending;
use crate::plan::Flavour;

/// A heartbeat, the silence after it, both halves of a close handshake, and the time a phone can be left unread
/// because its binary takes nothing.
const SILENT: Duration = Duration::from_secs(90);

/// From its end as the peer saw it.
pub(super) fn of_peer(scene: &Scene<'_>, record: &Record) -> Option<String> {
    record.dialed?;
    let drain_began = scene.drain_began();
    let Some((ended, at)) = record.ending else {
        return Some("never ended".to_owned());
    };
    match record.status {
        Some(101) => {}
        Some(503) if at >= drain_began => return None,
        // In the middle of its request, or in the queue, as the servers stop.
        None if at >= drain_began || !record.is_sound() => return None,
        status => return Some(format!("was answered {status:?}, and {ended:?} at {at:?}")),
    }
    if record.dialed? > drain_began {
        return Some("was let in by a relay that drains".to_owned());
    }
    if record.disturbed.is_some() {
        return None;
    }
    let was_cut = at >= drain_began && scene.plan.drain.cut_after.is_some();
    if was_cut || !record.is_quick {
        return None;
    }
    match ended {
        Ended::GaveUp => Some(format!("was forgotten at {at:?}")),
        Ended::Relay(Ending::Torn | Ending::Reset) => Some(format!("{ended:?} at {at:?}")),
        Ended::Relay(Ending::Eof) if record.close.is_none() => {
            Some(format!("read no close frame before its end at {at:?}"))
        }
        Ended::Relay(Ending::Eof) | Ended::Left | Ended::Vanished => None,
    }
}

/// From its end as the relay made it.
pub(super) fn of_relay(_: &Scene<'_>, record: &Record) -> Option<String> {
    let wire = record.wire.as_ref()?;
    let Some(dropped) = wire.relay_left() else {
        return Some("the relay still holds its connection".to_owned());
    };
    let silent = record.silent?;
    let late = dropped.saturating_sub(silent);
    (late > SILENT).then(|| format!("was dropped {late:?} after it had fallen silent"))
}

/// What a directive promises: everything before it, then its close.
pub(super) fn of_directive(scene: &Scene<'_>, me: usize) -> Option<String> {
    let phone = scene.record(me);
    let close = phone.close.as_ref()?;
    let (binary, _) = scene.ledger.owners.get(phone.conn_id.as_ref()?)?;
    let binary = scene.record(*binary);
    let conn = binary.conns.get(phone.conn_id.as_ref()?)?;
    let directive = conn.directive?;
    let was_disturbed = !phone.is_sound()
        || phone.own_close.is_some()
        || phone.not_json_after.is_some()
        || scene.plan.flavour == Flavour::Pressed
        || close.at >= scene.drain_began()
        || binary.leaving.is_some_and(|at| at <= close.at);
    if was_disturbed {
        return None;
    }
    let (code, reason) = match directive.code {
        1005 => (None, ""),
        1004 | 1006 | 7 => (Some(1011), "invalid close code"),
        code => (Some(code), ""),
    };
    if (close.code, close.reason.as_str()) != (code, reason) {
        return Some(format!("{close:?} in place of {directive:?}"));
    }
    let (got, behind) = (phone.got, directive.behind);
    if got != behind {
        return Some(format!("{got} of {behind} frames before a directive"));
    }
    conn.notice
        .map(|_| "was told of, though its binary had closed it".to_owned())
}

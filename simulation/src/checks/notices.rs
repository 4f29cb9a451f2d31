//! Who is told of whom: a binary that stays until the drain has been told of each of its phones, once.

use super::Scene;
use crate::ledger::Record;
use crate::plan::Role;

/// What binary `me` was told.
pub(super) fn told(scene: &Scene<'_>, me: usize) -> Vec<String> {
    let binary = scene.record(me);
    let mut faults = Vec::new();
    for conn in binary.conns.values() {
        let phone = scene.record(conn.phone);
        let own = phone.own_close.map(|(code, _)| code.unwrap_or(1005));
        let all = phone.not_json_after.unwrap_or(phone.sent.len());
        // By its own code the relay has read everything up to it.
        let has_read_all = conn.notice.is_some() && conn.notice == own && own != Some(1001);
        if has_read_all && phone.not_json_after.is_none() && conn.got != all {
            faults.push(format!(
                "binary {me}: {} of {all} frames of phone {} before the notice of its close",
                conn.got, conn.phone
            ));
        }
        let known = [Some(1001), own, phone.close_code()];
        if conn.notice.is_some() && !known.contains(&conn.notice) {
            let (phone, notice) = (conn.phone, conn.notice);
            faults.push(format!("binary {me}: a notice {notice:?} of phone {phone}"));
        }
    }
    if stays_until_the_drain(scene, me) {
        faults.extend(untold(scene, me));
    }
    faults
}

fn stays_until_the_drain(scene: &Scene<'_>, me: usize) -> bool {
    let binary = scene.record(me);
    let began = scene.drain_began();
    scene.has_time_to_flush(binary, me)
        && binary.close_code() == Some(1001)
        && binary.leaving.is_none_or(|at| at >= began)
        && scene.surely_holds_from(me).is_some_and(|from| from < began)
}

fn untold(scene: &Scene<'_>, me: usize) -> Vec<String> {
    let binary = scene.record(me);
    let mut faults = Vec::new();
    let untold = binary.conns.values();
    let untold = untold.filter(|conn| conn.notice.is_none() && conn.directive.is_none());
    for conn in untold {
        faults.push(format!(
            "binary {me} was never told of phone {}",
            conn.phone
        ));
    }
    let from = scene.surely_holds_from(me).unwrap_or_default();
    let (mut sure, mut possible) = (0, 0);
    for (_, phone) in scene.records() {
        let is_silent =
            phone.role == Role::Phone && phone.server == binary.server && phone.conn_id.is_none();
        if is_silent && phone.dialed.is_some() {
            possible += 1;
            sure += usize::from(is_surely_registered(scene, phone, from));
        }
    }
    let strange = binary.strange_notices.len();
    if !(sure..=possible).contains(&strange) {
        faults.push(format!(
            "binary {me} was told of {strange} phones that never spoke, of {sure} to {possible}"
        ));
    }
    faults
}

fn is_surely_registered(scene: &Scene<'_>, phone: &Record, held_from: std::time::Duration) -> bool {
    let was_refused = matches!(phone.close_code(), Some(4404 | 4429));
    // Whoever does not read may have been refused all the same.
    phone.is_sound()
        && phone.dialed.is_some_and(|at| at > held_from)
        && phone.up.is_some_and(|at| at < scene.drain_began())
        && (phone.close.is_some() || phone.own_close.is_none())
        && !was_refused
}

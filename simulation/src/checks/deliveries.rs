//! What a drain owes: every frame accepted before it reaches whoever reads, and none that was read later.

use std::time::Duration;

use super::Scene;
use crate::ledger::{Conn, Record, Sent};

/// So little that no phone was ever left unread for it.
const NEVER_WAITS: usize = 100 << 10;

/// Frames between one binary and its phones, either way.
pub(super) fn at_drain(scene: &Scene<'_>, me: usize) -> Vec<String> {
    let binary = scene.record(me);
    let sent_to_it: usize = binary
        .conns
        .values()
        .flat_map(|conn| &scene.record(conn.phone).sent)
        .map(|sent| sent.bytes + 100)
        .sum();
    let may_wait = sent_to_it > NEVER_WAITS || scene.plan.bounds.binary_high_water < 256 << 10;
    let mut faults = Vec::new();
    for conn in binary
        .conns
        .values()
        .filter(|conn| conn.directive.is_none())
    {
        let phone = scene.record(conn.phone);
        let was_ending = phone.not_json_after.is_some() || phone.own_close.is_some();
        if was_ending || !is_in_the_drain(scene, phone) {
            continue;
        }
        let at = conn.phone;
        if scene.has_time_to_flush(phone, at) {
            let accepted = accepted(&conn.sent, binary);
            faults.extend(differs(scene, "phone", at, phone.got, accepted));
        }
        if scene.has_time_to_flush(binary, me) && is_in_the_drain(scene, binary) && !may_wait {
            let Conn { got, .. } = *conn;
            let accepted = accepted(&phone.sent, phone);
            faults.extend(differs(scene, "its binary, of phone", at, got, accepted));
        }
    }
    faults
}

/// Was up when it began, and was closed by it.
fn is_in_the_drain(scene: &Scene<'_>, record: &Record) -> bool {
    let began = scene.drain_began();
    let was_up = record.up.is_some_and(|up| up < began);
    let is_closed_by_it = record
        .close
        .as_ref()
        .is_some_and(|close| close.code == Some(1001) && close.reason == "shutting down");
    was_up && is_closed_by_it
}

/// What the relay had read to the last byte as the drain began.
fn accepted(sent: &[Sent], by: &Record) -> usize {
    sent.iter()
        .filter(|sent| sent.end <= by.read_at_drain)
        .count()
}

/// In a drain that is spread a leg goes on until its turn comes.
fn differs(
    scene: &Scene<'_>,
    whom: &str,
    at: usize,
    got: usize,
    accepted: usize,
) -> Option<String> {
    let is_spread = scene.plan.drain.spread > Duration::ZERO;
    let is_well = got == accepted || (is_spread && got > accepted);
    let what = || format!("drain: {got} frames reached {whom} {at}, of {accepted} accepted");
    (!is_well).then(what)
}

//! A world in which nothing is under way any more: everything sent has arrived, and nobody is registered who is not
//! there.

use crate::ledger::{Ledger, Record};
use crate::plan::Role;
use crate::world::World;

/// Called long after the last step of the last peer.
pub(crate) fn settled(world: &World) {
    let mut ledger = world.ledger.lock();
    let mut faults = undelivered(&ledger);
    let is_live = |role| {
        let live = ledger.records.iter().filter(|record| is_there(record));
        live.filter(|record| record.role == role).count()
    };
    let (binaries, phones) = (is_live(Role::Binary), is_live(Role::Phone));
    let stats = world.registry.stats();
    let transport = world.service.stats();
    for (what, expected, found) in [
        ("binaries", binaries, stats.connected_binaries),
        ("phones", phones, stats.connected_phones),
        ("connections", binaries + phones, transport.connections),
        ("queued bytes", 0, stats.queued_bytes),
    ] {
        if expected != found {
            faults.push(format!("settled: {found} {what} in place of {expected}"));
        }
    }
    ledger.faults.extend(faults);
}

/// Nobody has ended it, or begun to.
fn is_there(record: &Record) -> bool {
    record.up.is_some()
        && record.close.is_none()
        && record.own_close.is_none()
        && record.ending.is_none()
}

fn undelivered(ledger: &Ledger) -> Vec<String> {
    let mut faults = Vec::new();
    for (me, phone) in ledger.records.iter().enumerate() {
        if phone.role != Role::Phone || !is_there(phone) {
            continue;
        }
        let owner = phone.conn_id.as_ref().and_then(|id| {
            let (binary, _) = ledger.owners.get(id)?;
            Some((*binary, ledger.records[*binary].conns.get(id)?))
        });
        let Some((binary, conn)) = owner else {
            if !phone.sent.is_empty() {
                faults.push(format!("settled: nothing of phone {me} has arrived"));
            }
            continue;
        };
        if !is_there(&ledger.records[binary]) {
            faults.push(format!("settled: phone {me} outlives its binary {binary}"));
            continue;
        }
        if conn.got != phone.sent.len() || phone.got != conn.sent.len() {
            faults.push(format!(
                "settled: {} of {} frames of phone {me} have arrived, {} of {} for it",
                conn.got,
                phone.sent.len(),
                phone.got,
                conn.sent.len()
            ));
        }
        if conn.directive.is_some() {
            faults.push(format!("settled: phone {me} survives a directive"));
        }
    }
    faults
}

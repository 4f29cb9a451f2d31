//! Whether the close that a peer read is one that it can have earned, by the table of closes in PROTOCOL.md.

use std::time::Duration;

use super::{PROBED, Scene};
use crate::ledger::{CloseRead, Conn, Record};
use crate::plan::{Flavour, Role};

const GRACE: Duration = Duration::from_secs(30);

/// Within which what a sound phone sent is with the relay.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// What is wrong with the close that `me` read.
pub(super) fn verdict(scene: &Scene<'_>, me: usize) -> Option<String> {
    let record = scene.record(me);
    let close = record.close.as_ref()?;
    let is_earned = is_echo(record, close) || is_earned(scene, me, close);
    (!is_earned).then(|| format!("did not earn {close:?}"))
}

fn is_echo(record: &Record, close: &CloseRead) -> bool {
    record.own_close.is_some_and(|(code, _)| {
        let reason = if code.is_some() { "enough" } else { "" };
        close.code == code && close.reason == reason
    })
}

fn is_earned(scene: &Scene<'_>, me: usize, close: &CloseRead) -> bool {
    let record = scene.record(me);
    let directive = conn_of(scene, record).and_then(|conn| conn.directive);
    let directive = directive.map(|directive| directive.code);
    let is_pressed = scene.plan.flavour == Flavour::Pressed;
    match (record.role, close.code.unwrap_or(1005), &*close.reason) {
        (_, 1001, "shutting down") => close.at >= scene.drain_began(),
        (_, 1011, "heartbeat timeout") => !record.is_sound(),
        (_, 1008, "message timeout") => record.disturbed.is_some(),
        (_, code @ (1002 | 1007 | 1009), _) if record.offence.is_some() => {
            record.offence.is_some_and(|offence| offence.code() == code)
        }
        (Role::Binary, 4409, "server-id already claimed") => may_be_held(scene, me, close),
        (Role::Binary, ..) => false,
        (Role::Phone, 4404, "no server with that id") => may_be_absent(scene, me, close),
        (Role::Phone, 4404, "binary reclaimed server-id") => may_be_replaced(scene, me, close),
        (Role::Phone, 4429, "too many phones for server-id") => may_be_full(scene, me, close),
        (Role::Phone, 1011, "phone backlog full") => is_pressed,
        (Role::Phone, 1011, "invalid close code") => matches!(directive, Some(1004 | 1006 | 7)),
        (Role::Phone, code, "phone backlog full") => is_pressed && directive == Some(code),
        (Role::Phone, 1000, "") if directive != Some(1000) => has_no_binary(scene, me, close),
        (Role::Phone, code, "") => directive == Some(code),
        (Role::Phone, ..) => false,
    }
}

fn conn_of<'a>(scene: &Scene<'a>, phone: &Record) -> Option<&'a Conn> {
    let conn_id = phone.conn_id.as_ref()?;
    let (binary, _) = scene.ledger.owners.get(conn_id)?;
    scene.record(*binary).conns.get(conn_id)
}

/// Somebody else is there, who does not prove dead.
fn may_be_held(scene: &Scene<'_>, me: usize, close: &CloseRead) -> bool {
    let Some(dialed) = scene.record(me).dialed else {
        return false;
    };
    scene.binaries_beside(me).any(|(_, other)| {
        let is_there = other.dialed.is_some_and(|at| at <= close.at)
            && other.dropped_by_relay().is_none_or(|at| at >= dialed);
        // What it sent before may be under way for a while.
        let is_dead = other.silent.is_some_and(|at| at + UNDER_WAY < dialed);
        is_there && !is_dead
    })
}

/// Nobody holds the server-id without a doubt while the phone comes.
fn may_be_absent(scene: &Scene<'_>, me: usize, close: &CloseRead) -> bool {
    let Some(dialed) = scene.record(me).dialed else {
        return false;
    };
    !scene.binaries_beside(me).any(|(at, binary)| {
        let held_before = scene
            .surely_holds_from(at)
            .is_some_and(|from| from < dialed);
        held_before && binary.leaving.is_none_or(|left| close.at < left + GRACE)
    })
}

/// Its own binary, or one that it may have had, has gone or is not to be counted on, and another one came.
fn may_be_replaced(scene: &Scene<'_>, me: usize, close: &CloseRead) -> bool {
    let phone = scene.record(me);
    let owner = phone.conn_id.as_ref();
    let owner = owner.and_then(|conn_id| scene.ledger.owners.get(conn_id));
    let came = scene.binaries_beside(me);
    let came = came.filter(|(_, binary)| binary.dialed.is_some_and(|at| at <= close.at));
    let has_left = owner.is_none_or(|(binary, _)| {
        let left = scene.record(*binary).leaving;
        left.is_some_and(|at| at <= close.at)
    });
    has_left && came.count() >= 2
}

fn may_be_full(scene: &Scene<'_>, me: usize, close: &CloseRead) -> bool {
    let phone = scene.record(me);
    let beside = scene.records().filter(|(at, other)| {
        *at != me
            && other.role == Role::Phone
            && other.server == phone.server
            && other.dialed.is_some_and(|at| at <= close.at)
            && other
                .dropped_by_relay()
                .is_none_or(|at| Some(at) >= phone.dialed)
    });
    beside.count() >= scene.plan.bounds.phones_per_server
}

/// It sent what is no JSON, or its binary was gone: at once if it sent something, after the grace if not.
fn has_no_binary(scene: &Scene<'_>, me: usize, close: &CloseRead) -> bool {
    let phone = scene.record(me);
    let owner = phone.conn_id.as_ref();
    let owner = owner.and_then(|conn_id| scene.ledger.owners.get(conn_id));
    let mut binaries = scene.binaries_beside(me);
    phone.not_json_after.is_some()
        || binaries.any(|(at, binary)| {
            let is_its_own = owner.is_none_or(|(owner, _)| *owner == at);
            let Some(left) = binary.leaving.filter(|left| *left <= close.at) else {
                return false;
            };
            let may_have_been_late = phone.sent.iter().any(|sent| {
                let is_late = sent.at + UNDER_WAY >= left || !phone.is_sound();
                is_late && sent.at <= close.at
            });
            is_its_own && (may_have_been_late || close.at >= left + GRACE)
        })
}

/// A claimant beside somebody who is there and answers is refused.
pub(super) fn missing_refusal(scene: &Scene<'_>, me: usize) -> Option<String> {
    let claimant = scene.record(me);
    let (dialed, up) = (claimant.dialed?, claimant.up?);
    let until = up + PROBED;
    let waits = claimant.role == Role::Binary
        && claimant.is_sound()
        && claimant.own_close.is_none_or(|(_, at)| at > until)
        && scene.drain_began() > until;
    let incumbent = scene.binaries_beside(me).find(|(at, other)| {
        other.is_sound()
            && scene
                .surely_holds_from(*at)
                .is_some_and(|from| from < dialed)
            && other.leaving.is_none_or(|left| left > until)
    });
    let (incumbent, _) = incumbent.filter(|_| waits)?;
    let was_refused = claimant.close_code() == Some(4409);
    (!was_refused).then(|| format!("was not refused beside binary {incumbent}"))
}

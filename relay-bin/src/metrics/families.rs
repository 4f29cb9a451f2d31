//! Which series there are: names, labels and their order are what operators' dashboards and alerts rely on.

use relay_core::Stats;
use relay_push::Outcome;
use relay_tls::CertificateState;
use relay_transport::{ClosedBy, Closes, TransportStats, Upgrades};

use super::process::Process;
use super::text::Text;

/// All numbers of one page, read at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) version: &'static str,
    pub(super) core: Stats,
    pub(super) transport: TransportStats,
    pub(super) is_draining: bool,
    pub(super) queue_limit: usize,
    pub(super) max_connections: usize,
    pub(super) push: Option<relay_push::Stats>,
    pub(super) certificates: Option<Vec<CertificateState>>,
    pub(super) process: Option<Process>,
}

impl Reading {
    pub(super) fn text(&self) -> String {
        let mut text = Text::default();
        self.legs(&mut text);
        self.frames(&mut text);
        self.upgrades(&mut text);
        self.closes(&mut text);
        self.faults(&mut text);
        self.drain(&mut text);
        if let Some(push) = &self.push {
            wakes(push, &mut text);
        }
        if let Some(certificates) = &self.certificates {
            expiries(certificates, &mut text);
        }
        self.itself(&mut text);
        if let Some(process) = &self.process {
            process.write(&mut text);
        }
        text.finish()
    }

    fn legs(&self, text: &mut Text) {
        let core = &self.core;
        text.gauge(
            "pyrycode_relay_connected_binaries",
            "Binaries connected; one in its grace window is not.",
        )
        .value(core.connected_binaries);
        text.gauge(
            "pyrycode_relay_connected_phones",
            "Phones connected, those whose binary is in its grace window included.",
        )
        .value(core.connected_phones);
        text.counter(
            "pyrycode_relay_grace_expiries_total",
            "Server-ids given up because no binary came back in time.",
        )
        .value(core.grace_expiries);
        text.gauge(
            "pyrycode_relay_connections",
            "Connection slots in use, by peers that are being refused too.",
        )
        .value(self.transport.connections);
        text.gauge(
            "pyrycode_relay_connections_limit",
            "Connection slots there are.",
        )
        .value(self.max_connections);
    }

    fn frames(&self, text: &mut Text) {
        let core = &self.core;
        text.counter(
            "pyrycode_relay_frames_forwarded_total",
            "Frames written to the peer they are for.",
        )
        .sample(&[("direction", "phone_to_binary")], core.frames_to_binaries)
        .sample(&[("direction", "binary_to_phone")], core.frames_to_phones);
        text.counter(
            "pyrycode_relay_frames_dropped_total",
            "Frames queued for a peer that never took them.",
        )
        .sample(
            &[("direction", "phone_to_binary")],
            core.frames_to_binaries_dropped,
        )
        .sample(
            &[("direction", "binary_to_phone")],
            core.frames_to_phones_dropped,
        );
        text.gauge(
            "pyrycode_relay_queue_bytes",
            "Memory held by everything queued for peers.",
        )
        .value(core.queued_bytes);
        text.gauge(
            "pyrycode_relay_queue_limit_bytes",
            "Bound of that memory, above which the largest backlog is dropped.",
        )
        .value(self.queue_limit);
        text.counter(
            "pyrycode_relay_backlog_evictions_total",
            "Phones closed because they had the largest backlog when the bound was reached.",
        )
        .value(core.backlog_evictions);
    }

    fn upgrades(&self, text: &mut Text) {
        let TransportStats {
            binary_upgrades: binary,
            phone_upgrades: phone,
            ..
        } = &self.transport;
        let mut family = text.counter(
            "pyrycode_relay_ws_upgrade_attempts_total",
            "Requests for a WebSocket, by how they ended.",
        );
        for (endpoint, upgrades) in [("server", binary), ("client", phone)] {
            for (outcome, count) in outcomes(upgrades) {
                family.sample(&[("endpoint", endpoint), ("outcome", outcome)], count);
            }
        }
        text.counter(
            "pyrycode_relay_register_failures_total",
            "Refusals that a peer was told the reason of.",
        )
        .sample(&[("kind", "no_server")], phone.no_server)
        .sample(&[("kind", "server_in_use")], binary.server_in_use)
        .sample(&[("kind", "phones_at_cap")], phone.too_many_phones)
        .sample(
            &[("kind", "ratelimit")],
            binary.rate_limited + phone.rate_limited,
        );
    }

    fn closes(&self, text: &mut Text) {
        let transport = &self.transport;
        let mut family = text.counter(
            "pyrycode_relay_closes_total",
            "Connections ended, by status and by whose decision; 1006 is an end without a close frame.",
        );
        for (leg, closes) in [
            ("binary", &transport.binary_closes),
            ("phone", &transport.phone_closes),
        ] {
            for (by, code, count) in rows(leg, closes) {
                let code = code.map_or_else(|| "other".to_owned(), |code| code.to_string());
                family.sample(&[("leg", leg), ("code", &code), ("by", by)], count);
            }
        }
        text.counter(
            "pyrycode_relay_conflict_probes_total",
            "Claims of a held server-id, for which its holder was asked for a sign of life.",
        )
        .value(transport.probes);
        text.counter(
            "pyrycode_relay_takeovers_total",
            "Silent binaries displaced by a claimant.",
        )
        .value(transport.takeovers);
    }

    fn faults(&self, text: &mut Text) {
        let transport = &self.transport;
        text.counter(
            "pyrycode_relay_handshake_failures_total",
            "Connections that ended in a PROXY header or TLS (accept), or after their 101 (upgrade).",
        )
        .sample(&[("stage", "accept")], transport.handshake_failures)
        .sample(&[("stage", "upgrade")], transport.unfinished_upgrades);
        text.counter(
            "pyrycode_relay_accept_errors_total",
            "Times the system had no descriptor or memory for a connection.",
        )
        .value(transport.accept_errors);
        text.counter(
            "pyrycode_relay_panics_total",
            "Connections that ended in a fault of the relay.",
        )
        .value(transport.panics);
        // Of the service this relay replaces; making this page cannot fail.
        text.counter(
            "promhttp_metric_handler_errors_total",
            "Errors while making this page.",
        )
        .sample(&[("cause", "encoding")], 0)
        .sample(&[("cause", "gathering")], 0);
    }

    fn drain(&self, text: &mut Text) {
        let core = &self.core;
        text.gauge("pyrycode_relay_draining", "1 while the relay stops.")
            .value(u8::from(self.is_draining));
        text.counter(
            "pyrycode_relay_drain_legs_total",
            "Connections that a stop ended, by whether their close handshake was complete.",
        )
        .sample(&[("outcome", "closed")], core.drain_legs_closed)
        .sample(&[("outcome", "cut")], core.drain_legs_cut);
        text.counter(
            "pyrycode_relay_drain_frames_total",
            "Frames accepted before a stop, by whether their peer took them in time.",
        )
        .sample(&[("outcome", "flushed")], core.drain_frames_flushed)
        .sample(&[("outcome", "dropped")], core.drain_frames_dropped);
    }

    fn itself(&self, text: &mut Text) {
        text.gauge(
            "pyrycode_relay_build_info",
            "1, with the version that runs.",
        )
        .sample(&[("version", self.version)], 1);
        text.gauge(
            "pyrycode_relay_uptime_seconds",
            "Time since the relay was started.",
        )
        .value(self.transport.uptime.as_secs_f64());
    }
}

fn wakes(push: &relay_push::Stats, text: &mut Text) {
    let mut family = text.counter(
        "pyrycode_relay_push_wakes_total",
        "Push wakes, by how they ended.",
    );
    for outcome in Outcome::ALL {
        family.sample(&[("outcome", outcome.label())], push.count(outcome));
    }
    text.counter(
        "pyrycode_relay_push_coalesced_total",
        "Requests that became one with a wake already waiting.",
    )
    .value(push.coalesced);
    text.counter(
        "pyrycode_relay_push_retries_total",
        "Attempts that failed and were put off to a later one.",
    )
    .value(push.retried);
    text.gauge("pyrycode_relay_push_queued", "Push wakes waiting.")
        .value(push.queued);
    text.gauge("pyrycode_relay_push_in_flight", "Push wakes being sent.")
        .value(push.in_flight);
}

/// A domain without a certificate has no sample, so that an alert can ask for its absence.
fn expiries(certificates: &[CertificateState], text: &mut Text) {
    let mut family = text.gauge(
        "pyrycode_relay_certificate_not_after_seconds",
        "End of the certificate that is served, in seconds since 1970.",
    );
    for state in certificates {
        if let Some(not_after) = state.not_after_seconds {
            family.sample(&[("domain", &state.domain)], not_after);
        }
    }
}

fn outcomes(upgrades: &Upgrades) -> [(&'static str, u64); 7] {
    [
        ("accept", upgrades.accepted),
        ("reject_headers", upgrades.missing_headers),
        ("reject_409", upgrades.server_in_use),
        ("reject_404", upgrades.no_server),
        ("reject_429", upgrades.too_many_phones),
        ("reject_rate_limit", upgrades.rate_limited),
        ("reject_cap", upgrades.at_capacity),
    ]
}

/// A binary gets no directives, so it has no closes by one.
fn rows(leg: &str, closes: &Closes) -> impl Iterator<Item = (&'static str, Option<u16>, u64)> {
    let is_binary = leg == "binary";
    closes
        .iter()
        .filter(move |(by, _, _)| !(is_binary && *by == ClosedBy::Binary))
        .map(|(by, code, count)| {
            let by = match by {
                ClosedBy::Relay => "relay",
                ClosedBy::Peer => "peer",
                ClosedBy::Binary => "binary",
            };
            (by, code, count)
        })
}

#[cfg(test)]
mod tests;

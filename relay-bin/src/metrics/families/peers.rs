//! How peers came in, how they went, and what went wrong on the way.

use relay_transport::{ClosedBy, Closes, TransportStats, Upgrades};

use super::Reading;
use crate::metrics::text::Text;

impl Reading {
    pub(super) fn upgrades(&self, text: &mut Text) {
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

    pub(super) fn closes(&self, text: &mut Text) {
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

    pub(super) fn faults(&self, text: &mut Text) {
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

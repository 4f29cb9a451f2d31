//! Which series there are: names, labels and their order are what operators' dashboards and alerts rely on.

use relay_core::Stats;
use relay_tls::CertificateState;
use relay_transport::TransportStats;

use super::process::Process;
use super::text::Text;

mod optional;
mod peers;

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
            optional::wakes(push, &mut text);
        }
        if let Some(certificates) = &self.certificates {
            optional::expiries(certificates, &mut text);
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

#[cfg(test)]
mod tests;

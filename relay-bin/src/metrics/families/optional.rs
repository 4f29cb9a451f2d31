//! What there is with push wake and with TLS only.

use relay_push::Outcome;
use relay_tls::CertificateState;

use crate::metrics::text::Text;

pub(super) fn wakes(push: &relay_push::Stats, text: &mut Text) {
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
pub(super) fn expiries(certificates: &[CertificateState], text: &mut Text) {
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

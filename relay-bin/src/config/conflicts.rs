//! Which flags make no sense in which mode.
//!
//! It goes by presence: a flag that was given its default was meant all the same.

use super::ConfigProblem;
use crate::args::Flags;

/// A flag's name, and whether it was given.
type Given = (&'static str, fn(&Flags) -> bool);

/// A mode's flag, and those that mean nothing beside it.
pub(super) struct Conflicts {
    with: &'static str,
    flags: &'static [Given],
}

/// `--domain` and `--cert-cache` are ignored, as manifests rely on.
pub(super) const INSECURE: Conflicts = Conflicts {
    with: "--insecure-listen",
    flags: &[
        ("--http-listen", |flags| flags.http_listen.is_present()),
        ("--https-listen", |flags| flags.https_listen.is_present()),
        ("--https-proxy-protocol", |flags| {
            flags.https_proxy_protocol.is_present()
        }),
        ("--tls-cert", |flags| flags.tls_cert.is_present()),
        ("--tls-key", |flags| flags.tls_key.is_present()),
    ],
};

pub(super) const FILES: Conflicts = Conflicts {
    with: "--tls-cert",
    flags: &[
        ("--domain", |flags| flags.domain.is_present()),
        ("--http-listen", |flags| flags.http_listen.is_present()),
        ("--cert-cache", |flags| flags.cert_cache.is_present()),
        ("--acme-directory", |flags| {
            flags.acme_directory.is_present()
        }),
        ("--acme-ca", |flags| flags.acme_ca.is_present()),
        ("--acme-email", |flags| flags.acme_email.is_present()),
    ],
};

/// One problem for all of them that were given.
pub(super) fn refuse(flags: &Flags, conflicts: &Conflicts, problems: &mut Vec<ConfigProblem>) {
    let given = conflicts.flags.iter().filter(|(_, given)| given(flags));
    let given: Vec<_> = given.map(|(name, _)| *name).collect();
    if !given.is_empty() {
        problems.push(ConfigProblem::FlagConflict {
            flags: given.join(", "),
            with: conflicts.with,
        });
    }
}

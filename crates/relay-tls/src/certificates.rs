//! What is being served: the current certificate of each name, swapped while handshakes go on.
//!
//! One owner for three readers: handshakes resolve, the Host gate asks for names, operators look at the state.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::certificate::Certificate;
use crate::names::{self, Domains};

/// The certificates being served; clones share them.
///
/// A `watch` channel holds them, which is a lock that is held for the length of a lookup, and a way to wait for a change. A
/// lock-free swap would save nothing that shows beside the 125 µs of a handshake.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<watch::Sender<Vec<Served>>>);

/// What serves one domain, or everything that a certificate file names.
#[derive(Clone, Debug)]
struct Served {
    /// Names let in at all; never empty.
    names: Vec<String>,
    certificate: Option<Certificate>,
    last_error: Option<String>,
}

/// How one domain stands, for operators.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CertificateState {
    /// The domain; with a certificate from a file, the first name of it.
    pub domain: String,
    /// When the served certificate ends, in seconds since 1970; `None` while there is none.
    pub not_after_seconds: Option<u64>,
    /// What went wrong at the last attempt to renew, load or store; `None` once one succeeded.
    pub last_error: Option<String>,
}

impl Certificates {
    /// Places for these domains, with no certificate yet.
    pub(crate) fn awaiting(domains: &Domains) -> Self {
        let served = domains.iter().map(|domain| Served {
            names: vec![domain.to_owned()],
            certificate: None,
            last_error: None,
        });
        Self(Arc::new(watch::Sender::new(served.collect())))
    }

    /// A single place for all names of this certificate.
    pub(crate) fn holding(certificate: Certificate) -> Self {
        let served = Served {
            names: certificate.leaf().names.clone(),
            certificate: Some(certificate),
            last_error: None,
        };
        Self(Arc::new(watch::Sender::new(vec![served])))
    }

    /// Serves `certificate` at a domain's place from now on; connections that are up keep what they have.
    pub(crate) fn install(&self, place: usize, certificate: Certificate) {
        self.change(place, |served| served.certificate = Some(certificate));
    }

    /// The same where the names that are let in follow the certificate.
    pub(crate) fn replace(&self, certificate: Certificate) {
        self.change(0, |served| {
            served.names.clone_from(&certificate.leaf().names);
            served.certificate = Some(certificate);
            served.last_error = None;
        });
    }

    pub(crate) fn report(&self, place: usize, error: Option<String>) {
        self.change(place, |served| served.last_error = error);
    }

    /// Drops the last error if it begins like this.
    pub(crate) fn forgive(&self, place: usize, kind: &str) {
        self.change(place, |served| {
            served.last_error.take_if(|error| error.starts_with(kind));
        });
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Served)) {
        self.0.send_modify(|table| {
            if let Some(served) = table.get_mut(place) {
                change(served);
            }
        });
    }

    /// Whether a Host header names what is served here, see [`host_matches`](crate::host_matches); otherwise the
    /// answer is 421.
    pub fn match_host(&self, host: &str) -> bool {
        self.0
            .borrow()
            .iter()
            .any(|served| names::host_matches(&served.names, host))
    }

    /// How each domain stands now.
    pub fn states(&self) -> Vec<CertificateState> {
        states(&self.0.borrow())
    }

    /// Resolves as soon as `condition` holds, looked at now and after each change.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait_for(&self, mut condition: impl FnMut(&[CertificateState]) -> bool) {
        // Cannot fail: the sender is alive as long as `self`.
        let _ = self
            .0
            .subscribe()
            .wait_for(|table| condition(&states(table)))
            .await;
    }

    /// Resolves once a handshake for `name` need not wait: there is a certificate, or the attempt to get the first one
    /// has failed, or the name is not ours.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn settled(&self, name: &str) {
        let is_settled = |table: &Vec<Served>| {
            let mut served = table.iter();
            served
                .find(|served| names::covers(&served.names, name))
                .is_none_or(|served| served.certificate.is_some() || served.last_error.is_some())
        };
        // Cannot fail: the sender is alive as long as `self`.
        let _ = self.0.subscribe().wait_for(is_settled).await;
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.receiver_count()
    }

    /// The key for a handshake; `None`, and with it an alert, for a name that is not ours or has no certificate yet.
    fn resolve(&self, name: &str, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let table = self.0.borrow();
        let served = table
            .iter()
            .find(|served| names::covers(&served.names, name))?;
        let certificate = served.certificate.as_ref()?;
        certificate
            .suits(schemes)
            .then(|| Arc::clone(certificate.key()))
    }
}

fn states(table: &[Served]) -> Vec<CertificateState> {
    let state = |served: &Served| CertificateState {
        domain: served.names.first().cloned().unwrap_or_default(),
        not_after_seconds: served.certificate.as_ref().map(|certificate| {
            let not_after = certificate.leaf().validity.not_after;
            not_after
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
        }),
        last_error: served.last_error.clone(),
    };
    table.iter().map(state).collect()
}

/// The SNI gate: no name, no handshake.
#[derive(Debug)]
pub(crate) struct Resolver(pub(crate) Certificates);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .resolve(hello.server_name()?, hello.signature_schemes())
    }
}

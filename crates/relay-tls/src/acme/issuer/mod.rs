//! Does what the schedules say, one task at a time, for as long as it is polled.

mod tasks;

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use instant_acme::Account;

use super::challenges::Challenges;
use super::client;
use super::config::AcmeConfig;
use super::schedule::{Schedule, Task};
use crate::cache::{CertCache, Issued};
use crate::certificate::RenewalId;
use crate::certificates::Certificates;
use crate::clock;
use crate::error_text::with_causes;

/// Keeps a certificate for each domain: from the cache, then from the authority.
///
/// One task is under way at a time, over all domains: the bound on what is asked of the authority, and the reason that
/// a domain with trouble delays another by its order's timeouts at most.
#[derive(Debug)]
pub struct Issuer {
    config: AcmeConfig,
    cache: CertCache,
    certificates: Certificates,
    challenges: Challenges,
    domains: Vec<Domain>,
    account: Known,
}

#[derive(Debug)]
struct Domain {
    name: String,
    schedule: Schedule,
    /// Of the certificate that is served, where the authority gave it what it takes.
    renewal_id: Option<RenewalId>,
    unstored: Option<Issued>,
}

/// What we know of our account.
enum Known {
    /// Not asked yet.
    Unopened,
    /// The one that is kept is not known to the authority.
    Lost,
    Open(Account),
}

/// Why an issuer cannot be made; the configuration is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// The directory's URL is not HTTPS.
    #[error("the acme directory {url:?} is not an https URL")]
    NotHttps {
        /// What was given.
        url: String,
    },
    /// The root for the authority's own HTTPS cannot be used.
    #[error("could not use the acme authority's root in {}", path.display())]
    AuthorityCa {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Issuer {
    /// Takes up what is in the cache, which is served from now on; asks nothing of the authority yet.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: AcmeConfig, cache: CertCache, now: SystemTime) -> Result<Self, IssuerError> {
        check(&config)?;
        let certificates = Certificates::awaiting(&config.domains);
        let mut domains = Vec::new();
        for (place, name) in config.domains.iter().enumerate() {
            let cached = cache.certificate(name, now).unwrap_or_else(|error| {
                tracing::warn!(
                    domain = name,
                    err = with_causes(&error),
                    "cached certificate not used"
                );
                None
            });
            // What an earlier relay kept on an RSA key bridges the time to one of ours.
            let lasting = cached.as_ref().filter(|certificate| certificate.is_ecdsa());
            domains.push(Domain {
                name: name.to_owned(),
                schedule: Schedule::new(&config, lasting.map(|found| found.leaf().validity), now),
                renewal_id: lasting.and_then(|found| found.leaf().renewal_id.clone()),
                unstored: None,
            });
            if let Some(certificate) = cached {
                certificates.install(place, certificate);
            }
        }
        Ok(Self {
            challenges: Challenges::new(config.domains.clone()),
            config,
            cache,
            certificates,
            domains,
            account: Known::Unopened,
        })
    }

    /// What is served, and how each domain stands.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The answers for the listener on port 80, which must be up before [`run`](Self::run) is polled.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Issues what is missing, renews what is due, and never ends.
    ///
    /// Failures are logged, kept as the [`last_error`](crate::CertificateState::last_error), and tried again.
    ///
    /// # Cancel safety
    /// An order under way is forgotten. What is served stays, and what is in the cache is whole.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and IO enabled.
    pub async fn run(mut self) -> Infallible {
        loop {
            let now = clock::now();
            let mut domains = self.domains.iter().enumerate();
            let due = domains.find_map(|(place, domain)| Some((place, domain.schedule.due(now)?)));
            match due {
                Some((place, Task::Issue)) => Box::pin(self.issue(place)).await,
                Some((place, Task::Store)) => self.store(place).await,
                Some((place, Task::AskWindow)) => Box::pin(self.ask_window(place)).await,
                None => {
                    let naps = self.domains.iter().map(|domain| domain.schedule.nap(now));
                    // `Domains` is not empty; a minute would do if it were.
                    let nap = naps.min().unwrap_or(Duration::from_secs(60));
                    tokio::time::sleep(nap).await;
                }
            }
        }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unopened => "Unopened",
            Self::Lost => "Lost",
            Self::Open(_) => "Open",
        })
    }
}

/// What would otherwise fail at every attempt.
fn check(config: &AcmeConfig) -> Result<(), IssuerError> {
    if !config.directory_url.starts_with("https://") {
        return Err(IssuerError::NotHttps {
            url: config.directory_url.clone(),
        });
    }
    let Some(path) = &config.authority_ca else {
        return Ok(());
    };
    let checked = client::roots(path).map(drop);
    checked.map_err(|source| IssuerError::AuthorityCa {
        path: path.clone(),
        source,
    })
}

#[cfg(test)]
mod tests;

//! The issuer's tasks: an order, a write to the cache, a question about a renewal.

use std::time::Duration;

use instant_acme::{Account, Error};

use super::{Issuer, Known};
use crate::acme::account::{self, call};
use crate::acme::bounds::Draw;
use crate::acme::failure::Failure;
use crate::acme::order;
use crate::cache::Issued;
use crate::certificate::{CertificateError, RenewalId, Validity};
use crate::clock;

/// How an error of the cache begins, among those of the authority.
const CACHE: &str = "cache: ";

impl Issuer {
    pub(super) async fn issue(&mut self, place: usize) {
        let start = clock::instant();
        let result = self.order(place).await;
        let duration = millis(clock::instant().saturating_duration_since(start));
        let now = clock::now();
        let Some(domain) = self.domains.get_mut(place) else {
            return;
        };
        match result {
            Ok((issued, validity, renewal_id)) => {
                tracing::info!(domain = domain.name, duration, "certificate issued");
                domain.schedule.issued(validity, now);
                domain.renewal_id = renewal_id;
                domain.unstored = Some(issued);
            }
            Err(failure) => {
                tracing::warn!(domain = domain.name, err = %failure, duration, "certificate not issued");
                if failure.is_account_lost {
                    self.account = Known::Lost;
                }
                domain.schedule.failed(failure.retry, now, Draw::random());
                self.certificates.report(place, Some(failure.to_string()));
            }
        }
    }

    /// Orders, and serves what comes.
    async fn order(
        &mut self,
        place: usize,
    ) -> Result<(Issued, Validity, Option<RenewalId>), Failure> {
        let account = self.account().await?;
        let domain = &self.domains[place];
        let replaces = domain
            .renewal_id
            .as_ref()
            .filter(|_| domain.schedule.has_window());
        let issued = order::issue(
            &account,
            &self.config,
            &self.challenges,
            &domain.name,
            replaces,
        )
        .await?;
        let certificate = issued
            .certificate(clock::now())
            .map_err(|error| Failure::unusable(&error))?;
        if !certificate.covers(&domain.name) {
            return Err(Failure::unusable(&CertificateError::WrongName));
        }
        let leaf = certificate.leaf().clone();
        self.certificates.install(place, certificate);
        self.certificates.report(place, None);
        Ok((issued, leaf.validity, leaf.renewal_id))
    }

    /// The account to order with.
    async fn account(&mut self) -> Result<Account, Failure> {
        if let Some(account) = self.known_account().await? {
            return Ok(account);
        }
        let account = account::create(&self.config, &self.cache).await?;
        self.account = Known::Open(account.clone());
        Ok(account)
    }

    /// The account, if there is one already.
    async fn known_account(&mut self) -> Result<Option<Account>, Failure> {
        let account = match &self.account {
            Known::Open(account) => Some(account.clone()),
            Known::Unopened => account::find(&self.config, &self.cache).await?,
            Known::Lost => None,
        };
        if let Some(account) = &account {
            self.account = Known::Open(account.clone());
        }
        Ok(account)
    }

    pub(super) async fn store(&mut self, place: usize) {
        let Some(domain) = self.domains.get_mut(place) else {
            return;
        };
        let Some(issued) = domain.unstored.clone() else {
            return domain.schedule.stored();
        };
        let name = domain.name.clone();
        match self
            .cache
            .off_thread(move |cache| cache.store(&name, &issued))
            .await
        {
            Ok(()) => {
                domain.unstored = None;
                domain.schedule.stored();
                self.certificates.forgive(place, CACHE);
            }
            Err(error) => {
                let path = self.cache.path().display().to_string();
                let err = error.to_string();
                tracing::warn!(domain = domain.name, path, err, "certificate not cached");
                domain.schedule.not_stored(clock::now(), Draw::random());
                self.certificates
                    .report(place, Some(format!("{CACHE}{err}")));
            }
        }
    }

    pub(super) async fn ask_window(&mut self, place: usize) {
        let answer = self.window(place).await;
        let now = clock::now();
        let Some(domain) = self.domains.get_mut(place) else {
            return;
        };
        match answer {
            Ok(Some((window, ask_again))) => {
                let draw = Draw::random();
                domain.schedule.window(window, ask_again, now, draw);
            }
            Ok(None) => domain.schedule.no_window(),
            Err(failure) => {
                // Nothing is lost by it: the certificate's own dates tell when to renew.
                tracing::debug!(domain = domain.name, err = %failure, "renewal window not told");
                domain.schedule.window_not_told(now);
            }
        }
    }

    /// The authority's window and when to ask again; `None` when it has no such service.
    async fn window(&mut self, place: usize) -> Result<Option<(Validity, Duration)>, Failure> {
        let Some(id) = self.domains[place]
            .renewal_id
            .as_ref()
            .map(order::identifier)
        else {
            return Ok(None);
        };
        // Asking needs no account, but instant-acme does, and one is not made for a question.
        let Some(account) = self.known_account().await? else {
            return Ok(None);
        };
        let ask = async {
            match account.renewal_info(&id).await {
                Ok(answer) => Ok(Some(answer)),
                Err(Error::Unsupported(_)) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let answer = call("renewal window", self.config.request_timeout, ask).await?;
        Ok(answer.map(|(info, ask_again)| {
            let window = Validity {
                not_before: info.suggested_window.start.into(),
                not_after: info.suggested_window.end.into(),
            };
            (window, ask_again)
        }))
    }
}

/// As the relay's other lines write durations: `152.3ms`.
fn millis(duration: Duration) -> String {
    format!("{:.1}ms", duration.as_secs_f64() * 1000.0)
}

//! With whom, for what, and how patiently.

use std::path::PathBuf;
use std::time::Duration;

use crate::names::Domains;

/// How to get certificates. Build with [`AcmeConfig::new`] and the setters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AcmeConfig {
    /// What certificates are wanted for: one each. A domain that cannot be proven keeps no other from its certificate,
    /// and the cache keeps one file per domain.
    pub domains: Domains,
    /// The authority's directory; must be HTTPS. Default: Let's Encrypt.
    pub directory_url: String,
    /// A PEM file with the roots that the authority's own HTTPS is trusted by. Default: the system's roots.
    pub authority_ca: Option<PathBuf>,
    /// Whom the authority may write to. Default: nobody.
    pub email: Option<String>,
    /// For one request to the authority, its retries on a stale nonce included. Default 30 s.
    pub request_timeout: Duration,
    /// For the authority to look at the challenges, and again to sign. Default 90 s; Let's Encrypt takes a few.
    pub order_timeout: Duration,
    /// Before the first attempt after a failure, twice that before the next, and so on. Default 1 min.
    pub retry_delay: Duration,
    /// The longest of these waits, each of which is spread by a quarter each way. Default 1 h: one attempt an hour
    /// stays within the authority's limits. While a certificate is served they are a thirtieth of its lifetime at most,
    /// but at least 1 s: one of five minutes is tried again every 10 s.
    pub max_retry_delay: Duration,
    /// The least time between two questions about when to renew (RFC 9773), and before the first. Default 1 h.
    pub window_interval: Duration,
    /// How long before its end a certificate is renewed, if a third of its lifetime is not shorter. Default 30 days,
    /// which for certificates of up to 90 days means at two thirds of their life.
    pub max_renewal_lead: Duration,
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

impl AcmeConfig {
    /// Let's Encrypt and the default timers.
    pub fn new(domains: Domains) -> Self {
        Self {
            domains,
            directory_url: LETS_ENCRYPT.to_owned(),
            authority_ca: None,
            email: None,
            request_timeout: Duration::from_secs(30),
            order_timeout: Duration::from_secs(90),
            retry_delay: Duration::from_secs(60),
            max_retry_delay: Duration::from_secs(3_600),
            window_interval: Duration::from_secs(3_600),
            max_renewal_lead: Duration::from_secs(30 * 86_400),
        }
    }

    /// Sets [`directory_url`](Self::directory_url).
    #[must_use]
    pub fn directory_url(mut self, directory_url: impl Into<String>) -> Self {
        self.directory_url = directory_url.into();
        self
    }

    /// Sets [`authority_ca`](Self::authority_ca).
    #[must_use]
    pub fn authority_ca(mut self, authority_ca: impl Into<PathBuf>) -> Self {
        self.authority_ca = Some(authority_ca.into());
        self
    }

    /// Sets [`email`](Self::email).
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }
}

macro_rules! setters {
    ($($field:ident),* $(,)?) => {
        impl AcmeConfig {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, $field: Duration) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    request_timeout,
    order_timeout,
    retry_delay,
    max_retry_delay,
    window_interval,
    max_renewal_lead,
}

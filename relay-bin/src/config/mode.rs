//! How peers are served: plain HTTP, or TLS with certificates from an authority or from files.

use std::ffi::OsString;
use std::path::PathBuf;

use relay_tls::Domains;
use relay_transport::ProxyProtocol;

use super::activation::{self, ACME, ActivationError, HTTP, HTTPS};
use super::conflicts::{self, FILES, INSECURE};
use super::{ConfigProblem, Environment, ListenAddr, keep, typed};
use crate::args::{Flags, Setting};

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plain HTTP.
    Insecure {
        /// Where.
        listen: ListenAddr,
    },
    /// TLS.
    Tls {
        /// Where.
        listen: ListenAddr,
        /// Whether connections begin with a PROXY header.
        proxy_protocol: ProxyProtocol,
        /// Where certificates come from.
        certificates: CertificateSource,
    },
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// From an authority.
    Acme(Box<AcmeSource>),
    /// From files.
    Files {
        /// The chain.
        chain: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// From which authority, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcmeSource {
    /// For which names.
    pub domains: Domains,
    /// Where they are kept.
    pub cache: PathBuf,
    /// Where challenges are answered.
    pub http_listen: ListenAddr,
    /// The authority, if not the usual one.
    pub directory: Option<String>,
    /// The root that its own HTTPS is trusted by, if not one of the system's.
    pub authority_ca: Option<PathBuf>,
    /// Whom it may write to.
    pub email: Option<String>,
}

impl Mode {
    pub(super) fn from_flags(
        flags: &Flags,
        environment: &Environment,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<Self> {
        if !flags.insecure_listen.value().is_empty() {
            conflicts::refuse(flags, &INSECURE, problems);
            let place = Place {
                name: HTTP,
                flag: "insecure-listen",
                setting: &flags.insecure_listen,
            };
            let listen = place.listen_addr(environment, problems)?;
            return Some(Self::Insecure { listen });
        }
        let certificates = if has_files(flags) {
            files(flags, problems)
        } else if flags.domain.value().0.is_empty() {
            problems.push(ConfigProblem::NoMode);
            return None;
        } else {
            acme(flags, environment, problems)
        };
        let place = Place {
            name: HTTPS,
            flag: "https-listen",
            setting: &flags.https_listen,
        };
        let listen = place.listen_addr(environment, problems);
        Some(Self::Tls {
            listen: listen?,
            proxy_protocol: proxy_protocol(flags),
            certificates: certificates?,
        })
    }
}

fn has_files(flags: &Flags) -> bool {
    !flags.tls_cert.value().is_empty() || !flags.tls_key.value().is_empty()
}

fn files(flags: &Flags, problems: &mut Vec<ConfigProblem>) -> Option<CertificateSource> {
    conflicts::refuse(flags, &FILES, problems);
    let (chain, key) = (flags.tls_cert.value(), flags.tls_key.value());
    if chain.is_empty() || key.is_empty() {
        problems.push(ConfigProblem::HalfCertificate);
        return None;
    }
    Some(CertificateSource::Files {
        chain: chain.into(),
        key: key.into(),
    })
}

fn acme(
    flags: &Flags,
    environment: &Environment,
    problems: &mut Vec<ConfigProblem>,
) -> Option<CertificateSource> {
    let domains =
        Domains::new(&flags.domain.value().0).map_err(|source| ConfigProblem::Domain { source });
    let domains = keep(domains, problems);
    let directory = keep(directory(&flags.acme_directory), problems);
    let place = Place {
        name: ACME,
        flag: "http-listen",
        setting: &flags.http_listen,
    };
    let http_listen = place.listen_addr(environment, problems);
    Some(CertificateSource::Acme(Box::new(AcmeSource {
        domains: domains?,
        cache: cache(flags, environment),
        http_listen: http_listen?,
        directory: directory?,
        authority_ca: given(&flags.acme_ca).map(PathBuf::from),
        email: given(&flags.acme_email),
    })))
}

fn directory(setting: &Setting<String>) -> Result<Option<String>, ConfigProblem> {
    match given(setting) {
        Some(url) if !url.starts_with("https://") => Err(ConfigProblem::Value {
            flag: "acme-directory",
            want: "an https URL",
            value: typed(setting),
        }),
        url => Ok(url),
    }
}

fn given(setting: &Setting<String>) -> Option<String> {
    Some(setting.value().clone()).filter(|text| !text.is_empty())
}

/// Below the home directory, or here where there is none. An explicit empty path stays one, which is refused later.
fn cache(flags: &Flags, environment: &Environment) -> PathBuf {
    const BELOW_HOME: &str = ".pyrycode-relay/certs";
    if flags.cert_cache.is_present() {
        return flags.cert_cache.value().into();
    }
    let home: OsString = environment.home.clone().unwrap_or_default();
    PathBuf::from(home).join(BELOW_HOME)
}

fn proxy_protocol(flags: &Flags) -> ProxyProtocol {
    let trusted = &flags.trusted_proxy.value().0;
    match (*flags.https_proxy_protocol.value(), trusted.is_empty()) {
        (false, _) => ProxyProtocol::Off,
        (true, true) => ProxyProtocol::FromAnyone,
        (true, false) => ProxyProtocol::From(trusted.clone()),
    }
}

/// Where a listener's address comes from.
struct Place<'f> {
    /// As the socket is called when the process is given it.
    name: &'static str,
    flag: &'static str,
    setting: &'f Setting<String>,
}

impl Place<'_> {
    /// The flag's, unless that was left out and there is a socket; of both, each has to say the same.
    fn listen_addr(
        &self,
        environment: &Environment,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<ListenAddr> {
        let flag = self.flag;
        let activated = activation::addr(environment, self.name);
        if let (Some(addr), false) = (activated, self.setting.is_present()) {
            return ListenAddr::of(addr);
        }
        let addr = self.setting.value();
        let parsed = addr.parse().map_err(|source| ConfigProblem::ListenAddr {
            flag,
            addr: addr.clone(),
            source,
        });
        let parsed: ListenAddr = keep(parsed, problems)?;
        if activated.is_some_and(|addr| !parsed.is_at(addr)) {
            let elsewhere = ActivationError::Elsewhere { flag };
            problems.extend(activation::refuse(environment, self.name, elsewhere));
        }
        Some(parsed)
    }
}

//! TLS within the process: certificates prepared before anything listens, and kept up to date while it serves.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use relay_core::BoxFuture;
use relay_tls::{
    AcmeConfig, CertCache, CertificateFiles, Certificates, Challenges, Issuer, TlsAcceptor,
};
use relay_transport::{Accept, Io, ServerBuilder};
use tokio::net::TcpStream;
use tracing::{error, info, warn};

use crate::clock;
use crate::config::{AcmeSource, CertificateSource, Config, Mode};
use crate::exit::Exit;

/// No bound to be met: the transport has one, for a PROXY header and the handshake together, and that one looks again
/// when the process was suspended.
const HANDSHAKE_BACKSTOP: Duration = Duration::from_secs(3_600);

/// How often certificate files are looked at.
const FILES_INTERVAL: Duration = Duration::from_secs(10);

/// What TLS takes, ready to serve; in plain HTTP mode, nothing.
#[derive(Debug)]
pub(crate) struct Certified {
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) challenges: Option<Challenges>,
    pub(crate) upkeep: Upkeep,
}

/// Keeps certificates up to date.
pub(crate) enum Upkeep {
    Nothing,
    Issuer(Pin<Box<dyn Future<Output = Infallible> + Send>>),
    Files(CertificateFiles),
}

impl Certified {
    /// Opens the cache or the files. Asks nothing of any network.
    pub(crate) fn prepare(config: &Config) -> Result<Self, Exit> {
        let Mode::Tls { certificates, .. } = &config.mode else {
            return Ok(Self {
                acceptor: None,
                certificates: None,
                challenges: None,
                upkeep: Upkeep::Nothing,
            });
        };
        let prepared = match certificates {
            CertificateSource::Acme(acme) => from_authority(acme),
            CertificateSource::Files { chain, key } => {
                CertificateFiles::open(chain, key, clock::time_of_day())
                    .map(|files| (files.certificates().clone(), None, Upkeep::Files(files)))
                    .map_err(Box::from)
            }
        };
        let ready = prepared.and_then(|(certificates, challenges, upkeep)| {
            Ok(Self {
                acceptor: Some(TlsAcceptor::new(&certificates)?),
                certificates: Some(certificates),
                challenges,
                upkeep,
            })
        });
        ready.map_err(|err| {
            let err: &(dyn std::error::Error + 'static) = &*err;
            error!(err, "tls setup failed");
            Exit::Failure
        })
    }

    /// Puts TLS and the Host gate in front of a relay.
    pub(crate) fn protect(&self, builder: ServerBuilder) -> ServerBuilder {
        match (&self.acceptor, &self.certificates) {
            (Some(acceptor), Some(certificates)) => {
                let names = certificates.clone();
                builder
                    .accept_with(Arc::new(Handshake(acceptor.clone())))
                    .host_gate(move |host| names.match_host(host))
            }
            _ => builder,
        }
    }
}

type Prepared = (Certificates, Option<Challenges>, Upkeep);

fn from_authority(acme: &AcmeSource) -> Result<Prepared, Box<dyn std::error::Error>> {
    let cache = CertCache::open(&acme.cache)?;
    if let Some(tightened) = cache.tightened() {
        let path = tightened.path.display();
        let (from, to) = (octal(tightened.from), octal(tightened.to));
        info!(%path, from, to, "tightened cert cache dir perms");
    }
    let mut config = AcmeConfig::new(acme.domains.clone());
    if let Some(directory) = &acme.directory {
        config = config.directory_url(directory);
    }
    if let Some(root) = &acme.authority_ca {
        config = config.authority_ca(root);
    }
    if let Some(email) = &acme.email {
        config = config.email(email);
    }
    let issuer = Issuer::new(config, cache, clock::time_of_day())?;
    let (certificates, challenges) = (issuer.certificates().clone(), issuer.challenges().clone());
    let upkeep = Upkeep::Issuer(Box::pin(issuer.run()));
    Ok((certificates, Some(challenges), upkeep))
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

struct Handshake(TlsAcceptor);

impl Accept for Handshake {
    fn accept(&self, tcp: TcpStream) -> BoxFuture<'_, io::Result<Box<dyn Io>>> {
        Box::pin(async {
            let deadline = clock::now() + HANDSHAKE_BACKSTOP;
            let stream = self.0.accept(tcp, deadline).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

impl Upkeep {
    /// Issues, renews, looks at files; never ends.
    ///
    /// # Cancel safety
    /// What is under way with the authority goes on at the next call.
    pub(crate) async fn run(&mut self) -> Infallible {
        match self {
            Self::Nothing => pending().await,
            Self::Issuer(issuer) => issuer.await,
            Self::Files(files) => loop {
                tokio::time::sleep(FILES_INTERVAL).await;
                if let Some(result) = files.poll(clock::time_of_day()) {
                    tell(result);
                }
            },
        }
    }

    /// Somebody says that the files have changed.
    pub(crate) fn reload(&mut self) {
        match self {
            Self::Files(files) => tell(files.reload(clock::time_of_day())),
            Self::Nothing | Self::Issuer(_) => info!("nothing to reload"),
        }
    }
}

fn tell(result: Result<(), relay_tls::FilesError>) {
    match result {
        Ok(()) => info!("certificate loaded"),
        Err(err) => {
            let err: &(dyn std::error::Error + 'static) = &err;
            warn!(err, "certificate not loaded, the one before stays");
        }
    }
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Issuer(_) => "Issuer",
            Self::Files(_) => "Files",
        })
    }
}

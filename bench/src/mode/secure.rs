//! Idle peers inside TLS 1.3: what they weigh.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{Target, server_id};
use crate::socket;

/// Until the relay's own work of the handshakes is over.
const SETTLING: Duration = Duration::from_secs(2);

/// A certificate for a name, its key, and the authority to trust, as files of a directory.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) directory: PathBuf,
    pub(crate) name: String,
}

impl Certificate {
    /// The certificate is its own authority.
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let made = rcgen::generate_simple_self_signed([self.name.clone()])?;
        let certificate = self.directory.join("certificate.pem");
        let key = self.directory.join("key.pem");
        fs::write(&certificate, made.cert.pem()).context("certificate")?;
        fs::write(&key, made.signing_key.serialize_pem()).context("key")?;
        Ok(json!({ "certificate": certificate, "key": key }))
    }
}

#[derive(Debug)]
pub(crate) struct Secure {
    pub(crate) target: Target,
    pub(crate) connections: usize,
    /// The authority to trust, in PEM.
    pub(crate) authority: PathBuf,
    pub(crate) name: String,
}

impl Secure {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let config = Arc::new(self.config()?);
        let process = self.target.process;
        drop(self.gather(&config, 100)?);
        std::thread::sleep(SETTLING);
        let rss_empty = process.rss()?;
        let cpu_before = process.cpu()?;
        let held = self.gather(&config, self.connections)?;
        std::thread::sleep(SETTLING);
        let cpu = process.cpu()? - cpu_before;
        let rss_connected = process.rss()?;
        Ok(json!({
            "connections": held.len(),
            "rss_empty": rss_empty,
            "rss_connected": rss_connected,
            "cpu_us_per_connect": cpu.as_secs_f64() * 1e6 / held.len() as f64,
        }))
    }

    fn config(&self) -> anyhow::Result<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.authority).context("authority")? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each is a stranger, as after a restart.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// Nobody answers pings here: the first comes after 30 s, when all is over.
    fn gather(
        &self,
        config: &Arc<rustls::ClientConfig>,
        connections: usize,
    ) -> anyhow::Result<Vec<impl Sized>> {
        (0..connections)
            .map(|number| {
                let path = if number % 2 == 0 {
                    "/v1/server"
                } else {
                    "/v1/client"
                };
                let id = server_id(number / 2);
                socket::dial_tls(self.target.addr, number, config, &self.name, path, &id)
            })
            .collect()
    }
}

//! The HTTPS client towards the authority.
//!
//! instant-acme brings one, which would take the process-wide crypto provider, speak HTTP/2 and read bodies of any size.

use std::io;
use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use http::Request;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::certificate;

pub(super) struct Client(legacy::Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

/// A chain is a few KiB, and the longest answer there is.
const MAX_BODY_BYTES: usize = 1 << 20;

impl Client {
    /// Trusts the roots in the file `ca`, or the system's.
    pub(super) fn new(ca: Option<&Path>) -> io::Result<Self> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match ca {
            None => builder.with_provider_and_native_roots(certificate::provider())?,
            Some(path) => builder.with_tls_config(
                ClientConfig::builder_with_provider(certificate::provider())
                    .with_safe_default_protocol_versions()
                    .map_err(io::Error::other)?
                    .with_root_certificates(roots(path)?)
                    .with_no_client_auth(),
            ),
        };
        let connector = builder.https_only().enable_http1().build();
        Ok(Self(
            legacy::Client::builder(TokioExecutor::new()).build(connector),
        ))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let response = self.0.request(request);
        Box::pin(async move {
            let response = response.await.map_err(|error| Error::Other(error.into()))?;
            Ok(response
                .map(|body| Limited::new(body, MAX_BODY_BYTES))
                .into())
        })
    }
}

/// The certificates in a file, at least one.
pub(super) fn roots(path: &Path) -> io::Result<RootCertStore> {
    let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let text = std::fs::read(path)?;
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&text) {
        let root = root.map_err(|error| malformed(error.to_string()))?;
        roots
            .add(root)
            .map_err(|error| malformed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(malformed("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

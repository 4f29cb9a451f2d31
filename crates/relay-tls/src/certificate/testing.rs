//! A certificate authority for tests.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::pem::Sections;
use super::{Certificate, key, pem};

/// A key as `x509.MarshalECPrivateKey` and `openssl ecparam -genkey -noout` write it.
pub(crate) const GO_EC_KEY_PEM: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIA3vtufNRPkWEGbw928vk7Ub9J9jfH9u6Rk9JWVTlF33oAoGCCqGSM49
AwEHoUQDQgAEk5Viw+4sQAlbCJGLJ8vrd/D1frwdGU9l3D4R94LpTF8LV4aji7sc
6HX/DZBFuvGFp7evUAkqXv5wqxUqCp7CQw==
-----END EC PRIVATE KEY-----
";

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A moment without a fraction of a second, as certificates know them.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_339_320)
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A chain and a key, as PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) chain: String,
    /// PKCS#8.
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn issue(
        &self,
        names: &[&str],
        not_before: SystemTime,
        not_after: SystemTime,
    ) -> Pair {
        self.issue_for(KeyPair::generate().unwrap(), names, not_before, not_after)
    }

    pub(crate) fn issue_for(
        &self,
        key: KeyPair,
        names: &[&str],
        not_before: SystemTime,
        not_after: SystemTime,
    ) -> Pair {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair {
            chain: format!("{}{}", certificate.pem(), self.0.pem()),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts us and speaks only `version`.
    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        ClientConfig::builder_with_provider(super::provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// Valid for 90 days around [`now`].
    pub(crate) fn valid(&self, names: &[&str]) -> Pair {
        self.issue(names, now() - DAY, now() + 89 * DAY)
    }
}

impl Pair {
    pub(crate) fn leaf_der(&self) -> Vec<u8> {
        Sections::read(self.chain.as_bytes()).unwrap().certificates[0].to_vec()
    }

    /// As Go's autocert caches it: key in SEC 1, then the chain.
    pub(crate) fn cache_entry(&self) -> String {
        let sections = Sections::read(self.key.as_bytes()).unwrap();
        let mut text = String::new();
        let sec1 = key::to_sec1(sections.keys[0].secret_der()).unwrap();
        pem::write(&mut text, "EC PRIVATE KEY", &sec1);
        text + &self.chain
    }

    pub(crate) fn certificate(
        &self,
        now: SystemTime,
    ) -> Result<Certificate, super::CertificateError> {
        let chain = Sections::read(self.chain.as_bytes()).unwrap().certificates;
        let key = Sections::read(self.key.as_bytes()).unwrap().keys.remove(0);
        Certificate::new(chain, key, now)
    }
}

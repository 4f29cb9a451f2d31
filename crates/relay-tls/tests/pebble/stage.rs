//! An authority and what a relay needs to use it.

use std::sync::Arc;
use std::time::Duration;

use relay_tls::{AcmeConfig, CertCache, Domains};
use tokio::net::TcpListener;

use crate::authority::{Authority, Options};
use crate::directory::Directory;
use crate::gateway::Gateway;
use crate::relay::Relay;

/// An authority behind a gateway, and what a relay needs to use it.
pub(crate) struct Stage {
    pub(crate) authority: Authority,
    pub(crate) gateway: Gateway,
    pub(crate) http: Arc<TcpListener>,
    pub(crate) directory: Directory,
}

impl Stage {
    pub(crate) async fn set(options: Options) -> Self {
        let directory = Directory::new();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http_port = http.local_addr().unwrap().port();
        let authority = Authority::start(directory.path(), http_port, options).await;
        let gateway = Gateway::to(authority.port()).await;
        Self {
            authority,
            gateway,
            http: Arc::new(http),
            directory,
        }
    }

    pub(crate) fn cache(&self) -> CertCache {
        CertCache::open(self.directory.path().join("certs")).unwrap()
    }

    pub(crate) fn config(&self, domains: &[&str]) -> AcmeConfig {
        AcmeConfig::new(Domains::new(domains).unwrap())
            .directory_url(self.gateway.directory_url())
            .authority_ca(self.authority.ca())
            .email("ops@example.test")
            .retry_delay(Duration::from_millis(50))
            .max_retry_delay(Duration::from_millis(400))
            .request_timeout(Duration::from_secs(10))
    }

    pub(crate) async fn relay(&self, domains: &[&str]) -> Relay {
        Relay::start(self.config(domains), self.cache(), Arc::clone(&self.http)).await
    }

    pub(crate) fn account(&self) -> serde_json::Value {
        let text = std::fs::read(self.cache().path().join("acme_account.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

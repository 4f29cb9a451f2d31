//! The metrics page over one connection that stays: it can be read when a relay has no descriptor for another one.

use std::net::SocketAddr;

use anyhow::Context as _;

use super::http::Request;
use super::raw::RawPeer;

/// A connection to a metrics page.
#[derive(Debug)]
pub(super) struct Scraper(RawPeer);

impl Scraper {
    pub(super) async fn dial(addr: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(RawPeer::dial(addr).await?))
    }

    /// The value of a series, its labels included, now.
    pub(super) async fn value(&mut self, series: &str) -> anyhow::Result<f64> {
        let request = Request::get("/metrics");
        self.0.send_bytes(&request.bytes()).await?;
        let page = self.0.response().await?;
        page.expect(200)?;
        let page = String::from_utf8(page.body)?;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {series}"))?.parse()?)
    }

    /// Waits until a series is more than this, and returns what it is then.
    pub(super) async fn exceeds(&mut self, series: &str, bound: f64) -> anyhow::Result<f64> {
        loop {
            let value = self.value(series).await?;
            if value > bound {
                return Ok(value);
            }
        }
    }
}

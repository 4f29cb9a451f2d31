//! The metrics page: what the registry and the transport counted, in Prometheus's text format.
//!
//! It counts nothing itself. No label holds anything that came from a request.

mod families;
mod process;
mod text;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use relay_core::{BoxFuture, Registry};
use relay_tls::Certificates;
use relay_transport::{RelayService, ResponseBody};

use crate::listener::Page;
use crate::push::Push;
use families::Reading;
use process::Process;

/// `/metrics`, and 404 for everything else.
#[derive(Debug)]
pub(crate) struct MetricsPage {
    pub(crate) registry: Registry,
    pub(crate) service: RelayService,
    pub(crate) max_connections: usize,
    pub(crate) push: Push,
    pub(crate) certificates: Option<Certificates>,
}

impl MetricsPage {
    fn text(&self) -> String {
        let reading = Reading {
            version: crate::VERSION,
            core: self.registry.stats(),
            transport: self.service.stats(),
            is_draining: self.registry.is_draining(),
            queue_limit: self.registry.limits().queue_memory,
            max_connections: self.max_connections,
            push: self.push.stats(),
            certificates: self.certificates.as_ref().map(Certificates::states),
            process: Process::read(),
        };
        reading.text()
    }
}

impl Page for MetricsPage {
    fn name(&self) -> &'static str {
        "metrics"
    }

    /// A few scrapers, and somebody with curl.
    fn max_connections(&self) -> usize {
        16
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<ResponseBody> {
        let (status, content_type, body) = match request.uri().path() {
            "/metrics" => (StatusCode::OK, text::CONTENT_TYPE, self.text()),
            _ => (
                StatusCode::NOT_FOUND,
                "text/plain; charset=utf-8",
                "404 page not found\n".to_owned(),
            ),
        };
        let mut response = Response::new(ResponseBody::from(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// A drain is when somebody looks: the page stays until the last peer is gone.
    fn wanted(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.registry.idle())
    }
}

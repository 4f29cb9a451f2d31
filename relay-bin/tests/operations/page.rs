//! Samples off a relay's metrics page.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::harness::PATIENCE;
use crate::http;

pub(crate) async fn sample(metrics: SocketAddr, series: &str) -> f64 {
    let page = http::get(metrics, "/metrics").await.body;
    let sample = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    sample
        .unwrap_or_else(|| panic!("no {series} in\n{page}"))
        .parse()
        .unwrap()
}

/// Waits until a sample has this value.
pub(crate) async fn becomes(metrics: SocketAddr, series: &str, value: f64) {
    let reached = async {
        while sample(metrics, series).await != value {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        let last = sample(metrics, series).await;
        panic!("{series} is {last}, not {value}");
    }
}

/// What a whole page says of its families: the type of each, and the values of its samples.
pub(crate) struct Families {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) samples: BTreeMap<String, Vec<String>>,
}

impl Families {
    pub(crate) fn of(page: &str) -> Self {
        let mut types = BTreeMap::new();
        let mut samples: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in page.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                let before = types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} comes twice");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                samples
                    .entry(name.to_owned())
                    .or_default()
                    .push(value.to_owned());
            }
        }
        Self { types, samples }
    }
}

//! The metrics page, as the alerts and the dashboard use it.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};

use super::Scenario;
use crate::e2e::http::Request;
use crate::e2e::ports;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;
use crate::tidy::monitoring::{dashboard, scalars};
use crate::tidy::promql::{Matcher, Selector, selectors};

pub(super) const ALL: &[Scenario] = &[scenario!(
    alerts_and_dashboard_find_their_series_on_the_page
)];

const ALERTS: &str = include_str!("../../../../packaging/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../../packaging/grafana/dashboard.json");

/// Labels that a scraper adds.
const OF_THE_SCRAPER: &[&str] = &["job", "instance"];

/// Families that a relay with plain HTTP and no push has not, and what a scraper makes itself.
///
/// These are for the test of relay-bin in which Prometheus itself scrapes a relay that has them.
const ELSEWHERE: &[&str] = &["pyrycode_relay_push_", "pyrycode_relay_certificate_", "up"];

async fn alerts_and_dashboard_find_their_series_on_the_page(stage: &Stage) -> anyhow::Result<()> {
    let addr = ports::free()?;
    let _relay = stage
        .relay_with(&[&format!("--metrics-listen={addr}")])
        .await?;
    let mut scraper = RawPeer::dial(addr).await?;
    scraper
        .send_bytes(&Request::get("/metrics").bytes())
        .await?;
    let response = scraper.response().await?;
    response.expect(200)?;
    let page = String::from_utf8(response.body).context("the page is text")?;

    let families: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let samples: Vec<Selector<'_>> = page.lines().flat_map(selectors).collect();
    let mut asked = scalars(ALERTS, "expr");
    asked.extend(dashboard(DASHBOARD)?);
    for selector in asked.iter().flat_map(|asked| selectors(&asked.text)) {
        let Selector { name, matchers } = &selector;
        if families.contains(name) {
            let found = samples
                .iter()
                .any(|sample| sample.name == *name && gives(sample, matchers));
            ensure!(found, "the page has no sample for {selector:?}");
        } else {
            let is_elsewhere = ELSEWHERE.iter().any(|prefix| name.starts_with(prefix));
            ensure!(is_elsewhere, "the page has no family {name}");
        }
    }
    Ok(())
}

/// Whether a sample has the labels that are asked for, and of an alternative one of its values.
fn gives(sample: &Selector<'_>, matchers: &[Matcher<'_>]) -> bool {
    matchers
        .iter()
        .filter(|asked| !OF_THE_SCRAPER.contains(&asked.label))
        .all(|asked| {
            let mut labels = sample.matchers.iter();
            labels.any(|label| {
                label.label == asked.label
                    && match asked.operator {
                        "=" => label.value == asked.value,
                        "=~" => asked.value.split('|').any(|value| label.value == value),
                        _ => true,
                    }
            })
        })
}

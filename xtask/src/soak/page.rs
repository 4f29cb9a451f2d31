//! The relay's metrics page, as sums over labels.

/// One scrape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page(Vec<(String, f64)>);

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                Some((series.to_owned(), value.parse().ok()?))
            });
        Self(samples.collect())
    }

    /// The sum of the samples of a family that have all these labels; `pyrycode_relay_` is put in front.
    pub(super) fn sum(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(family)
            .filter(|(series, _)| {
                labels
                    .iter()
                    .all(|(name, value)| series.contains(&format!("{name}=\"{value}\"")))
            })
            .map(|(_, value)| value)
            .sum()
    }

    /// Whether there is such a family at all.
    pub(super) fn has(&self, family: &str) -> bool {
        self.samples(family).next().is_some()
    }

    fn samples(&self, family: &str) -> impl Iterator<Item = (&str, f64)> {
        let family = format!("pyrycode_relay_{family}");
        self.0.iter().filter_map(move |(series, value)| {
            let name = series.split('{').next()?;
            (name == family).then_some((series.as_str(), *value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_their_labels() {
        let page = Page::parse(
            "# HELP pyrycode_relay_closes_total x\n\
             pyrycode_relay_closes_total{leg=\"phone\",code=\"1000\",by=\"peer\"} 3\n\
             pyrycode_relay_closes_total{leg=\"phone\",code=\"1001\",by=\"peer\"} 4\n\
             pyrycode_relay_closes_total{leg=\"binary\",code=\"1000\",by=\"peer\"} 10\n\
             pyrycode_relay_closes 100\n",
        );
        assert_eq!(page.sum("closes_total", &[("leg", "phone")]), 7.0);
        assert_eq!(page.sum("closes_total", &[]), 17.0);
        assert!(page.has("closes"));
        assert!(!page.has("close"));
    }
}

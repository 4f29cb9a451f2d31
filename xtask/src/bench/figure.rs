//! What was measured: figures with their targets, and series for the plots.

use serde_json::Value;

use super::crowd::Deserted;

/// All of one run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Vec<(&'static str, String)>,
    pub(super) figures: Vec<Figure>,
    pub(super) plots: Vec<Plot>,
    /// What the load processes printed, under the name of what they measured.
    pub(super) raw: Vec<(String, Value)>,
    pub(super) seconds: f64,
    /// Waits to be looked at again.
    pub(super) deserted: Option<Deserted>,
}

/// One number that has a name.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) section: &'static str,
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
    /// At most this, where something was promised.
    pub(super) target: Option<f64>,
    /// What the number was made of.
    pub(super) detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Ratio,
    Microseconds,
    Seconds,
    Kibibytes,
    Mebibytes,
    /// Of the whole, as a fraction.
    Share,
}

/// Bars or a line: points under one heading.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) unit: &'static str,
    pub(super) bars: Vec<Bar>,
}

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) target: Option<f64>,
}

impl Report {
    pub(super) fn of(machine: Vec<(&'static str, String)>) -> Self {
        Self {
            machine,
            figures: Vec::new(),
            plots: Vec::new(),
            raw: Vec::new(),
            seconds: 0.0,
            deserted: None,
        }
    }

    /// Shows a figure at once, and keeps it with the others of its section.
    pub(super) fn add(&mut self, figure: Figure) {
        println!("{}", figure.line());
        let last = self
            .figures
            .iter()
            .rposition(|before| before.section == figure.section);
        let place = last.map_or(self.figures.len(), |last| last + 1);
        self.figures.insert(place, figure);
    }

    /// Keeps what a load process said.
    pub(super) fn keep(&mut self, name: impl Into<String>, value: &Value) {
        self.raw.push((name.into(), value.clone()));
    }
}

impl Figure {
    /// `None` where nothing was promised.
    pub(super) fn is_met(&self) -> Option<bool> {
        self.target.map(|target| self.value <= target)
    }

    pub(super) fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        }
    }

    pub(super) fn line(&self) -> String {
        let target = self.target.map(|target| self.unit.text(target));
        format!(
            "{:<58} {:>10} {:>10}  {:<6}  {}",
            self.name,
            self.unit.text(self.value),
            target
                .map(|target| format!("≤ {target}"))
                .unwrap_or_default(),
            self.verdict(),
            self.detail,
        )
    }
}

impl Unit {
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2}"),
            Self::Microseconds => format!("{value:.1} µs"),
            Self::Seconds => format!("{value:.3} s"),
            Self::Kibibytes => format!("{value:.2} KiB"),
            Self::Mebibytes => format!("{value:.2} MB"),
            Self::Share => format!("{:.2} %", value * 100.0),
        }
    }
}

/// The middle of what was measured; the lower of two middles.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(f64::NAN)
}

/// From the least to the most.
pub(super) fn range(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.2}–{most:.2}")
}

/// A number inside what a load process printed.
///
/// # Errors
///
/// It is not there, or is none.
pub(super) fn number(value: &Value, path: &str) -> anyhow::Result<f64> {
    let found = path.split('.').fold(value, |value, key| &value[key]);
    found
        .as_f64()
        .ok_or_else(|| anyhow::anyhow!("no number `{path}` in {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_figure_that_is_no_number_meets_nothing() {
        let figure = |value, target| Figure {
            section: "s",
            name: "n".to_owned(),
            value,
            unit: Unit::Ratio,
            target,
            detail: String::new(),
        };
        assert_eq!(figure(1.0, Some(1.0)).is_met(), Some(true));
        assert_eq!(figure(1.01, Some(1.0)).is_met(), Some(false));
        assert_eq!(figure(f64::NAN, Some(1.0)).is_met(), Some(false));
        assert_eq!(figure(9.0, None).is_met(), None);
    }

    #[test]
    fn numbers_are_found_by_their_path() {
        let value = serde_json::json!({ "latency": { "p99_us": 2 } });
        assert_eq!(number(&value, "latency.p99_us").unwrap(), 2.0);
        assert!(number(&value, "latency.p50_us").is_err());
    }
}

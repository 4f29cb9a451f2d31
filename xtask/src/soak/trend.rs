//! Whether a noisy quantity grows: a line through the means of equal parts of the time.
//!
//! Memory goes up and down with what is under way, and neighbouring samples are alike, so a line through single
//! samples would seem surer of itself than it is.
//! The means of twelve parts are close to independent, and the scatter of these about the line tells how sure its
//! slope is.

/// Parts of the measured time.
const PARTS: usize = 12;

/// Student's t for ten degrees of freedom, one-sided, one per mille: the chance to call noise growth.
const T: f64 = 4.14;

/// A line through a series, over the time from its first to its last sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trend {
    /// The value of the line at the beginning.
    pub(super) start: f64,
    /// What is added by the end.
    pub(super) growth: f64,
    /// The standard error of that.
    pub(super) error: f64,
}

impl Trend {
    /// The trend of samples taken at equal distances; `None` of fewer than one for each part.
    pub(super) fn of(samples: &[f64]) -> Option<Self> {
        if samples.len() < PARTS {
            return None;
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let bound = |part: usize| samples.len() * part / PARTS;
        let means: Vec<f64> = (0..PARTS)
            .map(|part| mean(&samples[bound(part)..bound(part + 1)]))
            .collect();
        // The middles of the parts, in a time that goes from -1/2 to 1/2.
        let times: Vec<f64> = (0..PARTS)
            .map(|part| (part as f64 + 0.5) / PARTS as f64 - 0.5)
            .collect();
        let middle = mean(&means);
        let spread: f64 = times.iter().map(|time| time * time).sum();
        let covered: f64 = times
            .iter()
            .zip(&means)
            .map(|(time, value)| time * (value - middle))
            .sum();
        let growth = covered / spread;
        let scatter: f64 = times
            .iter()
            .zip(&means)
            .map(|(time, value)| (value - middle - growth * time).powi(2))
            .sum();
        Some(Self {
            start: middle - growth / 2.0,
            growth,
            error: (scatter / (PARTS - 2) as f64 / spread).sqrt(),
        })
    }

    /// Whether it grows by more than `allowed`, and that is no chance.
    pub(super) fn exceeds(self, allowed: f64) -> bool {
        self.growth > allowed && self.growth > T * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Two minutes of samples about 20, with a noise of up to 4 and what grows by `growth`.
    fn series(growth: f64, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..120)
            .map(|second| {
                let noise = random.below(4000) as f64 / 1000.0;
                20.0 + noise + growth * f64::from(second) / 119.0
            })
            .collect()
    }

    #[test]
    fn a_line_is_found_exactly() {
        let line: Vec<f64> = (0..120).map(|second| 5.0 + f64::from(second)).collect();
        let trend = Trend::of(&line).unwrap();
        assert!((trend.growth - 120.0).abs() < 1e-9, "{trend:?}");
        assert!((trend.start - 4.5).abs() < 1e-9, "{trend:?}");
        assert!(trend.error < 1e-9, "{trend:?}");
        assert!(trend.exceeds(119.0));
        assert!(!trend.exceeds(121.0));
    }

    #[test]
    fn noise_is_no_growth_and_growth_is_found_in_noise() {
        for seed in 0..200 {
            let flat = Trend::of(&series(0.0, seed)).unwrap();
            assert!(!flat.exceeds(2.0), "seed {seed}: {flat:?}");
            let growing = Trend::of(&series(5.0, seed)).unwrap();
            assert!(growing.exceeds(2.0), "seed {seed}: {growing:?}");
        }
    }

    #[test]
    fn one_peak_is_no_growth() {
        let mut peak = vec![20.0; 120];
        peak[100..110].fill(40.0);
        assert!(!Trend::of(&peak).unwrap().exceeds(2.0));
    }

    #[test]
    fn too_few_samples_have_no_trend() {
        assert_eq!(Trend::of(&[1.0; PARTS - 1]), None);
        assert!(Trend::of(&[1.0; PARTS]).is_some());
    }
}

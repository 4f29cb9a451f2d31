//! When each leg is asked to close, so that a fleet does not come back in one instant: pure, told of the legs and of a
//! seed for the jitter.

use std::collections::VecDeque;
use std::time::Duration;

use relay_core::LegKind;

/// The asks that are still to be made, the next one first.
#[derive(Debug)]
pub(crate) struct Spread {
    asks: VecDeque<Ask>,
}

/// One leg's turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask {
    /// From the start of the drain.
    pub(crate) after: Duration,
    /// Its place in the snapshot.
    pub(crate) leg: usize,
}

impl Spread {
    /// Binaries take their turns evenly over the first half of `window`; each phone follows its own binary after up to
    /// half of it more, at random, so that it finds its daemon back. Without a window everybody's turn is now.
    ///
    /// `legs` has a binary before its phones.
    pub(crate) fn new(
        legs: impl ExactSizeIterator<Item = LegKind> + Clone,
        window: Duration,
        seed: u64,
    ) -> Self {
        let half = window / 2;
        let binaries = legs.clone().filter(|leg| *leg == LegKind::Binary).count();
        let mut jitter = Jitter(seed);
        let mut turns = 0;
        let mut binary_after = Duration::ZERO;
        let asks = legs.enumerate().map(|(leg, kind)| {
            let after = match kind {
                LegKind::Binary => {
                    binary_after = half.mul_f64(turns as f64 / binaries as f64);
                    turns += 1;
                    binary_after
                }
                LegKind::Phone => binary_after + half.mul_f64(jitter.next()),
            };
            Ask { after, leg }
        });
        let mut asks: Vec<Ask> = asks.collect();
        asks.sort_by_key(|ask| ask.after);
        Self { asks: asks.into() }
    }

    /// How long after the start the next ask is due.
    pub(crate) fn next_after(&self) -> Option<Duration> {
        self.asks.front().map(|ask| ask.after)
    }

    /// The next ask that is due `elapsed` after the start.
    pub(crate) fn due(&mut self, elapsed: Duration) -> Option<Ask> {
        self.asks.pop_front_if(|ask| ask.after <= elapsed)
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): enough to keep phones apart, and the same for the same seed.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    /// Above 0 and at most 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The upper 53 bits are what a float holds exactly.
        ((mixed >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LegKind::{Binary, Phone};

    const WINDOW: Duration = Duration::from_secs(8);

    /// When each leg is asked, by its place in the snapshot.
    fn turns(legs: &[LegKind], window: Duration, seed: u64) -> Vec<Duration> {
        let mut spread = Spread::new(legs.iter().copied(), window, seed);
        let mut turns = vec![Duration::MAX; legs.len()];
        let mut last = Duration::ZERO;
        while let Some(after) = spread.next_after() {
            let ask = spread.due(after).expect("it is due");
            assert_eq!(ask.after, after);
            assert!(last <= after, "in order");
            last = after;
            turns[ask.leg] = after;
        }
        turns
    }

    #[test]
    fn without_a_window_everybody_is_asked_at_once() {
        let legs = [Binary, Phone, Phone, Binary, Phone];
        assert_eq!(turns(&legs, Duration::ZERO, 7), [Duration::ZERO; 5]);
    }

    #[test]
    fn binaries_take_even_turns_in_the_first_half() {
        let expected = [0, 1, 2, 3].map(Duration::from_secs);
        assert_eq!(turns(&[Binary; 4], WINDOW, 7), expected);
    }

    #[test]
    fn phones_follow_their_binary_and_all_are_asked_within_the_window() {
        let server = || std::iter::once(Binary).chain(std::iter::repeat_n(Phone, 15));
        let legs: Vec<_> = std::iter::repeat_with(server).take(50).flatten().collect();
        for seed in 0..20 {
            let turns = turns(&legs, WINDOW, seed);
            for server in turns.chunks(16) {
                assert!(server[1..].iter().all(|phone| server[0] < *phone));
            }
            assert!(turns.iter().all(|turn| *turn <= WINDOW), "seed {seed}");
            // Of 750 phones, no tenth of the window sees more than a quarter.
            for tenth in 0..10 {
                let from = WINDOW / 10 * tenth;
                let in_it = |turn: &&Duration| (from..from + WINDOW / 10).contains(*turn);
                let together = turns.iter().filter(in_it).count();
                assert!(together < 200, "seed {seed}: {together} in tenth {tenth}");
            }
        }
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let mut spread = Spread::new([Binary, Binary].into_iter(), WINDOW, 7);
        let first = Ask {
            after: Duration::ZERO,
            leg: 0,
        };
        assert_eq!(spread.due(Duration::from_secs(1)), Some(first));
        assert_eq!(spread.due(Duration::from_secs(1)), None);
        assert_eq!(spread.next_after(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn phones_without_a_binary_have_a_turn_too() {
        assert!(
            turns(&[Phone, Phone], WINDOW, 7)
                .iter()
                .all(|turn| *turn <= WINDOW / 2)
        );
        assert_eq!(turns(&[], WINDOW, 7), []);
    }
}

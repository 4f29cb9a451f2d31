//! Making a plan smaller, and writing down how, so that a failing world can be had again in its smallest form.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::Plan;

/// Which actors of a plan take part, and how many of their steps they make; without an entry, none.
///
/// Written as `0:5,3:1`: actor 0 with its first five steps, actor 3 with its first one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Smaller(BTreeMap<usize, usize>);

impl Smaller {
    /// Everything that is in the plan.
    #[must_use]
    pub fn all_of(plan: &Plan) -> Self {
        let steps = plan.actors.iter().map(|actor| actor.steps.len());
        Self(steps.enumerate().collect())
    }

    pub(crate) fn steps_of(&self, actor: usize) -> Option<usize> {
        self.0.get(&actor).copied()
    }

    /// Everything that is a little smaller than this, the boldest first.
    pub(crate) fn smaller_ones(&self) -> Vec<Self> {
        let without = |left_out: &dyn Fn(usize) -> bool| {
            let kept = self.0.iter().enumerate();
            let kept = kept.filter(|(at, _)| !left_out(*at));
            Self(kept.map(|(_, (actor, steps))| (*actor, *steps)).collect())
        };
        let count = self.0.len();
        let half = count / 2;
        let mut found = Vec::new();
        if count > 2 {
            found.push(without(&|at| at < half));
            found.push(without(&|at| at >= half));
        }
        if count > 1 {
            found.extend((0..count).map(|left_out| without(&|at| at == left_out)));
        }
        for (actor, steps) in &self.0 {
            let fewer = [0, steps / 2, steps.saturating_sub(1)];
            for fewer in fewer.into_iter().filter(|fewer| fewer < steps) {
                let mut one = self.clone();
                one.0.insert(*actor, fewer);
                found.push(one);
            }
        }
        found
    }
}

impl fmt::Display for Smaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (actor, steps)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{actor}:{steps}")?;
        }
        Ok(())
    }
}

/// What was wrong with the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotSmaller(String);

impl fmt::Display for NotSmaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an actor and its steps, as in 3:1", self.0)
    }
}

impl std::error::Error for NotSmaller {}

impl FromStr for Smaller {
    type Err = NotSmaller;

    fn from_str(text: &str) -> Result<Self, NotSmaller> {
        let kept = text.split(',').map(|part| {
            let (actor, steps) = part.split_once(':')?;
            Some((actor.trim().parse().ok()?, steps.trim().parse().ok()?))
        });
        let kept: Option<BTreeMap<usize, usize>> = kept.collect();
        kept.map(Self).ok_or_else(|| NotSmaller(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_says_all_of_it() {
        let smaller = Smaller(BTreeMap::from([(0, 5), (3, 1)]));
        assert_eq!(smaller.to_string(), "0:5,3:1");
        assert_eq!("0:5, 3:1".parse(), Ok(smaller));
        assert!("3".parse::<Smaller>().is_err());
    }

    #[test]
    fn everything_smaller_is_smaller() {
        let of = |smaller: &Smaller| (smaller.0.len(), smaller.0.values().sum::<usize>());
        let smaller = Smaller(BTreeMap::from([(0, 5), (3, 1), (4, 0)]));
        let (actors, steps) = of(&smaller);
        for one in smaller.smaller_ones() {
            let (fewer_actors, fewer_steps) = of(&one);
            assert!(fewer_actors < actors || fewer_steps < steps, "{one}");
        }
        let least = Smaller(BTreeMap::from([(4, 0)]));
        assert_eq!(least.smaller_ones(), []);
    }
}

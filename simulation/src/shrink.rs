//! Finding the smallest part of a world in which something is still wrong.

use crate::plan::{Plan, Smaller};
use crate::world::{Story, run};

/// Worlds that are tried, at most: some seconds' worth.
const MOST_TRIES: usize = 400;

/// The smallest part of `plan` that was found to fail, and what happens in it. Peers go first, halves of them and then
/// single ones, then steps at the end of their scripts; what is wrong may change on the way.
///
/// Gives back all of the plan if that does not fail.
#[must_use]
pub fn shrink(plan: &Plan) -> (Smaller, Story) {
    let all = Smaller::all_of(plan);
    let story = run(plan, &all);
    if story.faults.is_empty() {
        return (all, story);
    }
    smallest((all, story), |part| {
        let story = run(plan, part);
        (!story.faults.is_empty()).then_some(story)
    })
}

/// The last of `found` and what is found by making it smaller again and again.
fn smallest<T>(mut found: (Smaller, T), fails: impl Fn(&Smaller) -> Option<T>) -> (Smaller, T) {
    let mut tries = 0;
    loop {
        let smaller = found.0.smaller_ones().into_iter().find_map(|part| {
            tries += 1;
            let failure = if tries <= MOST_TRIES {
                fails(&part)
            } else {
                None
            };
            failure.map(|failure| (part, failure))
        });
        match smaller {
            Some(smaller) => found = smaller,
            None => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let all: Smaller = "0:4,1:9,2:7,3:5,4:2,5:0,6:8".parse().unwrap();
        // Two steps of one peer, in the presence of another.
        let fails = |part: &Smaller| {
            let is_there = part.steps_of(5).is_some();
            let does_it = part.steps_of(3).is_some_and(|steps| steps >= 2);
            (is_there && does_it).then_some(())
        };
        let (smallest, ()) = smallest((all, ()), fails);
        assert_eq!(smallest.to_string(), "3:2,5:0");
    }
}

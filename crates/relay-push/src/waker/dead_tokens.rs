//! Tokens that FCM called unregistered, for as long as that is worth remembering.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::digest::Digest;

/// A bounded table that forgets the least recently used.
#[derive(Debug)]
pub(super) struct DeadTokens {
    tokens: HashMap<Digest, Entry>,
    /// By last use, the oldest first.
    used: BTreeMap<u64, Digest>,
    uses: u64,
    memory: Duration,
    max_tokens: usize,
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    used: u64,
}

impl DeadTokens {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            tokens: HashMap::new(),
            used: BTreeMap::new(),
            uses: 0,
            memory: config.unregistered_memory,
            max_tokens: config.max_unregistered_tokens,
        }
    }

    pub(super) fn insert(&mut self, token: Digest, now: Instant) {
        self.remove(token);
        while self.tokens.len() >= self.max_tokens {
            let Some((_, oldest)) = self.used.pop_first() else {
                return;
            };
            self.tokens.remove(&oldest);
        }
        self.uses += 1;
        let entry = Entry {
            until: now + self.memory,
            used: self.uses,
        };
        self.used.insert(entry.used, token);
        self.tokens.insert(token, entry);
    }

    /// Whether it is remembered; asking for a token counts as its use, and does not prolong its memory.
    pub(super) fn contains(&mut self, token: Digest, now: Instant) -> bool {
        let Some(entry) = self.tokens.get_mut(&token) else {
            return false;
        };
        if entry.until <= now {
            self.remove(token);
            return false;
        }
        self.uses += 1;
        self.used.remove(&entry.used);
        entry.used = self.uses;
        self.used.insert(entry.used, token);
        true
    }

    fn remove(&mut self, token: Digest) {
        if let Some(entry) = self.tokens.remove(&token) {
            self.used.remove(&entry.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    #[test]
    fn remembers_for_an_hour_from_the_last_report() {
        let start = crate::clock::now();
        let minute = |n: u64| start + Duration::from_secs(60 * n);
        let mut dead = DeadTokens::new(&Config::default());
        dead.insert(token("a"), start);
        assert!(dead.contains(token("a"), minute(59)));
        assert!(!dead.contains(token("b"), minute(59)));
        assert!(!dead.contains(token("a"), minute(60)));
        assert!(dead.tokens.is_empty() && dead.used.is_empty());
        dead.insert(token("a"), start);
        dead.insert(token("a"), minute(30));
        assert!(dead.contains(token("a"), minute(89)));
        assert_eq!((dead.tokens.len(), dead.used.len()), (1, 1));
    }

    #[test]
    fn is_bounded_and_forgets_the_least_recently_used() {
        let now = crate::clock::now();
        let mut dead = DeadTokens::new(&Config::default().max_unregistered_tokens(2));
        dead.insert(token("a"), now);
        dead.insert(token("b"), now);
        assert!(dead.contains(token("a"), now));
        dead.insert(token("c"), now);
        let kept = ["a", "b", "c"].map(|name| dead.contains(token(name), now));
        assert_eq!(kept, [true, false, true]);
        assert_eq!((dead.tokens.len(), dead.used.len()), (2, 2));

        let mut none = DeadTokens::new(&Config::default().max_unregistered_tokens(0));
        none.insert(token("a"), now);
        assert!(!none.contains(token("a"), now));
    }
}

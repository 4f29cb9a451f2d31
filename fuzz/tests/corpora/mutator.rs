//! Inputs made from others: bytes changed, moved, repeated and put in, and two inputs joined.

use relay_fuzz::Random;

/// An endless sequence of inputs, the same for the same seed.
#[derive(Debug)]
pub(crate) struct Mutator {
    inputs: Vec<Vec<u8>>,
    dictionary: Vec<Vec<u8>>,
    random: Random,
    max_bytes: usize,
}

impl Mutator {
    pub(crate) fn new(
        inputs: Vec<Vec<u8>>,
        dictionary: Vec<Vec<u8>>,
        seed: u64,
        max_bytes: usize,
    ) -> Self {
        Self {
            inputs,
            dictionary,
            random: Random::new(seed),
            max_bytes,
        }
    }

    /// One of the inputs after one to eight changes.
    pub(crate) fn make(&mut self) -> Vec<u8> {
        let mut input = self.any_input();
        for _ in 0..=self.random.below(8) {
            self.change(&mut input);
        }
        input.truncate(self.max_bytes);
        input
    }

    fn any_input(&mut self) -> Vec<u8> {
        self.inputs[self.random.below(self.inputs.len())].clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        const INTERESTING: &[u8] =
            b"\0\x01\x09\n\r \"'+,-./019:;=@AZ[\\]_az{}~\x7d\x7e\x7f\x80\xff";
        let at = self.random.below(input.len() + 1);
        let end = input.len().min(at + 1 + self.random.below(16));
        match self.random.below(9) {
            0 => {
                let bit = 1 << self.random.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let byte = INTERESTING[self.random.below(INTERESTING.len())];
                input.insert(at, byte);
            }
            2 => {
                let byte = INTERESTING[self.random.below(INTERESTING.len())];
                if let Some(old) = input.get_mut(at) {
                    *old = byte;
                }
            }
            3 => {
                input.drain(at..end);
            }
            4 => {
                let again = input[at..end].to_vec();
                let times = 1 + self.random.below(4);
                input.splice(at..at, again.repeat(times));
            }
            5 => {
                let moved: Vec<u8> = input.drain(at..end).collect();
                let to = self.random.below(input.len() + 1);
                input.splice(to..to, moved);
            }
            6 | 7 if !self.dictionary.is_empty() => {
                let word = &self.dictionary[self.random.below(self.dictionary.len())];
                let replaced = [at..at, at..end][self.random.below(2)].clone();
                input.splice(replaced, word.iter().copied());
            }
            _ => {
                let other = self.any_input();
                let from = self.random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

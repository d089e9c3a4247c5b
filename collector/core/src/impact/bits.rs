//! Sets of up to 512 things, and sets of numbers, as words.

/// Things in a block.
pub(super) const BLOCK: usize = 512;
const WORDS: usize = BLOCK / 64;

/// A set of things of one block: one line of the processor's cache, not parts of two.
#[repr(align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) fn one(at: usize) -> Self {
        let mut bits = Self::default();
        bits.0[at / 64] = 1 << (at % 64);
        bits
    }

    pub(super) fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Adds what the other has.
    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }
}

/// A set of numbers from which the highest is taken: one bit each, and one for 64 of those.
#[derive(Clone, Debug)]
pub(super) struct Agenda {
    words: Vec<u64>,
    summary: Vec<u64>,
}

impl Agenda {
    pub(super) fn new(bound: usize) -> Self {
        let words = bound.div_ceil(64);
        Self { words: vec![0; words], summary: vec![0; words.div_ceil(64)] }
    }

    pub(super) fn add(&mut self, number: usize) {
        self.words[number / 64] |= 1 << (number % 64);
        self.summary[number / 4096] |= 1 << (number / 64 % 64);
    }

    /// Takes the highest. `from` is where to look: not below any that is in it.
    pub(super) fn take_highest(&mut self, from: usize) -> Option<usize> {
        let end = (from / 4096 + 1).min(self.summary.len());
        let at = self.summary[..end].iter().rposition(|&word| word != 0)?;
        let word = at * 64 + 63 - self.summary[at].leading_zeros() as usize;
        Some(self.take(word, 63 - self.words[word].leading_zeros()))
    }

    fn take(&mut self, word: usize, bit: u32) -> usize {
        self.words[word] &= !(1 << bit);
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
        word * 64 + bit as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agenda_gives_in_order() {
        let numbers = [0, 1, 63, 64, 4_095, 4_096, 9_999];
        let mut agenda = Agenda::new(10_000);
        numbers.iter().rev().for_each(|&number| agenda.add(number));
        let backwards: Vec<usize> = numbers.iter().rev().copied().collect();
        assert_eq!(std::iter::from_fn(|| agenda.take_highest(9_999)).collect::<Vec<_>>(), backwards);
        assert_eq!(agenda.take_highest(0), None);
    }
}

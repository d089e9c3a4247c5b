//! Sets of up to 512 things, and numbers per thing, as words.

/// Things in a block.
pub(super) const BLOCK: usize = 512;
const WORDS: usize = BLOCK / 64;

/// A set of things of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) fn one(at: usize) -> Self {
        let mut bits = Self::default();
        bits.0[at / 64] = 1 << (at % 64);
        bits
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }

    pub(super) fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Adds what the other has; whether that was anything new.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        let mut new = 0;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            new |= other & !*word;
            *word |= other;
        }
        new != 0
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
        self
    }

    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    pub(super) fn for_each(self, mut each: impl FnMut(usize)) {
        for (at, mut word) in self.0.into_iter().enumerate() {
            while word != 0 {
                each(at * 64 + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
    }
}

/// How many sets each thing was in: few things are counted one by one, many by adding words with carry.
#[derive(Clone, Debug)]
pub(super) struct Tallies {
    ones: Vec<u32>,
    planes: Vec<Bits>,
}

impl Tallies {
    pub(super) fn new() -> Self {
        Self { ones: vec![0; BLOCK], planes: Vec::new() }
    }

    pub(super) fn count(&mut self, set: Bits) {
        if set.len() <= 8 {
            set.for_each(|at| self.ones[at] += 1);
            return;
        }
        let mut carry = set;
        for plane in &mut self.planes {
            let next = plane.and(&carry);
            plane.0.iter_mut().zip(&carry.0).for_each(|(word, carry)| *word ^= carry);
            carry = next;
            if carry.is_empty() {
                return;
            }
        }
        self.planes.push(carry);
    }

    /// The counts, which start again at zero.
    pub(super) fn take(&mut self) -> Vec<u32> {
        let mut counts = std::mem::replace(&mut self.ones, vec![0; BLOCK]);
        for (bit, plane) in self.planes.drain(..).enumerate() {
            plane.for_each(|at| counts[at] += 1 << bit);
        }
        counts
    }
}

/// A set of numbers from which the lowest or highest is taken: one bit each, and one for 64 of those.
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

    /// Takes the lowest, which may be lower than the one before. `from` is where to look: not above any that is in it.
    pub(super) fn take_lowest(&mut self, from: usize) -> Option<usize> {
        let skipped = from / 4096;
        let at = skipped + self.summary.get(skipped..)?.iter().position(|&word| word != 0)?;
        let word = at * 64 + self.summary[at].trailing_zeros() as usize;
        Some(self.take(word, self.words[word].trailing_zeros()))
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
    fn counting_by_words_is_counting() {
        let mut tallies = Tallies::new();
        let mut expected = vec![0; BLOCK];
        for round in 0..1_000_usize {
            let mut set = Bits::default();
            (0..BLOCK).filter(|at| (at * 31 + round * 17) % (1 + round % 97) == 0).for_each(|at| {
                set.add(&Bits::one(at));
            });
            set.for_each(|at| expected[at] += 1);
            tallies.count(set);
        }
        assert_eq!(tallies.take(), expected);
        assert_eq!(tallies.take(), vec![0; BLOCK]);
    }

    #[test]
    fn an_agenda_gives_in_order() {
        let numbers = [0, 1, 63, 64, 4_095, 4_096, 9_999];
        let mut agenda = Agenda::new(10_000);
        numbers.iter().rev().for_each(|&number| agenda.add(number));
        assert_eq!(std::iter::from_fn(|| agenda.take_lowest(0)).collect::<Vec<_>>(), numbers);
        numbers.iter().for_each(|&number| agenda.add(number));
        let backwards: Vec<usize> = numbers.iter().rev().copied().collect();
        assert_eq!(std::iter::from_fn(|| agenda.take_highest(9_999)).collect::<Vec<_>>(), backwards);
        assert_eq!((agenda.take_lowest(5_000), agenda.take_highest(0)), (None, None));
    }
}

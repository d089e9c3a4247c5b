//! Who has something to tell: a stack while they are few, and once they are many the order of numbers. Rows lie in memory in that order, and
//! whoever depends on something mostly has a higher number, so that it is told once; the stack would look for each row somewhere else.

use crate::graph::{BATCH, NodeNumber};

/// One word of bits is gone over in the time that this many CIs of a sparse outage take a small part of.
const WORDS_TO_ONE: usize = 128;
const FEWEST_IN_ORDER: usize = 64;

/// CIs that wait, not more than a few times each.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    stack: List,
    in_order: bool,
    /// A bit for each number; all zero unless they wait in order.
    words: Vec<u64>,
    /// The word that is looked at, and the lowest before it that has got a bit since.
    at: usize,
    lowest: usize,
}

/// A list to which an item is added or not without a branch.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    /// What lies behind the length is room.
    items: Vec<NodeNumber>,
    len: usize,
}

impl Waiting {
    /// Room for numbers below this.
    pub(super) fn of(numbers: usize) -> Self {
        Self { words: vec![0; numbers.div_ceil(64)], ..Self::default() }
    }

    #[inline]
    pub(super) fn push_if(&mut self, adds: bool, number: NodeNumber) {
        if !self.in_order {
            self.stack.push_if(adds, number);
            return;
        }
        let at = number.index() / 64;
        self.words[at] |= u64::from(adds) << (number.index() % 64);
        if adds & (at < self.at) {
            self.lowest = self.lowest.min(at);
        }
    }

    /// Takes some, and how many; none if none wait. What is behind those has been taken before or is one of them.
    #[inline]
    pub(super) fn take(&mut self, batch: &mut [NodeNumber; BATCH]) -> usize {
        if !self.in_order {
            let waiting = self.stack.all();
            if waiting.len() <= FEWEST_IN_ORDER.max(self.words.len() / WORDS_TO_ONE) {
                let rest = waiting.len().saturating_sub(BATCH);
                let taken = &waiting[rest..];
                let count = taken.len();
                batch[..count].copy_from_slice(taken);
                fill(batch, count);
                self.stack.truncate(rest);
                return count;
            }
            self.put_in_order();
        }
        let mut count = 0;
        while count < BATCH {
            match self.words.get_mut(self.at) {
                Some(0) => self.at += 1,
                Some(word) => {
                    batch[count] = NodeNumber::at(self.at * 64 + word.trailing_zeros() as usize);
                    *word &= *word - 1;
                    count += 1;
                }
                None if self.lowest == usize::MAX => break,
                None => self.at = std::mem::replace(&mut self.lowest, usize::MAX),
            }
        }
        self.in_order = count > 0;
        fill(batch, count);
        count
    }

    /// Puts a list without repetitions in the order of numbers where it is long enough for that to pay. Nothing may wait.
    pub(super) fn sort(&mut self, list: &mut List) {
        if list.len() <= FEWEST_IN_ORDER.max(self.words.len() / WORDS_TO_ONE) {
            return;
        }
        for number in list.all() {
            self.words[number.index() / 64] |= 1 << (number.index() % 64);
        }
        list.truncate(0);
        for (at, word) in self.words.iter_mut().enumerate() {
            while *word != 0 {
                list.push_if(true, NodeNumber::at(at * 64 + word.trailing_zeros() as usize));
                *word &= *word - 1;
            }
        }
    }

    fn put_in_order(&mut self) {
        (self.in_order, self.at, self.lowest) = (true, usize::MAX, usize::MAX);
        let stack = std::mem::take(&mut self.stack);
        stack.all().iter().for_each(|&number| self.push_if(true, number));
        self.stack = stack;
        self.stack.truncate(0);
        self.at = std::mem::replace(&mut self.lowest, usize::MAX);
    }
}

/// Rows of a whole batch are looked for, so the rest of it has to be CIs of the graph.
fn fill(batch: &mut [NodeNumber; BATCH], count: usize) {
    let first = batch[0];
    batch[count..].fill(first);
}

impl List {
    pub(super) fn all(&self) -> &[NodeNumber] {
        &self.items[..self.len]
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.len = len.min(self.len);
    }

    #[inline]
    pub(super) fn push_if(&mut self, adds: bool, number: NodeNumber) {
        match self.items.get_mut(self.len) {
            Some(place) => *place = number,
            None => self.items.resize((self.len * 2).max(64), number),
        }
        self.len += usize::from(adds);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn many_are_sorted_and_nothing_is_left_behind() {
        for many in [0, 3, 64, 65, 900] {
            let mut waiting = Waiting::of(1_000);
            let mut list = List::default();
            (0..many).for_each(|at| list.push_if(true, NodeNumber::at(at * 7 % 1_000)));
            waiting.sort(&mut list);
            let found: Vec<usize> = list.all().iter().map(|number| number.index()).collect();
            let mut expected: Vec<usize> = (0..many).map(|at| at * 7 % 1_000).collect();
            if many > FEWEST_IN_ORDER {
                expected.sort_unstable();
            }
            assert_eq!(found, expected, "{many}");
            assert_eq!(waiting.words.iter().sum::<u64>(), 0);
        }
    }

    /// Everything that waits is taken, also what comes while others are taken, before and behind them.
    #[test]
    fn all_are_taken_few_or_many() {
        for many in [0, 1, 17, 64, 65, 900] {
            let mut waiting = Waiting::of(1_000);
            (0..many).for_each(|at| waiting.push_if(at % 7 > 0, NodeNumber::at(at)));
            let mut expected: BTreeSet<usize> = (0..many).filter(|at| at % 7 > 0).collect();
            let (mut batch, mut taken, mut come) = ([NodeNumber::at(0); BATCH], BTreeSet::new(), vec![999, 0, 500]);
            loop {
                let count = waiting.take(&mut batch);
                if count == 0 {
                    break;
                }
                taken.extend(batch[..count].iter().map(|number| number.index()));
                if let Some(late) = come.pop() {
                    waiting.push_if(true, NodeNumber::at(late));
                    expected.insert(late);
                }
            }
            assert_eq!(taken, expected, "{many}");
            assert_eq!((waiting.in_order, waiting.words.iter().sum::<u64>()), (false, 0));
        }
    }
}

//! Sets of which an estate has millions and which mostly hold one thing or a few.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, btree_set},
    fmt,
    ops::RangeInclusive,
    slice,
};

/// More than this are kept in a tree: to add one to a list moves all that come after it.
const MOST_IN_A_LIST: usize = 64;

/// An ordered set that takes the room of what it holds, where a [`BTreeSet`] of one takes that of eleven.
#[derive(Clone)]
pub struct SmallSet<T>(Repr<T>);

#[derive(Clone)]
enum Repr<T> {
    /// Ascending.
    List(Vec<T>),
    Tree(BTreeSet<T>),
}

impl<T> SmallSet<T> {
    /// A set of nothing.
    pub const fn new() -> Self {
        Self(Repr::List(Vec::new()))
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::List(list) => list.len(),
            Repr::Tree(tree) => tree.len(),
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All, ascending.
    pub fn iter(&self) -> Iter<'_, T> {
        match &self.0 {
            Repr::List(list) => Iter::List(list.iter()),
            Repr::Tree(tree) => Iter::Tree(tree.iter()),
        }
    }
}

impl<T: Ord> SmallSet<T> {
    /// Adds one; whether it was not there yet.
    pub fn insert(&mut self, value: T) -> bool {
        match &mut self.0 {
            Repr::Tree(tree) => tree.insert(value),
            Repr::List(list) => {
                let Err(place) = list.binary_search(&value) else { return false };
                if list.len() == MOST_IN_A_LIST {
                    let mut tree: BTreeSet<T> = std::mem::take(list).into_iter().collect();
                    tree.insert(value);
                    self.0 = Repr::Tree(tree);
                    return true;
                }
                if list.len() == list.capacity() {
                    list.reserve_exact(1 + list.len() / 2);
                }
                list.insert(place, value);
                true
            }
        }
    }

    /// Removes one; whether it was there.
    pub fn remove(&mut self, value: &T) -> bool {
        match &mut self.0 {
            Repr::Tree(tree) => tree.remove(value),
            Repr::List(list) => list.binary_search(value).map(|place| list.remove(place)).is_ok(),
        }
    }

    /// Whether it holds this.
    pub fn contains(&self, value: &T) -> bool {
        match &self.0 {
            Repr::Tree(tree) => tree.contains(value),
            Repr::List(list) => list.binary_search(value).is_ok(),
        }
    }

    /// Those from one to another, both included, ascending.
    pub fn range(&self, range: RangeInclusive<T>) -> impl Iterator<Item = &T> {
        let (list, tree) = match &self.0 {
            Repr::List(list) => {
                let start = list.partition_point(|value| value < range.start());
                let end = list.partition_point(|value| value <= range.end());
                (list.get(start..end).unwrap_or_default(), None)
            }
            Repr::Tree(tree) => (&[][..], (range.start() <= range.end()).then(|| tree.range(range))),
        };
        list.iter().chain(tree.into_iter().flatten())
    }
}

/// What [`SmallSet::iter`] goes through.
#[derive(Clone, Debug)]
pub enum Iter<'s, T> {
    #[doc(hidden)]
    List(slice::Iter<'s, T>),
    #[doc(hidden)]
    Tree(btree_set::Iter<'s, T>),
}

impl<'s, T> Iterator for Iter<'s, T> {
    type Item = &'s T;

    fn next(&mut self) -> Option<&'s T> {
        match self {
            Self::List(list) => list.next(),
            Self::Tree(tree) => tree.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::List(list) => list.size_hint(),
            Self::Tree(tree) => tree.size_hint(),
        }
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<'s, T> IntoIterator for &'s SmallSet<T> {
    type Item = &'s T;
    type IntoIter = Iter<'s, T>;

    fn into_iter(self) -> Iter<'s, T> {
        self.iter()
    }
}

impl<T: Ord> FromIterator<T> for SmallSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list: Vec<T> = values.into_iter().collect();
        list.sort_unstable();
        list.dedup();
        if list.len() > MOST_IN_A_LIST {
            return Self(Repr::Tree(list.into_iter().collect()));
        }
        list.shrink_to_fit();
        Self(Repr::List(list))
    }
}

impl<T: Ord> Extend<T> for SmallSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<T> Default for SmallSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: PartialEq> PartialEq for SmallSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: Eq> Eq for SmallSet<T> {}

impl<T: Ord> PartialOrd for SmallSet<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for SmallSet<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other)
    }
}

impl<T: fmt::Debug> fmt::Debug for SmallSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_that_a_tree_is(steps in vec((any::<bool>(), 0..150_u8), 0..600), bounds in any::<[u8; 2]>()) {
            let (mut small, mut tree) = (SmallSet::new(), BTreeSet::new());
            for (adds, value) in steps {
                if adds {
                    prop_assert_eq!(small.insert(value), tree.insert(value));
                } else {
                    prop_assert_eq!(small.remove(&value), tree.remove(&value));
                }
                prop_assert_eq!((small.len(), small.is_empty()), (tree.len(), tree.is_empty()));
            }
            prop_assert!(small.iter().eq(&tree) && small.iter().len() == tree.len());
            prop_assert!((0..=u8::MAX).all(|value| small.contains(&value) == tree.contains(&value)));
            let [low, high] = bounds;
            let within: Vec<u8> = tree.iter().copied().filter(|value| (low..=high).contains(value)).collect();
            prop_assert!(small.range(low..=high).eq(&within));
            // However it came to hold what it holds.
            prop_assert_eq!(&tree.iter().rev().copied().collect::<SmallSet<u8>>(), &small);
        }
    }

    #[test]
    fn few_take_the_room_of_few() {
        let mut set = SmallSet::new();
        set.insert(1_u128);
        let Repr::List(list) = &set.0 else { panic!("a tree of one") };
        assert_eq!((list.capacity(), size_of::<SmallSet<u128>>()), (1, size_of::<Vec<u128>>() + 8));
        for value in 0..=MOST_IN_A_LIST as u128 {
            set.insert(value);
        }
        assert!(matches!(set.0, Repr::Tree(_)), "{set:?}");
    }
}

//! Vectors in pages that snapshots share: a copy is cheap, and a write copies only the pages that it touches. That is what makes a
//! write visible in a few milliseconds while older snapshots stay as they are, without an overlay that readers would have to look at.

use std::sync::Arc;

use super::NodeNumber;

const PAGE_BITS: usize = 8;
/// Items or rows in a page. More makes a write dearer, fewer makes taking a snapshot dearer.
pub(super) const PAGE: usize = 1 << PAGE_BITS;
const WITHIN: usize = PAGE - 1;

/// A vector in shared pages.
#[derive(Clone, Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T> Paged<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn at(&self, index: usize) -> &T {
        &self.pages[index >> PAGE_BITS][index & WITHIN]
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index >> PAGE_BITS)?.get(index & WITHIN)
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = &[T]> {
        self.pages.iter().map(|page| page.as_slice())
    }

    /// Adds a page: a full one, unless it is the last.
    pub(super) fn push_page(&mut self, page: Vec<T>) {
        self.len += page.len();
        self.pages.push(Arc::new(page));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// Indexes in pages that the two do not share.
    pub(super) fn unshared(&self, other: &Self) -> impl Iterator<Item = usize> {
        let len = self.len.max(other.len);
        unshared_pages(&self.pages, &other.pages).flat_map(move |page| page * PAGE..((page + 1) * PAGE).min(len))
    }
}

fn unshared_pages<T>(one: &[Arc<T>], other: &[Arc<T>]) -> impl Iterator<Item = usize> {
    let pages = one.len().max(other.len());
    (0..pages).filter(move |&page| !one.get(page).zip(other.get(page)).is_some_and(|(one, other)| Arc::ptr_eq(one, other)))
}

impl<T: Clone> Paged<T> {
    pub(super) fn push(&mut self, item: T) {
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => Arc::make_mut(page).push(item),
            _ => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(item);
                self.pages.push(Arc::new(page));
            }
        }
        self.len += 1;
    }

    pub(super) fn set(&mut self, index: usize, item: T) {
        Arc::make_mut(&mut self.pages[index >> PAGE_BITS])[index & WITHIN] = item;
    }
}

impl<T> FromIterator<T> for Paged<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        let (mut pages, mut len) = (Vec::new(), 0);
        loop {
            let mut page: Vec<T> = Vec::with_capacity(PAGE);
            page.extend(items.by_ref().take(PAGE));
            if page.is_empty() {
                return Self { pages, len };
            }
            len += page.len();
            page.shrink_to_fit();
            pages.push(Arc::new(page));
        }
    }
}

/// One row of items for each CI, in shared pages.
#[derive(Clone, Debug)]
pub(super) struct RowTable<T> {
    pages: Vec<Arc<Rows<T>>>,
}

/// The rows of one page. Where they start lies beside them, so that a row is found by one step from the page.
#[derive(Clone, Debug)]
pub(super) struct Rows<T> {
    starts: [u32; PAGE + 1],
    items: Vec<T>,
}

impl<T> Default for RowTable<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Rows<T> {
    pub(super) fn empty() -> Self {
        Self { starts: [0; PAGE + 1], items: Vec::new() }
    }

    /// Rows that start there; `None` unless the starts ascend from 0 to the number of items.
    pub(super) fn of(starts: [u32; PAGE + 1], items: Vec<T>) -> Option<Self> {
        let fit = starts[0] == 0 && starts[PAGE] as usize == items.len() && starts.is_sorted();
        fit.then_some(Self { starts, items })
    }

    pub(super) fn starts(&self) -> &[u32; PAGE + 1] {
        &self.starts
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    pub(super) fn row(&self, at: usize) -> &[T] {
        &self.items[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

impl<T> RowTable<T> {
    #[inline]
    pub(super) fn row(&self, number: NodeNumber) -> &[T] {
        self.pages[number.index() >> PAGE_BITS].row(number.index() & WITHIN)
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = &Rows<T>> {
        self.pages.iter().map(|page| &**page)
    }

    pub(super) fn push_page(&mut self, rows: Rows<T>) {
        // Tables may be nearly empty: what is empty need not be there more than once.
        let like_the_last = self.pages.last().filter(|last| last.items.is_empty() && rows.items.is_empty());
        let page = like_the_last.cloned().unwrap_or_else(|| Arc::new(rows));
        self.pages.push(page);
    }

    /// Rows, of so many, in pages that the two do not share.
    pub(super) fn unshared(&self, other: &Self, rows: usize) -> impl Iterator<Item = NodeNumber> {
        unshared_pages(&self.pages, &other.pages).flat_map(move |page| page * PAGE..((page + 1) * PAGE).min(rows)).map(NodeNumber::at)
    }

    /// Makes room for that many rows; new ones are empty.
    pub(super) fn grow(&mut self, rows: usize) {
        while self.pages.len() < rows.div_ceil(PAGE) {
            self.push_page(Rows::empty());
        }
    }
}

impl<T: Clone> RowTable<T> {
    /// Puts new rows in the place of old ones: each page that has one is made anew, all others stay shared. Of several rows with one
    /// number the last counts.
    pub(super) fn replace(&mut self, mut rows: Vec<(NodeNumber, Vec<T>)>) {
        rows.sort_by_key(|(number, _)| *number);
        for edits in rows.chunk_by(|(a, _), (b, _)| a.index() >> PAGE_BITS == b.index() >> PAGE_BITS) {
            let page = &mut self.pages[edits[0].0.index() >> PAGE_BITS];
            let more: usize = edits.iter().map(|(_, row)| row.len()).sum();
            let mut made = Rows { starts: [0; PAGE + 1], items: Vec::with_capacity(page.items.len() + more) };
            let mut edits = edits.iter().peekable();
            for at in 0..PAGE {
                let mut new = None;
                while let Some((_, row)) = edits.next_if(|(number, _)| number.index() & WITHIN == at) {
                    new = Some(row);
                }
                made.items.extend_from_slice(match new {
                    Some(row) => row,
                    None => page.row(at),
                });
                made.starts[at + 1] = made.items.len() as u32;
            }
            made.items.shrink_to_fit();
            *page = Arc::new(made);
        }
    }
}

/// Makes a [`RowTable`] row by row.
pub(super) struct RowWriter<T> {
    table: RowTable<T>,
    page: Rows<T>,
    rows: usize,
}

impl<T> RowWriter<T> {
    pub(super) fn new() -> Self {
        Self { table: RowTable::default(), page: Rows::empty(), rows: 0 }
    }

    /// Ends a row that has these items.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = T>) {
        self.page.items.extend(row);
        self.rows += 1;
        self.page.starts[self.rows] = self.page.items.len() as u32;
        if self.rows == PAGE {
            self.end_page();
        }
    }

    pub(super) fn finish(mut self) -> RowTable<T> {
        if self.rows > 0 {
            let end = self.page.items.len() as u32;
            self.page.starts[self.rows..].fill(end);
            self.end_page();
        }
        self.table
    }

    fn end_page(&mut self) {
        let mut page = std::mem::replace(&mut self.page, Rows::empty());
        page.items.shrink_to_fit();
        self.table.push_page(page);
        self.rows = 0;
    }
}

/// Numbers by 128-bit key: open addressing in shared pages. The keys themselves are where the numbers point.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyIndex {
    slots: Paged<u32>,
    /// Slots that are not free, those of removed keys included.
    used: usize,
}

const FREE: u32 = u32::MAX;
const REMOVED: u32 = u32::MAX - 1;

impl KeyIndex {
    /// An index of these, `count` of them, with room for half as many again.
    pub(super) fn of(count: usize, keys: impl IntoIterator<Item = (u128, u32)>) -> Self {
        let capacity = (count * 2).next_power_of_two().max(PAGE);
        let mut slots = vec![FREE; capacity];
        let mut used = 0;
        for (key, number) in keys {
            let mut slot = mix(key) as usize & (capacity - 1);
            while slots[slot] != FREE {
                slot = (slot + 1) & (capacity - 1);
            }
            slots[slot] = number;
            used += 1;
        }
        Self { slots: slots.into_iter().collect(), used }
    }

    pub(super) fn slots(&self) -> &Paged<u32> {
        &self.slots
    }

    /// An index that was made before; `None` if no look-up in it would end or if it has a number that is not below the bound.
    pub(super) fn of_slots(slots: Paged<u32>, bound: u32) -> Option<Self> {
        let used = slots.iter().filter(|&&slot| slot != FREE).count();
        let ends = slots.len() == 0 || slots.len().is_power_of_two() && used < slots.len();
        let leads = slots.iter().all(|&slot| slot < bound || slot == FREE || slot == REMOVED);
        (ends && leads).then_some(Self { slots, used })
    }

    pub(super) fn find(&self, key: u128, key_at: impl Fn(u32) -> Option<u128>) -> Option<u32> {
        self.slot_of(key, key_at).map(|slot| *self.slots.at(slot))
    }

    /// Whether another key fits without growing; if not, make a new index of all.
    pub(super) fn has_room(&self) -> bool {
        (self.used + 1) * 4 < self.slots.len() * 3
    }

    /// Adds a key that is not there yet. The index [`Self::has_room`].
    pub(super) fn insert(&mut self, key: u128, number: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = mix(key) as usize & mask;
        while *self.slots.at(slot) != FREE {
            slot = (slot + 1) & mask;
        }
        self.slots.set(slot, number);
        self.used += 1;
    }

    pub(super) fn remove(&mut self, key: u128, key_at: impl Fn(u32) -> Option<u128>) {
        if let Some(slot) = self.slot_of(key, key_at) {
            self.slots.set(slot, REMOVED);
        }
    }

    fn slot_of(&self, key: u128, key_at: impl Fn(u32) -> Option<u128>) -> Option<usize> {
        if self.slots.len() == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = mix(key) as usize & mask;
        loop {
            match *self.slots.at(slot) {
                FREE => return None,
                number if number != REMOVED && key_at(number) == Some(key) => return Some(slot),
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// Spreads keys that differ in few bits, as ids made one after the other do.
pub(super) fn mix(key: u128) -> u64 {
    let mut mixed = (key as u64) ^ ((key >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_copy_stays_as_it_was() {
        let mut vector: Paged<u32> = (0..1_000).collect();
        let before = vector.clone();
        vector.set(700, 7);
        vector.push(1_000);
        assert_eq!((vector.len(), *vector.at(700), *vector.at(1_000)), (1_001, 7, 1_000));
        assert_eq!((before.len(), *before.at(700), before.get(1_000)), (1_000, 700, None));
        assert!(before.iter().copied().eq(0..1_000));
    }

    #[test]
    fn rows_are_replaced_one_by_one() {
        let mut writer = RowWriter::new();
        (0..600_u32).for_each(|row| writer.push(0..row % 3));
        let mut table = writer.finish();
        let before = table.clone();
        table.grow(800);
        let new = |number: usize, row: &[u32]| (NodeNumber::at(number), row.to_vec());
        table.replace(vec![new(5, &[9, 9]), new(599, &[]), new(600, &[1]), new(799, &[2]), new(5, &[8])]);
        for row in 0..800 {
            let expected: Vec<u32> = match row {
                5 => vec![8],
                599 => Vec::new(),
                600 => vec![1],
                799 => vec![2],
                _ if row < 600 => (0..row as u32 % 3).collect(),
                _ => Vec::new(),
            };
            assert_eq!(table.row(NodeNumber::at(row)), expected, "{row}");
        }
        assert_eq!(before.row(NodeNumber::at(599)), [0, 1]);
    }

    #[test]
    fn keys_are_found_until_they_are_removed() {
        let keys: Vec<u128> = (0..1_000).map(|key| key << 64).collect();
        let key_at = |number: u32| keys.get(number as usize).copied();
        let mut index = KeyIndex::of(500, keys[..500].iter().copied().zip(0..));
        for (at, &key) in keys.iter().enumerate().skip(500) {
            if index.has_room() {
                index.insert(key, at as u32);
            }
        }
        assert!((0..700).all(|at| index.find(keys[at], key_at) == Some(at as u32)));
        index.remove(keys[3], key_at);
        assert_eq!((index.find(keys[3], key_at), index.find(keys[4], key_at), index.find(1, key_at)), (None, Some(4), None));
        assert_eq!(KeyIndex::default().find(1, key_at), None);
        assert!(!KeyIndex::default().has_room());
    }
}

//! Relationships between numbered items, and which items a set of others leads to.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::super::relation::Hop;

/// One relationship, or membership in a need group, from its dependent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The dependency's number.
    pub(super) to: u32,
    /// The type's number; [`GROUP`] for a need group's member.
    pub(super) kind: u32,
    /// Whether outages travel along it.
    pub(super) carries: bool,
}

/// Stands for the type where there is none.
pub(super) const GROUP: u32 = u32::MAX;

/// The relationships of all items, by dependent.
#[derive(Debug, Default)]
pub(super) struct Links {
    of: Vec<Box<[Link]>>,
    kinds: Vec<String>,
    kind_number: HashMap<String, u32>,
}

impl Links {
    /// A type's number.
    pub(super) fn kind(&mut self, name: &str) -> u32 {
        if let Some(number) = self.kind_number.get(name) {
            return *number;
        }
        self.kinds.push(name.to_owned());
        self.kind_number.insert(name.to_owned(), self.kinds.len() as u32 - 1);
        self.kinds.len() as u32 - 1
    }

    /// Replaces an item's relationships.
    pub(super) fn set(&mut self, from: u32, links: Vec<Link>) {
        let at = from as usize;
        if self.of.len() <= at {
            self.of.resize_with(at + 1, Box::default);
        }
        self.of[at] = links.into_boxed_slice();
    }

    /// The items that a hop connects with one of `targets`. `survivor` says as what an item counts, `active` which pass outages on.
    pub(super) fn follow(
        &self,
        hop: &Hop,
        targets: &RoaringBitmap,
        active: &RoaringBitmap,
        survivor: impl Fn(u32) -> u32,
    ) -> RoaringBitmap {
        let all = self.of.iter().enumerate().flat_map(|(from, links)| links.iter().map(move |link| (from as u32, link)));
        let all = all.map(|(from, link)| (survivor(from), survivor(link.to), link)).filter(|(from, to, _)| from != to);
        match hop {
            Hop::Step(_) | Hop::Any => {
                let follows = |from_dependent| self.kinds.iter().map(|kind| hop.follows(kind, from_dependent)).collect::<Vec<_>>();
                let (forward, backward) = (follows(true), follows(false));
                let targets = Dense::of(targets);
                let mut found = Vec::new();
                for (from, to, link) in all.filter(|(.., link)| link.kind != GROUP) {
                    if forward[link.kind as usize] && targets.has(to) {
                        found.push(from);
                    }
                    if backward[link.kind as usize] && targets.has(from) {
                        found.push(to);
                    }
                }
                found.sort_unstable();
                found.into_iter().collect()
            }
            Hop::Needs | Hop::NeededBy => {
                let carrying = all.filter(|(.., link)| link.carries);
                let steps = carrying.map(|(from, to, _)| if *hop == Hop::Needs { (to, from) } else { (from, to) });
                let next = Adjacency::of(self.of.len(), steps.collect());
                let active = Dense::of(active);
                let mut reached = vec![false; next.starts.len()];
                let mut waiting: Vec<u32> = targets.iter().collect();
                let mut found = Vec::new();
                while let Some(at) = waiting.pop() {
                    for &onward in next.row(at) {
                        if active.has(onward) && reached.get(onward as usize) == Some(&false) {
                            reached[onward as usize] = true;
                            found.push(onward);
                            waiting.push(onward);
                        }
                    }
                }
                found.sort_unstable();
                found.into_iter().collect()
            }
        }
    }
}

/// A set that is asked often.
struct Dense(Vec<bool>);

impl Dense {
    fn of(set: &RoaringBitmap) -> Self {
        let mut dense = vec![false; set.max().map_or(0, |last| last as usize + 1)];
        set.iter().for_each(|member| dense[member as usize] = true);
        Self(dense)
    }

    fn has(&self, member: u32) -> bool {
        self.0.get(member as usize) == Some(&true)
    }
}

/// Where one can go from each item, in compressed rows.
struct Adjacency {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Adjacency {
    fn of(items: usize, steps: Vec<(u32, u32)>) -> Self {
        let items = steps.iter().map(|(from, to)| (*from).max(*to) as usize + 1).max().unwrap_or(0).max(items);
        let mut starts = vec![0_u32; items + 1];
        for (from, _) in &steps {
            starts[*from as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut free = starts.clone();
        let mut ends = vec![0; steps.len()];
        for (from, to) in steps {
            ends[free[from as usize] as usize] = to;
            free[from as usize] += 1;
        }
        Self { starts, ends }
    }

    fn row(&self, at: u32) -> &[u32] {
        let range = || Some(*self.starts.get(at as usize)? as usize..*self.starts.get(at as usize + 1)? as usize);
        range().and_then(|range| self.ends.get(range)).unwrap_or_default()
    }
}

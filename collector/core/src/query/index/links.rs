//! Relationships between numbered items, and which items a set of others leads to.

use std::{collections::HashMap, sync::OnceLock};

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
    /// Where outages travel, towards dependents and towards what is needed; made when somebody asks, forgotten with every change.
    carrying: OnceLock<[Adjacency; 2]>,
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

    /// As what an item counts has changed.
    pub(super) fn forget_carrying(&mut self) {
        self.carrying = OnceLock::new();
    }

    /// Replaces an item's relationships.
    pub(super) fn set(&mut self, from: u32, links: Vec<Link>) {
        let at = from as usize;
        self.forget_carrying();
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
                let mut found = Dense::default();
                for (from, to, link) in all.filter(|(.., link)| link.kind != GROUP) {
                    if forward[link.kind as usize] && targets.has(to) {
                        found.put(from);
                    }
                    if backward[link.kind as usize] && targets.has(from) {
                        found.put(to);
                    }
                }
                found.to_set()
            }
            Hop::Needs | Hop::NeededBy => {
                let [dependents, needs] = self.carrying.get_or_init(|| {
                    let steps: Vec<(u32, u32)> = all.filter(|(.., link)| link.carries).map(|(from, to, _)| (from, to)).collect();
                    let turned = steps.iter().map(|(from, to)| (*to, *from)).collect();
                    [Adjacency::of(self.of.len(), turned), Adjacency::of(self.of.len(), steps)]
                });
                let next = if *hop == Hop::Needs { dependents } else { needs };
                let active = Dense::of(active);
                let mut found = Dense::default();
                let mut waiting: Vec<u32> = targets.iter().collect();
                while let Some(at) = waiting.pop() {
                    for &onward in next.row(at) {
                        if active.has(onward) && !found.has(onward) {
                            found.put(onward);
                            waiting.push(onward);
                        }
                    }
                }
                found.to_set()
            }
        }
    }
}

/// A set that is asked and added to often.
#[derive(Default)]
pub(super) struct Dense(Vec<bool>);

impl Dense {
    fn of(set: &RoaringBitmap) -> Self {
        let mut dense = vec![false; set.max().map_or(0, |last| last as usize + 1)];
        set.iter().for_each(|member| dense[member as usize] = true);
        Self(dense)
    }

    fn has(&self, member: u32) -> bool {
        self.0.get(member as usize) == Some(&true)
    }

    pub(super) fn put(&mut self, member: u32) {
        let at = member as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, false);
        }
        self.0[at] = true;
    }

    pub(super) fn to_set(&self) -> RoaringBitmap {
        self.0.iter().zip(0..).filter(|(is_member, _)| **is_member).map(|(_, member)| member).collect()
    }
}

/// Where one can go from each item, in compressed rows.
#[derive(Debug)]
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

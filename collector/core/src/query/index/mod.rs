//! The index behind lists and searches: follows the estate's writes and answers filters without looking at every item.
//!
//! Items are numbered; a condition becomes a set of numbers, a filter the intersection of its conditions' sets. Values are kept
//! once in a dictionary ([`values`]) with the items that have them, so that a condition on an attribute, and a text wherever it
//! occurs, looks at distinct values and never at items. What the index leaves to the estate: when agents were heard, and software.
//! It answers what [`super::Matcher`] answers, which a test compares on thousands of filters and estates.

mod evaluate;
mod links;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeSet, HashMap};

use links::{GROUP, Link, Links};
use roaring::RoaringBitmap;
use rollcall_shared::{AgentId, CiId};
use values::Values;

use super::{
    matching::is_listed,
    operand::numeric,
    relation::carries_outage,
    text::{each_text, is_searched},
};
use crate::{
    Estate,
    estate::Touched,
    model::{Ci, Lifecycle},
};

/// Names in the dictionary that no attribute can have: what else is known of an item, and of an attribute.
const NAME: &str = "\0name";
const SOURCE: &str = "\0source";
const PINNED: &str = "\0pinned";

/// Numbers changed items are remembered for, so that orders follow; whoever is further behind sorts anew.
const REMEMBERED: usize = 20_000;

/// How many merges in a row are followed, as in the graph.
const MERGES_FOLLOWED: usize = 16;

/// The index of one estate.
#[derive(Debug, Default)]
pub struct SearchIndex {
    /// The estate's mark up to which writes are in it.
    mark: u64,
    items: Vec<Item>,
    number: HashMap<CiId, u32>,
    values: Values,
    links: Links,
    /// Items that the estate has.
    known: RoaringBitmap,
    /// Those that are listed unless a filter names a state.
    listed: RoaringBitmap,
    /// Those that pass outages on.
    active: RoaringBitmap,
    in_state: HashMap<Lifecycle, RoaringBitmap>,
    of_class: HashMap<String, RoaringBitmap>,
    with_agent: RoaringBitmap,
    of_agent: HashMap<AgentId, RoaringBitmap>,
    /// Those that were merged into another.
    merged: RoaringBitmap,
    /// Numbers of changed items, the oldest first, and how many were forgotten.
    changes: Vec<u32>,
    forgotten: usize,
}

#[derive(Debug)]
struct Item {
    id: CiId,
    /// Sorted.
    values: Box<[u32]>,
    class: String,
    lifecycle: Lifecycle,
    agent: Option<AgentId>,
    merged_into: Option<u32>,
    first_seen_ms: i64,
    changed_ms: i64,
}

impl SearchIndex {
    /// The index of an estate as it is.
    pub fn from_estate(estate: &Estate) -> Self {
        let mut index = Self { mark: estate.mark(), ..Self::default() };
        for ci in estate.cis() {
            index.put_ci(estate, ci.id);
        }
        let mut dependents: BTreeSet<CiId> = estate.relationships().map(|relationship| relationship.from).collect();
        dependents.extend(estate.need_groups().map(|group| group.ci));
        for of in dependents {
            index.put_links(estate, of);
        }
        index
    }

    /// Whether it is of the estate as it is.
    pub fn is_current(&self, estate: &Estate) -> bool {
        self.mark == estate.mark()
    }

    /// Takes in what was written since, or everything if that is not known any more.
    pub fn catch_up(&mut self, estate: &Estate) {
        if self.is_current(estate) {
            return;
        }
        let (mut cis, mut dependents) = (BTreeSet::new(), BTreeSet::new());
        match estate.touched_since(self.mark) {
            Some(touched) if !self.values.is_worn() => {
                for touched in touched {
                    match touched {
                        Touched::Ci(ci) => cis.insert(ci),
                        Touched::Needs(of) => dependents.insert(of),
                    };
                }
            }
            _ => {
                // Orders made of the old numbers are told apart by this.
                let changed_before = self.changed();
                *self = Self::from_estate(estate);
                self.forgotten = changed_before + REMEMBERED + 1;
                return;
            }
        }
        cis.into_iter().for_each(|ci| self.put_ci(estate, ci));
        dependents.into_iter().for_each(|of| self.put_links(estate, of));
        self.mark = estate.mark();
    }

    /// How many items there are and were, by whose numbers a list can be kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there never was an item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item of a number.
    pub fn id(&self, number: u32) -> Option<CiId> {
        self.items.get(number as usize).map(|item| item.id)
    }

    /// The agent that reports the item of a number.
    pub fn agent(&self, number: u32) -> Option<AgentId> {
        self.items.get(number as usize).and_then(|item| item.agent)
    }

    /// Every item that the estate has.
    pub fn known(&self) -> &RoaringBitmap {
        &self.known
    }

    /// How many listed items there are of each class, without those that specialise it.
    pub fn listed_by_class(&self) -> impl Iterator<Item = (&str, u64)> {
        self.of_class.iter().map(|(class, items)| (class.as_str(), items.intersection_len(&self.listed))).filter(|(_, count)| *count > 0)
    }

    /// The place in the sequence of changed items: see [`SearchIndex::changed_since`].
    pub fn changed(&self) -> usize {
        self.forgotten + self.changes.len()
    }

    /// The numbers of items that changed since a place; `None` if that is longer ago than is remembered.
    pub fn changed_since(&self, place: usize) -> Option<&[u32]> {
        self.changes.get(place.checked_sub(self.forgotten)?..)
    }

    fn number(&mut self, id: CiId) -> u32 {
        *self.number.entry(id).or_insert_with(|| {
            self.items.push(Item {
                id,
                values: Box::default(),
                class: String::new(),
                lifecycle: Lifecycle::Retired,
                agent: None,
                merged_into: None,
                first_seen_ms: 0,
                changed_ms: 0,
            });
            (self.items.len() - 1) as u32
        })
    }

    /// Brings one item up to date.
    fn put_ci(&mut self, estate: &Estate, id: CiId) {
        let number = self.number(id);
        self.note_change(number);
        let ci = estate.ci(id);
        let values = ci.map_or_else(Vec::new, |ci| self.values_of(ci));
        let merged_into = ci.and_then(|ci| ci.merged_into).map(|into| self.number(into));
        let item = &mut self.items[number as usize];
        for &gone in item.values.iter().filter(|value| values.binary_search(value).is_err()) {
            self.values.remove(gone, number);
        }
        for &new in values.iter().filter(|value| item.values.binary_search(value).is_err()) {
            self.values.add(new, number);
        }
        item.values = values.into_boxed_slice();
        if item.merged_into != merged_into {
            item.merged_into = merged_into;
            self.links.forget_carrying();
        }

        let was_known = self.known.contains(number);
        if was_known
            && ci.is_none_or(|ci| ci.class != item.class)
            && let Some(items) = self.of_class.get_mut(&item.class)
        {
            items.remove(number);
        }
        if was_known && let Some(items) = self.in_state.get_mut(&item.lifecycle) {
            items.remove(number);
        }
        if let Some(agent) = item.agent.filter(|agent| ci.is_none_or(|ci| ci.agent != Some(*agent)))
            && let Some(items) = self.of_agent.get_mut(&agent)
        {
            items.remove(number);
            if items.is_empty() {
                self.of_agent.remove(&agent);
            }
        }
        item.agent = ci.and_then(|ci| ci.agent);
        let put = |set: &mut RoaringBitmap, is: bool| if is { set.insert(number) } else { set.remove(number) };
        put(&mut self.known, ci.is_some());
        put(&mut self.listed, ci.is_some_and(|ci| is_listed(ci.lifecycle)));
        put(&mut self.active, ci.is_some_and(|ci| ci.lifecycle == Lifecycle::Active));
        put(&mut self.with_agent, item.agent.is_some());
        put(&mut self.merged, merged_into.is_some());
        if let Some(ci) = ci {
            if item.class != ci.class {
                item.class = ci.class.to_string();
            }
            item.lifecycle = ci.lifecycle;
            item.first_seen_ms = ci.first_seen.as_millis();
            item.changed_ms = ci.valid_from.as_millis();
            match self.of_class.get_mut(&item.class) {
                Some(items) => drop(items.insert(number)),
                None => drop(self.of_class.insert(item.class.clone(), [number].into_iter().collect())),
            }
            self.in_state.entry(ci.lifecycle).or_default().insert(number);
            if let Some(agent) = ci.agent {
                self.of_agent.entry(agent).or_default().insert(number);
            }
        }
    }

    /// The numbers of a CI's values, sorted.
    fn values_of(&mut self, ci: &Ci) -> Vec<u32> {
        let mut values = Vec::with_capacity(ci.attributes.len() * 3 + 2);
        let name = self.values.name(NAME, true);
        values.push(self.values.value(name, &ci.name.to_lowercase(), None));
        let (source, pinned) = (self.values.name(SOURCE, false), self.values.name(PINNED, false));
        let mut key = String::new();
        for (attribute_name, attribute) in &ci.attributes {
            let name = self.values.name(attribute_name, is_searched(attribute_name));
            let value = attribute.value();
            match value {
                serde_json::Value::Array(members) => {
                    for member in members {
                        each_text(member, |text| values.push(self.values.value(name, &text.to_lowercase(), numeric(member))));
                    }
                }
                single => each_text(single, |text| values.push(self.values.value(name, &text.to_lowercase(), numeric(single)))),
            }
            for claim in attribute.claims() {
                values.push(self.values.value(source, &claim.source.to_string(), None));
                if claim.pinned {
                    values.push(self.values.value(pinned, "yes", None));
                }
            }
            let winner = attribute.winner();
            for (of, text) in [(SOURCE, winner.source.to_string()), (PINNED, if winner.pinned { "yes" } else { "no" }.to_owned())] {
                key.clear();
                key.extend([attribute_name.as_str(), of]);
                let name = self.values.name(&key, false);
                values.push(self.values.value(name, &text, None));
            }
        }
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Brings what one item depends on up to date.
    fn put_links(&mut self, estate: &Estate, of: CiId) {
        let from = self.number(of);
        let mut links = Vec::new();
        for relationship in estate.dependencies(of) {
            let kind = self.links.kind(&relationship.kind);
            links.push(Link { to: self.number(relationship.to), kind, carries: carries_outage(estate.catalogue(), relationship) });
        }
        for group in estate.need_groups_of(of) {
            links.extend(group.members.iter().map(|member| Link { to: self.number(*member), kind: GROUP, carries: true }));
        }
        self.links.set(from, links);
    }

    /// The item that this one was merged into, or itself.
    fn survivor(&self, mut number: u32) -> u32 {
        if !self.merged.is_empty() {
            for _ in 0..MERGES_FOLLOWED {
                match self.items[number as usize].merged_into {
                    Some(into) => number = into,
                    None => break,
                }
            }
        }
        number
    }

    fn note_change(&mut self, number: u32) {
        if self.changes.len() >= 2 * REMEMBERED {
            self.changes.drain(..REMEMBERED);
            self.forgotten += REMEMBERED;
        }
        self.changes.push(number);
    }
}

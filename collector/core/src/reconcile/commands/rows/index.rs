//! What tables name things by, and what rows of a table were about.

use std::collections::{HashMap, hash_map::Entry};

use rollcall_shared::CiId;

use super::super::recognition::{Mark, all_marks};
use crate::{
    Estate,
    model::{Ci, Lifecycle},
    observe::is_placeholder,
    reconcile::plan::Plan,
};

/// Indexes over an estate for what tables name things by, made once for a table.
#[derive(Debug, Default)]
pub struct RowIndex {
    names: HashMap<String, Vec<CiId>>,
    serials: HashMap<String, Vec<CiId>>,
    marks: HashMap<Mark, Vec<CiId>>,
}

impl RowIndex {
    /// Reads the whole estate.
    pub fn new(estate: &Estate) -> Self {
        let mut index = Self { marks: all_marks(estate), ..Self::default() };
        for ci in estate.active_cis() {
            index.names.entry(folded(&ci.name)).or_default().push(ci.id);
            if let Some(serial) = ci.text("serial").filter(|serial| !is_placeholder(serial)) {
                index.serials.entry(folded(serial)).or_default().push(ci.id);
            }
        }
        index
    }

    pub(super) fn named<'a>(&'a self, plan: &'a Plan<'_>, name: &str) -> impl Iterator<Item = &'a Ci> {
        let name = folded(name);
        let found = self.names.get(&name).into_iter().flatten().filter_map(|id| plan.ci(*id));
        found.filter(move |ci| ci.lifecycle == Lifecycle::Active && folded(&ci.name) == name)
    }

    /// Whom these mean, each with what says so.
    pub(super) fn recognised<'a>(&'a self, plan: &'a Plan<'_>, marks: &'a [Mark]) -> Vec<(&'a Ci, &'a Mark)> {
        let holders = |mark| self.marks.get(mark).into_iter().flatten().map(move |id| (*id, mark));
        let mut found: Vec<(&Ci, &Mark)> = Vec::new();
        for (id, mark) in marks.iter().flat_map(holders) {
            let ci = plan.ci(plan.standing(id)).filter(|ci| ci.lifecycle == Lifecycle::Active);
            if let Some(ci) = ci.filter(|ci| !found.iter().any(|(known, _)| known.id == ci.id)) {
                found.push((ci, mark));
            }
        }
        found
    }

    pub(super) fn with_serial<'a>(&'a self, plan: &'a Plan<'_>, serial: &str) -> impl Iterator<Item = &'a Ci> {
        let found = self.serials.get(&folded(serial)).into_iter().flatten().filter_map(|id| plan.ci(*id));
        found.filter(|ci| ci.lifecycle == Lifecycle::Active)
    }
}

pub(super) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// What the rows of a table before this one were about: two rows about one item contradict each other.
#[derive(Debug, Default)]
pub struct RowsSeen {
    /// By what would make two rows one item, hashed: a table may have a great many.
    rows: HashMap<u64, u64>,
}

impl RowsSeen {
    /// The earlier row that is about the same, if there is one.
    pub(super) fn claim(&mut self, what: &(impl std::hash::Hash + ?Sized), row: u64) -> Option<u64> {
        match self.rows.entry(hash(what)) {
            Entry::Occupied(earlier) if *earlier.get() != row => Some(*earlier.get()),
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(row);
                None
            }
        }
    }

    /// Notes the name of a row, so that other rows may refer to it before it is made.
    pub fn note_name(&mut self, name: &str) {
        self.rows.entry(hash(&("named", folded(name)))).or_default();
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.rows.contains_key(&hash(&("named", folded(name))))
    }
}

fn hash(what: &(impl std::hash::Hash + ?Sized)) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

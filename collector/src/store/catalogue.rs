//! The numbers of pieces of software, kept in memory: a machine has hundreds, and hardly one of them is new.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rollcall_core::SoftwareEntry;

use super::codec::{SoftwareRow, software_digest};

/// Numbers that are known to be committed.
#[derive(Default)]
pub(super) struct Catalogue(Mutex<HashMap<SoftwareEntry, u32>>);

/// The numbers for one commit: the known ones and those that the commit gives.
pub(super) struct Numbers<'a> {
    catalogue: &'a Catalogue,
    new: HashMap<&'a SoftwareEntry, u32>,
}

impl Catalogue {
    /// Of these, those whose number is not known, as rows with their digest, each once.
    pub(super) fn missing<'e>(&self, software: impl Iterator<Item = &'e SoftwareEntry>) -> HashMap<&'e SoftwareEntry, SoftwareRow> {
        let known = self.known();
        let mut missing = HashMap::new();
        for entry in software {
            if !known.contains_key(entry) {
                missing.entry(entry).or_insert_with(|| SoftwareRow::from(entry));
            }
        }
        missing
    }

    /// The numbers for a commit, once the database has told those of what was missing, by digest.
    pub(super) fn numbers<'a>(&'a self, missing: impl Iterator<Item = &'a SoftwareEntry>, told: &HashMap<String, u32>) -> Numbers<'a> {
        let new = missing.filter_map(|entry| Some((entry, *told.get(&software_digest(entry))?))).collect();
        Numbers { catalogue: self, new }
    }

    /// Learns the whole committed catalogue, numbered from 1.
    pub(super) fn learn_all(&self, catalogue: &[SoftwareEntry]) {
        self.known().extend((1..).zip(catalogue).map(|(number, entry)| (entry.clone(), number)));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SoftwareEntry, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers<'_> {
    /// The number of a piece of software.
    pub(super) fn of(&self, entry: &SoftwareEntry) -> Option<u32> {
        self.catalogue.known().get(entry).or_else(|| self.new.get(entry)).copied()
    }

    /// To be called once the commit is durable.
    pub(super) fn learn(self) {
        self.catalogue.known().extend(self.new.into_iter().map(|(entry, number)| (entry.clone(), number)));
    }
}

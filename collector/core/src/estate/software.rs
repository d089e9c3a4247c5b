use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;
use rollcall_shared::CiId;

use crate::model::{SoftwareEntry, SoftwareSet};

/// Software by machine and machines by software: numbers inside, one bitmap for each piece of software.
#[derive(Clone, Debug, Default)]
pub struct SoftwareIndex {
    entries: Vec<SoftwareEntry>,
    number: HashMap<SoftwareEntry, u32>,
    machines: Vec<CiId>,
    machine_number: HashMap<CiId, u32>,
    installed: HashMap<CiId, RoaringBitmap>,
    installed_on: Vec<RoaringBitmap>,
}

impl SoftwareIndex {
    /// Replaces what is on a machine.
    pub fn put<'a>(&mut self, machine: CiId, software: impl Iterator<Item = &'a SoftwareEntry>) {
        let now = software.map(|entry| self.number_of(entry)).collect();
        self.set(machine, Some(now));
    }

    /// Puts what is on many machines, named by position in `catalogue`; each piece of software is looked up once. Positions
    /// beyond it are left out.
    pub fn put_many<'a>(&mut self, catalogue: &[SoftwareEntry], installed: impl IntoIterator<Item = (CiId, &'a [u32])>) {
        let numbers: Vec<u32> = catalogue.iter().map(|entry| self.number_of(entry)).collect();
        for (machine, positions) in installed {
            let now = positions.iter().filter_map(|position| numbers.get(*position as usize).copied()).collect();
            self.set(machine, Some(now));
        }
    }

    /// Whether exactly this is on a machine.
    pub fn is(&self, machine: CiId, software: &SoftwareSet) -> bool {
        let Some(installed) = self.installed.get(&machine) else { return software.is_empty() };
        installed.len() == software.len() as u64
            && software.iter().all(|entry| self.number.get(entry).is_some_and(|number| installed.contains(*number)))
    }

    /// What is on a machine, in no order.
    pub fn of(&self, machine: CiId) -> impl Iterator<Item = &SoftwareEntry> {
        self.installed.get(&machine).into_iter().flatten().map(|number| &self.entries[number as usize])
    }

    /// How many pieces of software a machine has.
    pub fn count_of(&self, machine: CiId) -> u64 {
        self.installed.get(&machine).map_or(0, RoaringBitmap::len)
    }

    /// Every piece of software that some machine has or had, with the number of machines that have it now.
    pub fn entries(&self) -> impl Iterator<Item = (&SoftwareEntry, u64)> {
        self.entries.iter().zip(self.installed_on.iter().map(RoaringBitmap::len))
    }

    /// The machines that have software for which `wanted` says yes.
    pub fn machines_with(&self, wanted: impl Fn(&SoftwareEntry) -> bool) -> BTreeSet<CiId> {
        self.each_machine_with(wanted).collect()
    }

    /// The same, each machine once, in no order that means anything.
    pub fn each_machine_with(&self, wanted: impl Fn(&SoftwareEntry) -> bool) -> impl Iterator<Item = CiId> {
        let mut found = RoaringBitmap::new();
        for (entry, on) in self.entries.iter().zip(&self.installed_on) {
            if !on.is_empty() && wanted(entry) {
                found |= on;
            }
        }
        found.into_iter().map(|number| self.machines[number as usize])
    }

    /// Replaces what is on a machine and returns what was, `None` for a machine not known here.
    pub(super) fn set(&mut self, machine: CiId, now: Option<RoaringBitmap>) -> Option<RoaringBitmap> {
        let machine_number = *self.machine_number.entry(machine).or_insert_with(|| {
            self.machines.push(machine);
            (self.machines.len() - 1) as u32
        });
        let before = self.installed.remove(&machine);
        let empty = RoaringBitmap::new();
        let (was, is) = (before.as_ref().unwrap_or(&empty), now.as_ref().unwrap_or(&empty));
        for gone in was - is {
            self.installed_on[gone as usize].remove(machine_number);
        }
        for new in is - was {
            self.installed_on[new as usize].insert(machine_number);
        }
        if let Some(now) = now {
            self.installed.insert(machine, now);
        }
        before
    }

    /// How many entries and machines have a number, for [`Self::forget_after`].
    pub(super) fn marks(&self) -> Marks {
        Marks { entries: self.entries.len(), machines: self.machines.len() }
    }

    /// Takes back the numbers given since, once nothing uses them any more.
    pub(super) fn forget_after(&mut self, marks: Marks) {
        for entry in self.entries.drain(marks.entries.min(self.entries.len())..) {
            self.number.remove(&entry);
        }
        self.installed_on.truncate(marks.entries);
        for machine in self.machines.drain(marks.machines.min(self.machines.len())..) {
            self.machine_number.remove(&machine);
        }
    }

    pub(super) fn number_of(&mut self, entry: &SoftwareEntry) -> u32 {
        if let Some(number) = self.number.get(entry) {
            return *number;
        }
        let number = self.entries.len() as u32;
        self.entries.push(entry.clone());
        self.installed_on.push(RoaringBitmap::new());
        self.number.insert(entry.clone(), number);
        number
    }
}

/// How far the numbering had come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    entries: usize,
    machines: usize,
}

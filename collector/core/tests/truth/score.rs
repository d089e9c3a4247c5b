//! What came of it, beside what is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use rollcall_core::Estate;
use rollcall_shared::CiId;

use crate::life::Fleet;

/// How well the machines were told apart.
pub(crate) struct Score {
    pub(crate) machines: usize,
    pub(crate) items: usize,
    pub(crate) reports: usize,
    /// Sources' names for machines beyond the first of each: so many times two had to be known for one.
    pub(crate) joins: usize,
    /// Machines beyond the first that share an item.
    pub(crate) wrong: usize,
    /// Items beyond the first that a machine has.
    pub(crate) missed: usize,
    /// Open questions.
    pub(crate) asked: usize,
    explained: Vec<String>,
}

impl Score {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let mut of_item: BTreeMap<CiId, BTreeSet<usize>> = BTreeMap::new();
        let (mut missed, mut explained, mut machines) = (0, Vec::new(), 0);
        for (number, told) in fleet.told.iter().enumerate().filter(|(_, told)| !told.is_empty()) {
            machines += 1;
            let mut items: BTreeMap<CiId, BTreeSet<&str>> = BTreeMap::new();
            for (ci, names) in told {
                items.entry(standing(&fleet.estate, *ci)).or_default().extend(names.iter().map(String::as_str));
            }
            for ci in items.keys() {
                of_item.entry(*ci).or_default().insert(number);
            }
            if items.len() > 1 {
                missed += items.len() - 1;
                explained.push(explain(fleet, "missed", &[number], items.keys().copied(), &format!("{items:?}")));
            }
        }
        let mut wrong = 0;
        for (ci, numbers) in of_item.iter().filter(|(_, numbers)| numbers.len() > 1) {
            wrong += numbers.len() - 1;
            let numbers: Vec<usize> = numbers.iter().copied().collect();
            let who = numbers.iter().map(|number| format!("{:?}", fleet.told[*number])).collect::<Vec<_>>().join(" and ");
            explained.push(explain(fleet, "WRONG", &numbers, [*ci].into_iter(), &who));
        }
        Self {
            machines,
            items: of_item.len(),
            reports: fleet.reports,
            joins: fleet.names.iter().map(|names| names.len().saturating_sub(1)).sum(),
            wrong,
            missed,
            asked: fleet.estate.open_conflicts().count(),
            explained,
        }
    }

    pub(crate) fn missed_per_mille(&self) -> f64 {
        self.missed as f64 * 1_000.0 / self.joins.max(1) as f64
    }
}

fn standing(estate: &Estate, id: CiId) -> CiId {
    let mut at = id;
    for _ in 0..100 {
        match estate.ci(at).and_then(|ci| ci.merged_into) {
            Some(into) => at = into,
            None => break,
        }
    }
    at
}

fn explain(fleet: &Fleet, what: &str, numbers: &[usize], items: impl Iterator<Item = CiId>, who: &str) -> String {
    let machines = numbers.iter().map(|number| {
        let it = &fleet.machines[*number];
        format!(
            "\n    is #{number} {:?} {:?} serial {:?} uuid {:?} macs {:?} blind {}/{}",
            it.kind, it.hostname, it.serial, it.uuid, it.macs, it.agent_blind, it.program_blind
        )
    });
    let mut text = format!("{what}: {who}");
    machines.for_each(|line| text.push_str(&line));
    for item in items {
        let Some(ci) = fleet.estate.ci(item) else { continue };
        text.push_str(&format!("\n    item {} {:?} {:?}", ci.class, ci.name, ci.keys));
        for line in fleet.log.get(&item).into_iter().flatten().take(12) {
            text.push_str(&format!("\n      {line}"));
        }
        for conflict in fleet.estate.conflicts_of(item) {
            text.push_str(&format!("\n      {:?} {:?}: {}", conflict.state, conflict.kind, conflict.detail));
        }
    }
    text
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} machines in {} reports: {} items; {} merges had to happen, {} wrong, {} missed ({:.2} %), {} questions open",
            self.machines,
            self.reports,
            self.items,
            self.joins,
            self.wrong,
            self.missed,
            self.missed_per_mille() / 10.0,
            self.asked
        )?;
        const SHOWN: usize = 60;
        let (wrong, missed): (Vec<_>, Vec<_>) = self.explained.iter().partition(|line| line.starts_with("WRONG"));
        wrong.into_iter().chain(missed).take(SHOWN).try_for_each(|line| write!(f, "\n  {line}"))
    }
}

use std::collections::{HashMap, HashSet};

use rollcall_shared::CiId;

use super::hosting_machine;
use crate::{
    Estate,
    model::{Ci, Relationship},
};

/// What works or serves, and so has somebody who needs it; a person, a place or a contract does not.
const WORKING: &[&str] =
    &["machine", "network_device", "storage", "cloud_storage", "cluster", "service_instance", "web_application", "mobile_application"];
/// Relationships that say that two things work together.
const TOGETHER: &[&str] = &["connects_to", "depends_on", "uses", "mounts", "part_of", "balances_to", "runs_on"];

/// What nothing elsewhere connects to or depends on and nobody answers for, by name: no service is made of it, it has no owner. Candidates for switching
/// off, or for being asked about. A machine counts with all that runs on it.
pub fn orphans(estate: &Estate) -> Vec<&Ci> {
    let ties = ties(estate);
    found(estate, |unit| !ties.needed.contains(&unit.id) && !is_owned(estate, unit))
}

/// What is not known to work together with anything elsewhere, in either direction, by name: it does nothing, or nobody sees what it does.
pub fn isolated(estate: &Estate) -> Vec<&Ci> {
    let ties = ties(estate);
    found(estate, |unit| !ties.needed.contains(&unit.id) && !ties.needing.contains(&unit.id))
}

/// Units that something elsewhere needs, and those that need something elsewhere.
struct Ties {
    needed: HashSet<CiId>,
    needing: HashSet<CiId>,
}

fn ties(estate: &Estate) -> Ties {
    let unit: HashMap<CiId, CiId> = estate.active_cis().map(|ci| (ci.id, hosting_machine(estate, ci).unwrap_or(ci.id))).collect();
    let mut ties = Ties { needed: HashSet::new(), needing: HashSet::new() };
    for edge in estate.relationships().filter(|edge| counts(edge)) {
        if let (Some(&from), Some(&to)) = (unit.get(&edge.from), unit.get(&edge.to))
            && from != to
        {
            ties.needed.insert(to);
            // Where a guest runs says nothing about its work.
            if edge.kind != "runs_on" {
                ties.needing.insert(from);
            }
        }
    }
    ties
}

/// Whether a relationship is about work; monitoring and administration reach everything.
fn counts(edge: &Relationship) -> bool {
    TOGETHER.contains(&edge.kind.as_str()) && edge.judgement.as_ref().is_none_or(|judgement| !judgement.purpose.is_infrastructure())
}

fn is_owned(estate: &Estate, ci: &Ci) -> bool {
    ci.text("owner").is_some_and(|owner| !owner.trim().is_empty()) || estate.dependencies(ci.id).any(|edge| edge.kind == "owned_by")
}

fn found(estate: &Estate, wanted: impl Fn(&Ci) -> bool) -> Vec<&Ci> {
    let works = |ci: &Ci| WORKING.iter().any(|working| estate.is_a(ci, working));
    let stands_alone = |ci: &Ci| hosting_machine(estate, ci).is_none_or(|machine| machine == ci.id);
    let mut found: Vec<&Ci> = estate.active_cis().filter(|ci| works(ci) && stands_alone(ci) && wanted(ci)).collect();
    found.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    found
}

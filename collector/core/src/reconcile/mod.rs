//! What is known and what was observed to what changes, with reasons. Pure.
//!
//! Everything here edits drafts in a [`plan::Plan`]; what differs from the estate in the end becomes the [`ChangeSet`], so that
//! the same observation again changes nothing.

mod adopt;
mod applications;
mod certificates;
pub mod commands;
mod compare;
mod devices;
mod duplicates;
mod edges;
mod flows;
mod forwarding;
mod guests;
mod housekeeping;
mod identify;
mod import;
mod joining;
mod likeness;
mod machine;
mod names;
mod neighbours;
mod noise;
mod owner;
mod pattern;
mod plan;
mod policy;
mod precedence;
mod redundancy;
mod segments;
mod services;
mod splitting;
mod sweep;
mod upstreams;

#[cfg(test)]
mod tests;

use rollcall_shared::{CiId, Timestamp};

pub use compare::{Comparison, KeyComparison, RuleCheck, RuleVerdict, Standing, compare};
pub use duplicates::{Duplicate, Strength, duplicates};
pub use housekeeping::housekeeping;
pub use identify::{Basis, RULES, Rule};
pub use policy::Policy;
pub use sweep::{Found, Look, infer, infer_found};

use crate::{
    Estate,
    model::{AgentFacts, ChangeSet, IdSource, ImportFacts, Source},
    observe::Observed,
};

/// Plans what one document changes.
///
/// The order of steps matters within a document only: who it is, where it can be reached, what runs on it, whom it asks, whom it
/// talks to. Documents of different machines may come in any order.
pub fn reconcile(
    estate: &Estate,
    facts: &AgentFacts,
    observed: &Observed,
    now: Timestamp,
    policy: &Policy,
    ids: &mut dyn IdSource,
) -> ChangeSet {
    let mut plan = plan::Plan::new(estate, now, policy, ids);
    let machine = machine::reconcile(&mut plan, facts, observed);
    segments::reconcile(&mut plan, machine, observed, &Source::Agent);
    services::reconcile(&mut plan, machine, facts, observed);
    adopt::reconcile(&mut plan, machine, &facts.realm, observed);
    devices::reconcile(&mut plan, machine, facts, observed);
    guests::reconcile(&mut plan, machine, facts, observed);
    certificates::reconcile(&mut plan, machine, facts, observed);
    neighbours::reconcile(&mut plan, machine, facts, observed);
    upstreams::reconcile(&mut plan, machine, facts, observed);
    forwarding::reconcile(&mut plan, machine, facts, observed);
    flows::reconcile(&mut plan, machine, facts, observed);
    plan.finish()
}

/// The CI that the inventory of another program is about, and by what it is recognised; `None` if it would get a new one.
pub fn recognise_import(
    estate: &Estate,
    facts: &ImportFacts,
    observed: &Observed,
    now: Timestamp,
    policy: &Policy,
) -> Option<(CiId, String)> {
    let mut none = uuid::Uuid::nil;
    let plan = plan::Plan::new(estate, now, policy, &mut none);
    import::recognise(&plan, facts, observed)
}

/// Plans what the inventory of another program changes.
pub fn reconcile_import(
    estate: &Estate,
    facts: &ImportFacts,
    observed: &Observed,
    now: Timestamp,
    policy: &Policy,
    ids: &mut dyn IdSource,
) -> ChangeSet {
    let mut plan = plan::Plan::new(estate, now, policy, ids);
    let machine = import::reconcile(&mut plan, facts, observed);
    adopt::reconcile(&mut plan, machine, &facts.realm, observed);
    plan.finish()
}

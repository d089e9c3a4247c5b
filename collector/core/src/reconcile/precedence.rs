//! Whose word stands, over what is known already: when rules change, and when time makes a word stale.

use rollcall_shared::{CiId, Timestamp};

use super::plan::Plan;
use crate::{
    Catalogue, Estate,
    catalogue::{Governing, decide},
    model::{Ci, Claim},
};

/// The attributes of a CI whose claims would stand in another order under this catalogue at this time, with that order.
pub(super) fn reordered(estate: &Estate, catalogue: &Catalogue, ci: &Ci, now: Timestamp) -> Vec<(String, Vec<Claim>)> {
    let heard = ci.agent.and_then(|agent| estate.agent_last_seen(agent));
    let contested = ci.attributes.iter().filter(|(_, attribute)| attribute.claims().len() > 1);
    contested
        .filter_map(|(name, attribute)| {
            let governing = catalogue.rule(&ci.class, name).map_or(Governing::BuiltIn, Governing::Rule);
            let decision = decide(governing, attribute.claims().iter().cloned(), |claim| claim.confirmed_by(heard), now);
            let claims: Vec<Claim> = decision.claims.into_iter().map(|(claim, _)| claim).collect();
            let moved = claims.iter().zip(attribute.claims()).any(|(a, b)| a.source != b.source);
            moved.then(|| (name.clone(), claims))
        })
        .collect()
}

/// Brings every live item's values to what the plan's catalogue says now.
pub(super) fn settle(plan: &mut Plan<'_>, reason: &str) {
    let due: Vec<(CiId, Vec<String>)> = plan
        .estate
        .active_cis()
        .filter_map(|ci| {
            let names: Vec<String> = reordered(plan.estate, plan.catalogue(), ci, plan.now).into_iter().map(|(name, _)| name).collect();
            (!names.is_empty()).then_some((ci.id, names))
        })
        .collect();
    for (id, names) in due {
        // Putting the plan's drafts into the order of its rules is the end of every plan.
        plan.edit_ci(id, format!("{reason}: {}", names.join(", ")), |_| true);
    }
}

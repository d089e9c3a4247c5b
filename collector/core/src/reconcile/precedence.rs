//! Whose word stands, over what is known already: when rules change, and when time makes a word stale.

use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

use super::plan::Plan;
use crate::{
    Catalogue, Estate,
    catalogue::{Governing, decide},
    model::{Attribute, Ci, Claim},
};

/// The attributes of a CI whose claims would stand in another order under this catalogue at this time, with that order.
pub(super) fn reordered(estate: &Estate, catalogue: &Catalogue, ci: &Ci, now: Timestamp) -> Vec<(String, Vec<Claim>)> {
    let contested = ci.attributes.iter().filter(|(_, attribute)| attribute.claims().len() > 1);
    contested
        .filter_map(|(name, attribute)| {
            let claims = in_order(estate, catalogue, ci, name, attribute, now);
            let moved = claims.iter().zip(attribute.claims()).any(|(a, b)| a.source != b.source);
            moved.then(|| (name.clone(), claims))
        })
        .collect()
}

/// The claims of one attribute in the order in which this catalogue believes them at this time.
fn in_order(estate: &Estate, catalogue: &Catalogue, ci: &Ci, name: &str, attribute: &Attribute, now: Timestamp) -> Vec<Claim> {
    let heard = ci.agent.and_then(|agent| estate.agent_last_seen(agent));
    let governing = catalogue.rule(&ci.class, name).map_or(Governing::BuiltIn, Governing::Rule);
    let decision = decide(governing, attribute.claims().iter().cloned(), |claim| claim.confirmed_by(heard), now);
    decision.claims.into_iter().map(|(claim, _)| claim).collect()
}

/// What to tell somebody whose word on an attribute does not stand once the plan's end puts all of them in order.
pub(super) fn kept_beside(plan: &Plan<'_>, ci: &Ci, name: &str, stands: impl Fn(&Value) -> bool) -> Option<String> {
    let attribute = ci.attributes.get(name)?;
    let winner = in_order(plan.estate, plan.catalogue(), ci, name, attribute, plan.now).into_iter().next()?;
    let pinned = if winner.pinned { ", pinned," } else { "" };
    (!stands(&winner.value)).then(|| format!("kept beside: {}{pinned} says otherwise and comes first", winner.source))
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

use std::collections::BTreeMap;

use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

use super::{CommandError, Order, check_value, existing, planned, short};
use crate::{
    Estate,
    model::{ChangeSet, Ci, Lifecycle, Requirement, Sighting, Stage, TRANSITIONS, Transition, transition},
    reconcile::machine,
};

/// A CI's next step in life.
#[derive(Clone, Debug)]
pub struct LifeStep {
    /// Where it goes.
    pub to: Stage,
    /// Why, in people's words; some ways ask for it.
    pub reason: String,
    /// What else becomes known with it, claimed by the order's source: the ways say what they ask for.
    pub attributes: BTreeMap<String, Value>,
}

/// Somebody stood before it.
#[derive(Clone, Debug, Default)]
pub struct NewSighting {
    /// When; absent: now.
    pub at: Option<Timestamp>,
    /// Where, in people's words.
    pub place: String,
    /// Who saw it; empty: who writes it down.
    pub by: String,
}

/// The ways that a CI can go, with what of their needs is not met yet.
pub fn ways_from(estate: &Estate, ci: &Ci) -> Vec<(&'static Transition, Vec<Requirement>)> {
    let hardware = estate.is_a(ci, "hardware");
    let lacks = |way: &Transition| way.needs.iter().copied().filter(|need| !need.is_met(ci, hardware, "")).collect();
    // What was merged into another comes back by being split from it.
    let ways = TRANSITIONS.iter().filter(|way| way.from == ci.stage && ci.merged_into.is_none());
    ways.map(|way| (way, lacks(way))).collect()
}

/// Takes a CI to another stage of its life; a machine takes what runs on it along when it is retired or disposed of.
///
/// # Errors
/// [`CommandError`] if it does not exist, there is no such way, something the way asks for is missing, or an attribute does not fit.
pub fn enter_stage(estate: &Estate, id: CiId, step: &LifeStep, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let ci = existing(estate, id)?;
    way(estate, ci, step.to)?;
    for (name, value) in &step.attributes {
        check_value(estate, &ci.class, name, value)?;
    }
    let mut after = ci.clone();
    claim_all(&mut after, step, &order);
    let way = check_way(estate, &after, step.to, &step.reason)?;
    let reason = match step.reason.trim() {
        "" => format!("{}, says {}", way.label, order.source),
        why => format!("{}, says {}: {}", way.label, order.source, short(why)),
    };
    let crosses = ci.stage.lifecycle() != step.to.lifecycle();
    let leaves = crosses && step.to.lifecycle() == Lifecycle::Retired;
    planned(estate, &mut order, |plan, source| {
        if leaves {
            super::ci::retire_in(plan, id, &reason);
        }
        if crosses && !leaves {
            machine::revive(plan, id, &reason);
        }
        let now = plan.now;
        plan.edit_ci(id, reason, |ci| {
            for (name, value) in &step.attributes {
                machine::claim(ci, name, Some(value.clone()), source.clone(), now);
            }
            ci.enter(step.to);
            true
        });
        Ok(())
    })
}

/// The way that a CI would go, which is otherwise as it will be there.
///
/// # Errors
/// [`CommandError`] if there is no such way, or something that it asks for is missing.
pub(super) fn check_way(estate: &Estate, ci: &Ci, to: Stage, reason: &str) -> Result<&'static Transition, CommandError> {
    let way = way(estate, ci, to)?;
    let hardware = estate.is_a(ci, "hardware");
    match way.needs.iter().find(|need| !need.is_met(ci, hardware, reason)) {
        Some(need) => Err(CommandError::TransitionNeeds { name: short(&ci.name), to: to.as_str(), wanted: need.wanted() }),
        None => Ok(way),
    }
}

fn way(estate: &Estate, ci: &Ci, to: Stage) -> Result<&'static Transition, CommandError> {
    transition(ci.stage, to).filter(|_| ci.merged_into.is_none()).ok_or_else(|| {
        let allowed = ways_from(estate, ci).iter().map(|(way, _)| way.to.as_str()).collect::<Vec<_>>().join(", ");
        let allowed = if allowed.is_empty() { "nothing; it was merged into another, restore it first".to_owned() } else { allowed };
        CommandError::NoTransition { id: ci.id, name: short(&ci.name), from: ci.stage.as_str(), allowed }
    })
}

fn claim_all(ci: &mut Ci, step: &LifeStep, order: &Order<'_>) {
    for (name, value) in &step.attributes {
        machine::claim(ci, name, Some(value.clone()), order.source.clone(), order.now);
    }
}

/// Characters of a place or of who saw it.
const MOST_WORDS: usize = 200;
/// A scanner's clock may be this far ahead, milliseconds.
const CLOCK_SLACK_MS: i64 = 5 * 60_000;

/// Writes down that somebody saw it. An earlier sighting than the one that is known changes nothing.
///
/// # Errors
/// [`CommandError`] if it does not exist, a text is too long, or the time lies in the future.
pub fn record_sighting(estate: &Estate, id: CiId, new: &NewSighting, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let ci = existing(estate, id)?;
    for (what, text) in [("place", &new.place), ("by", &new.by)] {
        if text.chars().count() > MOST_WORDS {
            return Err(CommandError::BadSighting(format!("{what}: at most {MOST_WORDS} characters")));
        }
    }
    let at = new.at.unwrap_or(order.now);
    if at.millis_since(order.now) > CLOCK_SLACK_MS {
        return Err(CommandError::BadSighting(format!("at: {at} lies in the future; the collector's clock says {}", order.now)));
    }
    let source = order.source.to_string();
    let by = if new.by.trim().is_empty() { source.split_once(':').map_or(source.as_str(), |(_, name)| name) } else { new.by.trim() };
    let sighting = Sighting { at, place: new.place.trim().to_owned(), by: by.to_owned(), source: source.clone() };
    let newer = ci.sighting.as_ref().is_none_or(|known| known.at <= at);
    planned(estate, &mut order, |plan, _| {
        let place = if sighting.place.is_empty() { String::new() } else { format!(" at {:?}", short(&sighting.place)) };
        let reason = format!("seen{place} by {}", short(&sighting.by));
        if newer {
            plan.edit_ci(id, reason, |ci| ci.sighting.replace(sighting.clone()) != Some(sighting));
        }
        Ok(())
    })
}

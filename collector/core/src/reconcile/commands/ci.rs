use std::collections::BTreeMap;

use rollcall_shared::CiId;
use serde_json::Value;

use super::{
    CommandError, MOST_NAME, Order, active, check_attribute, check_name, check_required, check_value, class, existing, planned,
    recognition::{Mark, marks, recognised},
    required, short,
};
use crate::{
    Estate,
    catalogue::ClassDefinition,
    model::{Attribute, ChangeSet, Ci, Claim, ConflictKind, ConflictState, IdentityKey, IdentityKeyKind, Lifecycle, Source, Stage},
    observe::IdentityFacts,
    reconcile::{
        edges,
        identify::{self, Newcomer, Reporter, is_machine},
        machine,
        plan::Plan,
        splitting,
    },
};

/// A configuration item to be made by hand or by an import.
#[derive(Clone, Debug, Default)]
pub struct NewCi {
    /// Its class.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Its attributes, claimed by the order's source.
    pub attributes: BTreeMap<String, Value>,
    /// The id that the source knows it by, to recognise it again.
    pub external_id: Option<String>,
    /// Where its life begins; absent: in use. Not retired and not disposed of.
    pub stage: Option<Stage>,
}

/// What is to change about a configuration item.
#[derive(Clone, Debug, Default)]
pub struct CiUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new class. Attributes that the new class lacks stay and are no longer edited.
    pub class: Option<String>,
    /// What the order's source says about attributes.
    pub attributes: BTreeMap<String, AttributeEdit>,
}

/// What a source says about one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeEdit {
    /// This is the value.
    Set {
        /// The value.
        value: Value,
        /// Whether it stands against what machines report, until released.
        pin: bool,
    },
    /// The source takes its word back.
    Withdraw,
    /// The source's word stays, but no longer against what machines report. Any source may release any pin.
    Release,
}

/// Makes a configuration item. It is the first [`crate::Put::Ci`] of the result.
///
/// # Errors
/// [`CommandError`] for an unknown class or attribute, a value that does not fit, a bad name, or an external id that is taken.
pub fn create_ci(estate: &Estate, new: &NewCi, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let class = class(estate.catalogue(), &new.class)?;
    let name = check_name(&new.name)?;
    for (attribute, value) in &new.attributes {
        check_value(estate, &class.name, attribute, value)?;
    }
    check_required(estate.catalogue(), class, |name| new.attributes.contains_key(name))?;
    check_alone(estate, &marks(estate.catalogue(), &class.name, |name| new.attributes.get(name)), None)?;
    if let Some(found) = new.external_id.as_ref().map(|id| id.chars().count()).filter(|found| !(1..=MOST_NAME).contains(found)) {
        return Err(CommandError::BadExternalId { found, most: MOST_NAME });
    }
    let key = new.external_id.as_ref().map(|id| IdentityKey { kind: IdentityKeyKind::External, value: format!("{}|{id}", order.source) });
    if let Some(taken) = key.as_ref().and_then(|key| estate.with_key(key).next()) {
        let id = short(new.external_id.as_deref().unwrap_or_default());
        return Err(CommandError::ExternalIdTaken { id, ci: taken.id, name: short(&taken.name) });
    }
    let identity =
        estate.catalogue().is_a(&class.name, "machine").then(|| IdentityFacts::of_attributes(&new.attributes)).map(|mut identity| {
            if identity.hostname.is_empty() {
                identity.hostname.clone_from(&name);
            }
            identity
        });
    let stage = new.stage.unwrap_or(Stage::InUse);
    if stage.lifecycle() == Lifecycle::Retired {
        return Err(CommandError::BadBeginning(stage.as_str()));
    }
    planned(estate, &mut order, |plan, source| {
        if let Some(identity) = &identity {
            check_new(plan, identity)?;
        }
        let id = plan.new_ci(&class.name, name, key.into_iter().collect(), None, format!("made by {source}"));
        let now = plan.now;
        plan.edit_ci(id, format!("made by {source}"), |ci| {
            for (attribute, value) in &new.attributes {
                machine::claim(ci, attribute, Some(value.clone()), source.clone(), now);
            }
            if is_machine(estate, ci) {
                machine::set_claimed_keys(ci);
            }
            ci.enter(stage);
            true
        });
        Ok(())
    })
}

/// Nobody makes an item that is there already by what its class is recognised by, or makes one into another.
fn check_alone(estate: &Estate, marks: &[Mark], except: Option<CiId>) -> Result<(), CommandError> {
    match recognised(estate, marks, except) {
        Some((ci, mark)) => Err(CommandError::KnownItem { id: ci.id, name: short(&ci.name), how: mark.how() }),
        None => Ok(()),
    }
}

/// Nobody registers a machine that is there already: it is the one that is meant.
fn check_new(plan: &Plan<'_>, identity: &IdentityFacts) -> Result<(), CommandError> {
    let newcomer = Newcomer { reporter: Reporter::Entry, keys: &identity.keys, identity: Some(identity) };
    let found = identify::identify(plan, &newcomer);
    match found.machine.and_then(|id| plan.ci(id)) {
        Some(ci) => Err(CommandError::KnownMachine { id: ci.id, name: short(&ci.name), how: found.reason }),
        None => Ok(()),
    }
}

/// Changes a configuration item.
///
/// # Errors
/// [`CommandError`] if it does not exist, or for an unknown class or attribute, a value that does not fit, or a bad name.
pub fn update_ci(estate: &Estate, id: CiId, update: &CiUpdate, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let known = existing(estate, id)?;
    let class = class(estate.catalogue(), update.class.as_deref().unwrap_or(&known.class))?;
    let name = update.name.as_deref().map(check_name).transpose()?;
    for (attribute, edit) in &update.attributes {
        check_edit(estate, known, class, attribute, edit, &order.source)?;
    }
    planned(estate, &mut order, |plan, source| {
        let now = plan.now;
        plan.edit_ci(id, format!("changed by {source}"), |ci| {
            let before = ci.clone();
            ci.class.clone_from(&class.name);
            ci.name = name.unwrap_or(std::mem::take(&mut ci.name));
            for (attribute, edit) in &update.attributes {
                apply_edit(ci, attribute, edit, source, now);
            }
            if is_machine(estate, ci) && ci.agent.is_none() {
                machine::set_claimed_keys(ci);
            }
            *ci != before
        });
        let of = |ci: &Ci| marks(estate.catalogue(), &ci.class, |name| ci.value(name));
        let before = of(known);
        let mut new = plan.ci(id).map(of).unwrap_or_default();
        new.retain(|mark| !before.contains(mark));
        check_alone(estate, &new, Some(id))
    })
}

fn check_edit(
    estate: &Estate,
    ci: &Ci,
    class: &ClassDefinition,
    attribute: &str,
    edit: &AttributeEdit,
    source: &Source,
) -> Result<(), CommandError> {
    let claims = ci.attributes.get(attribute).map(Attribute::claims).unwrap_or_default();
    let has = match edit {
        AttributeEdit::Set { value, .. } => return check_value(estate, &class.name, attribute, value),
        AttributeEdit::Withdraw => claims.iter().any(|claim| claim.source == *source),
        AttributeEdit::Release => claims.iter().any(|claim| claim.pinned),
    };
    if has {
        let definition = estate.catalogue().attribute(&class.name, attribute).filter(|definition| definition.required);
        let last = *edit == AttributeEdit::Withdraw && claims.len() == 1;
        return definition.filter(|_| last).map_or(Ok(()), |definition| Err(required(class, definition)));
    }
    check_attribute(estate.catalogue(), class, attribute)?;
    Err(CommandError::NoClaim { name: short(attribute), source_name: source.to_string() })
}

fn apply_edit(ci: &mut Ci, attribute: &str, edit: &AttributeEdit, source: &Source, now: rollcall_shared::Timestamp) {
    let known = ci.attributes.remove(attribute);
    let edited = match edit {
        AttributeEdit::Set { value, pin } => {
            let claim = Claim { value: value.clone(), source: source.clone(), since: now, confirmed: now, pinned: *pin };
            match known {
                Some(mut known) => {
                    known.put(claim);
                    Some(known)
                }
                None => Attribute::from_claims([claim]),
            }
        }
        AttributeEdit::Withdraw => known.and_then(|known| known.without(source).1),
        AttributeEdit::Release => {
            known.and_then(|known| Attribute::from_claims(known.claims().iter().cloned().map(|claim| Claim { pinned: false, ..claim })))
        }
    };
    if let Some(edited) = edited {
        ci.attributes.insert(attribute.to_owned(), edited);
    }
}

/// Retires a configuration item, and with a machine what runs on it. Its relationships stay and count again if it returns.
///
/// # Errors
/// [`CommandError`] if it does not exist or is retired already.
pub fn retire_ci(estate: &Estate, id: CiId, why: &str, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    active(estate, id)?;
    planned(estate, &mut order, |plan, source| {
        let reason = if why.trim().is_empty() { format!("retired by {source}") } else { format!("retired by {source}: {}", short(why)) };
        retire_in(plan, id, &reason);
        Ok(())
    })
}

/// Retires it with what runs on it, and settles what was asked about it.
pub(super) fn retire_in(plan: &mut Plan<'_>, id: CiId, reason: &str) {
    let machine = plan.ci(id).is_some_and(|ci| is_machine(plan.estate, ci));
    let on_it = if machine { edges::services_on(plan, id).into_values().collect() } else { Vec::new() };
    for id in on_it.into_iter().chain([id]) {
        plan.edit_ci(id, reason, |ci| ci.lifecycle == Lifecycle::Active && ci.enter(Stage::Retired));
    }
    let about: Vec<_> = plan.conflicts_of(id).into_iter().filter(|it| it.state == ConflictState::Open).map(|it| (it.id, it.kind)).collect();
    for (conflict, kind) in about {
        if kind != ConflictKind::CopiedAgent {
            plan.settle_conflict(conflict, ConflictState::Settled, reason);
        }
    }
}

/// Brings a retired configuration item back, and with a machine what was retired together with it. One that was merged into another is split
/// from it again: everything is as it was before the merge, the question that led to it included; what has changed since for other reasons stays.
///
/// # Errors
/// [`CommandError`] if it does not exist or is not retired.
pub fn restore_ci(estate: &Estate, id: CiId, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let ci = existing(estate, id)?;
    if ci.lifecycle == Lifecycle::Active {
        return Err(CommandError::NotRetired { id, name: short(&ci.name) });
    }
    let merge = estate.merge_of(id).filter(|merge| ci.merged_into == Some(merge.survivor));
    if let Some(merge) = merge.filter(|merge| estate.ci(merge.survivor).is_some_and(|survivor| survivor.merged_into.is_some())) {
        return Err(CommandError::MergedOn { id, name: short(&ci.name), survivor: merge.survivor });
    }
    planned(estate, &mut order, |plan, source| {
        if let Some(merge) = merge {
            splitting::split(plan, merge, &format!("split again by {source}"));
            return Ok(());
        }
        let into = ci.merged_into;
        let reason = if into.is_some() { format!("split again by {source}") } else { format!("restored by {source}") };
        machine::revive(plan, id, &reason);
        if let Some(into) = into {
            split(plan, ci, into, &reason);
        }
        Ok(())
    })
}

/// The other CI gives back what tells the two apart: the agent and its addresses. That the two are not the same is remembered.
fn split(plan: &mut Plan<'_>, ci: &Ci, from: CiId, reason: &str) {
    if let Some(agent) = ci.agent.filter(|_| is_machine(plan.estate, ci)) {
        plan.bind(agent, ci.id, reason.to_owned());
        plan.edit_ci(from, reason, |other| {
            let reported = other.agent == Some(agent);
            if reported {
                other.agent = None;
            }
            let before = other.keys.len();
            other.keys.retain(|key| key.kind != IdentityKeyKind::AddressInRealm || !ci.keys.contains(key));
            reported || before != other.keys.len()
        });
    }
    let asked = plan.conflicts_of(from).into_iter().find(|it| it.known == ci.id || it.other == Some(ci.id)).map(|it| it.id);
    let id = match asked {
        Some(id) => Some(id),
        None => plan.open_conflict(ConflictKind::PossibleDuplicate, from, Some(ci.id), ci.agent, reason.to_owned()),
    };
    if let Some(id) = id {
        plan.settle_conflict(id, ConflictState::KeptApart, reason);
    }
}

//! What asset managers declare: relationships, and needs that several providers meet together.

use axum::{extract::Path, response::Response};
use rollcall_core::{
    Estate, MinUp,
    reconcile::commands::{self, NeedGroupValues},
};
use rollcall_shared::{CiId, NeedGroupId, RelationshipId, catalogue::Hardness};

use crate::{
    api::relationships::ends,
    store::Role,
    web::{
        confirm::Confirmation,
        format::count,
        item::find,
        problem::Problem,
        visitor::{Form, Part, refused, settled},
    },
};

/// `POST /items/{id}/relationships`
pub(in crate::web) async fn declare_relationship(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let back = format!("/items/{id}?view=dependencies&declare=relationship");
    let other = match named(&form.visitor.app.estate(), form.fields.get("other")) {
        Ok(other) => other,
        Err(problem) => return Ok(refused(&back, problem)),
    };
    let (kind, reverse) = match form.fields.get("kind").split_once(':') {
        Some((kind, _)) => (kind.to_owned(), true),
        None => (form.fields.get("kind").to_owned(), false),
    };
    let (from, to) = if reverse { (other, id) } else { (id, other) };
    let note = form.fields.get("detail").to_owned();
    let audited = format!("{kind}: {from} to {to}");
    let result = form
        .visitor
        .order("relationship.declare", id, audited, move |estate, order| {
            commands::declare_relationship(estate, &kind, from, to, None, &note, order)
        })
        .await;
    settled(result, &format!("/items/{id}?view=dependencies"), "The dependency is declared.", &back)
}

/// The active item of that id, or the only one of that name.
fn named(estate: &Estate, text: &str) -> Result<CiId, String> {
    if let Ok(id) = text.parse::<CiId>() {
        return estate.ci(id).map(|ci| ci.id).ok_or_else(|| format!("There is no item with the id {id}."));
    }
    let wanted = text.to_lowercase();
    let found: Vec<CiId> = estate.active_cis().filter(|ci| ci.name.to_lowercase() == wanted).map(|ci| ci.id).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(format!("There is no item called “{text}”. Choose one of the names that are offered while you type.")),
        several => Err(format!(
            "{} items are called “{text}”. Open the one you mean and use its id, which its page shows under Record.",
            count(several.len() as u64)
        )),
    }
}

/// `POST /items/{id}/relationships/{relationship}/retire`
pub(in crate::web) async fn retire_relationship(Path((id, relationship)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let relationship: RelationshipId = relationship.parse().map_err(|_| Problem::not_found("There is no such relationship."))?;
    let page = format!("/items/{id}?view=dependencies");
    if let Some(ask) = form.unless_confirmed(|| {
        let says = "The relationship goes, unless somebody else says it too. Its history stays.";
        Confirmation::new(Part::Inventory, "Withdraw this declaration?".to_owned(), says, "Withdraw", page.as_str())
    }) {
        return Ok(ask);
    }
    let between = ends(&form.visitor.app.estate(), relationship);
    let result = form
        .visitor
        .order("relationship.retire", relationship, between, move |estate, order| {
            commands::retire_relationship(estate, relationship, order)
        })
        .await;
    settled(result, &page, "The declaration is withdrawn.", &page)
}

/// `POST /items/{id}/relationships/{relationship}/hardness`: a person's word on how badly it is needed, against what it was taken for; or back to
/// that.
pub(in crate::web) async fn set_hardness(Path((id, relationship)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let relationship: RelationshipId = relationship.parse().map_err(|_| Problem::not_found("There is no such relationship."))?;
    let page = format!("/items/{id}?view=dependencies");
    let word = form.fields.get("hardness");
    let known = [("hard", Hardness::Hard), ("soft", Hardness::Soft), ("none", Hardness::None)];
    let hardness = known.into_iter().find(|(name, _)| *name == word).map(|(_, hardness)| hardness);
    let said = match (hardness, word) {
        (Some(_), _) => "It counts as you say, whatever is observed later.",
        (None, "evidence") => "It counts again as the evidence says.",
        _ => return Ok(refused(&page, "Say what happens if it fails: down, degraded or nothing, or what the evidence says.")),
    };
    let result = form
        .visitor
        .order("relationship.set_hardness", relationship, word.to_owned(), move |estate, order| {
            commands::set_hardness(estate, relationship, hardness, order)
        })
        .await;
    settled(result, &page, said, &page)
}

/// `POST /items/{id}/need-groups`
pub(in crate::web) async fn declare_group(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let back = format!("/items/{id}?view=dependencies&declare=group");
    let Ok(min_up) = form.fields.get("min_up").parse::<u32>() else {
        return Ok(refused(&back, "Say how many must serve, as a number."));
    };
    let values = NeedGroupValues {
        name: form.fields.get("name").to_owned(),
        members: form.fields.cis("member"),
        min_up: MinUp::Count(min_up),
        hardness: if form.fields.get("hardness") == "soft" { Hardness::Soft } else { Hardness::Hard },
    };
    if values.members.len() < 2 {
        return Ok(refused(&back, "Choose at least two that stand in for each other."));
    }
    let audited = values.name.clone();
    let result = form
        .visitor
        .order("need_group.declare", id, audited, move |estate, order| commands::declare_need_group(estate, id, &values, order))
        .await;
    settled(result, &format!("/items/{id}?view=dependencies"), "The redundancy is declared.", &back)
}

/// `POST /items/{id}/need-groups/{group}/retire`
pub(in crate::web) async fn retire_group(Path((id, group)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let group: NeedGroupId = group.parse().map_err(|_| Problem::not_found("There is no such group."))?;
    let page = format!("/items/{id}?view=dependencies");
    if let Some(ask) = form.unless_confirmed(|| {
        let says = "Each dependency then counts for itself. The history of the group stays.";
        Confirmation::new(Part::Inventory, "Remove this group?".to_owned(), says, "Remove", page.as_str())
    }) {
        return Ok(ask);
    }
    let result =
        form.visitor.order("need_group.retire", group, "", move |estate, order| commands::retire_need_group(estate, group, order)).await;
    settled(result, &page, "The group is removed; each dependency counts for itself.", &page)
}

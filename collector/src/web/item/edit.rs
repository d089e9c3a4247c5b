//! What people say about an item: owner, location, criticality, description; adding and retiring one.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_core::{
    Attribute, Ci, Put, Source,
    catalogue::AttributeDefinition,
    reconcile::commands::{self, AttributeEdit, CiUpdate, NewCi},
};
use rollcall_shared::CiId;
use serde_json::Value;

use super::{
    Head, find,
    inputs::{Input, editable, field_name, read},
    no_such_item,
};
use crate::{
    store::Role,
    web::{
        confirm::Confirmation,
        problem::{Problem, sentence},
        visitor::{Form, Part, Shell, Visitor, done, outdated, refused, settled},
        words,
    },
    writer::WriteError,
};

/// What retiring does.
pub(super) const LEAVES: &str = "It leaves lists, graph and impact. Its history stays, and it can be taken into use again.";

/// Where the form for a new item stands.
const NEW: &str = "/items/new";

#[derive(Template)]
#[template(path = "item_edit.html")]
struct Page {
    shell: Shell,
    head: Head,
    version: u32,
    fields: Vec<Input>,
}

pub(super) fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    visitor.require(Role::AssetManager)?;
    let shell = visitor.shell(Part::Inventory);
    let said = visitor.typed(format_args!("/items/{id}/edit")).fields();
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        let field = |attribute: &AttributeDefinition| {
            let known = ci.attributes.get(&attribute.name);
            let input = Input::new(&estate, attribute, known.map(Attribute::value), known.is_some_and(|known| known.winner().pinned));
            match said {
                Some(said) => input.said(said),
                None => input,
            }
        };
        Page {
            shell,
            head: Head::new(&estate, ci, "edit", visitor.now),
            version: ci.version,
            fields: editable(estate.catalogue(), &ci.class).into_iter().map(field).collect(),
        }
    };
    Ok(visitor.page(&page))
}

/// `POST /items/{id}/edit`
pub(in crate::web) async fn save(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let (page, back) = (format!("/items/{id}"), format!("/items/{id}?view=edit"));
    let mut wrong = Vec::new();
    let attributes = {
        let estate = form.visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        if form.fields.get("version") != ci.version.to_string() {
            return Ok(outdated(&back, "It changed while you were editing. Here is how it stands now; please make your change again."));
        }
        let pins: BTreeSet<&str> = form.fields.all("pin").collect();
        let source = form.visitor.actor.source();
        let mut attributes = BTreeMap::new();
        // A form that does not have the field says nothing about it.
        for attribute in
            editable(estate.catalogue(), &ci.class).into_iter().filter(|attribute| form.fields.has(&field_name(&attribute.name)))
        {
            match read(&estate, attribute, form.fields.get(&field_name(&attribute.name))) {
                Ok(value) => {
                    let edit = edit_of(ci, &source, &attribute.name, value, pins.contains(attribute.name.as_str()));
                    attributes.extend(edit.map(|edit| (attribute.name.clone(), edit)));
                }
                Err(problem) => wrong.push(problem),
            }
        }
        attributes
    };
    if !wrong.is_empty() {
        return Ok(refused(&back, sentence(&wrong.join("; "))));
    }
    if attributes.is_empty() {
        return Ok(done(&page, "Nothing was different, so nothing changed."));
    }
    let changed = attributes.keys().cloned().collect::<Vec<_>>().join(", ");
    let update = CiUpdate { attributes, ..CiUpdate::default() };
    let result = form.visitor.order("ci.update", id, changed, move |estate, order| commands::update_ci(estate, id, &update, order)).await;
    settled(result, &page, "Saved.", &back)
}

/// What the form says about one attribute; `None` if that is what stands.
fn edit_of(ci: &Ci, source: &Source, name: &str, value: Option<Value>, pin: bool) -> Option<AttributeEdit> {
    let attribute = ci.attributes.get(name);
    let stands = attribute.map(Attribute::value).filter(|value| value.as_str() != Some("")) == value.as_ref();
    let pinned = attribute.is_some_and(|attribute| attribute.winner().pinned);
    if stands && pin == pinned {
        return None;
    }
    let claims_itself = attribute.is_some_and(|attribute| attribute.claims().iter().any(|claim| claim.source == *source));
    match value {
        // Only one's own word can be taken back; what others say stays.
        None => claims_itself.then_some(AttributeEdit::Withdraw),
        Some(_) if stands && pinned && !pin => Some(AttributeEdit::Release),
        Some(value) => Some(AttributeEdit::Set { value, pin }),
    }
}

/// `POST /items/{id}/retire`
pub(in crate::web) async fn retire(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let reason = form.fields.get("reason").to_owned();
    let page = format!("/items/{id}");
    if reason.is_empty() {
        return Ok(refused(&format!("{page}?view=edit"), "Say why it is retired; its history keeps the reason."));
    }
    if let Some(ask) = form.unless_confirmed(|| {
        let name = words::name(&form.visitor.app.estate(), id);
        Confirmation::new(Part::Inventory, format!("Retire {name}?"), LEAVES, "Retire", format!("{page}?view=edit"))
    }) {
        return Ok(ask);
    }
    let audited = reason.clone();
    let result = form.visitor.order("ci.retire", id, audited, move |estate, order| commands::retire_ci(estate, id, &reason, order)).await;
    settled(result, &page, "It is retired. Its history stays.", &page)
}

/// `POST /items/{id}/restore`
pub(in crate::web) async fn restore(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let page = format!("/items/{id}");
    let (name, merged_into) = {
        let estate = form.visitor.app.estate();
        (words::name(&estate, id), estate.ci(id).and_then(|ci| ci.merged_into))
    };
    if let Some(into) = merged_into
        && let Some(ask) = form.unless_confirmed(|| {
            let (title, back) = (format!("Split {name} off again?"), format!("/items/{into}?view=identity"));
            Confirmation::new(Part::Inventory, title, "Both items are as they were before the merge.", "Split off again", back)
        })
    {
        return Ok(ask);
    }
    let result = form.visitor.order("ci.restore", id, "", move |estate, order| commands::restore_ci(estate, id, order)).await;
    settled(result, &page, "It is active again.", &page)
}

/// `POST /items`
pub(in crate::web) async fn create(form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let class = form.fields.get("class").to_owned();
    let (mut attributes, mut wrong) = (BTreeMap::new(), Vec::new());
    {
        let estate = form.visitor.app.estate();
        for attribute in editable(estate.catalogue(), &class) {
            match read(&estate, attribute, form.fields.get(&field_name(&attribute.name))) {
                Ok(value) => attributes.extend(value.map(|value| (attribute.name.clone(), value))),
                Err(problem) => wrong.push(problem),
            }
        }
    }
    if !wrong.is_empty() {
        return Ok(refused(NEW, sentence(&wrong.join("; "))));
    }
    let new = NewCi { class, name: form.fields.get("name").to_owned(), attributes, external_id: None, stage: None };
    let name = new.name.clone();
    let result =
        form.visitor.order("ci.create", &name, new.class.clone(), move |estate, order| commands::create_ci(estate, &new, order)).await;
    let committed = match result {
        Ok(committed) => committed,
        Err(WriteError::Refused(problem)) => return Ok(refused(NEW, sentence(&problem.message))),
        Err(error) => return Err(error.into()),
    };
    let made = committed.changes.changes.iter().find_map(|change| match &change.put {
        Put::Ci(ci) => Some(ci.id),
        _ => None,
    });
    Ok(done(&made.map_or_else(|| "/items".to_owned(), |id| format!("/items/{id}")), format!("{name} is added.")))
}

#[cfg(test)]
mod tests {
    use rollcall_core::{Claim, Lifecycle};
    use rollcall_shared::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn item(claims: Vec<Claim>) -> Ci {
        Ci {
            id: CiId(Uuid::nil()),
            class: "server".into(),
            name: "db01".into(),
            lifecycle: Lifecycle::Active,
            stage: rollcall_core::Stage::InUse,
            sighting: None,
            attributes: Attribute::from_claims(claims).map(|attribute| ("owner".to_owned(), attribute)).into_iter().collect(),
            keys: Vec::new(),
            agent: None,
            merged_into: None,
            first_seen: Timestamp::default(),
            valid_from: Timestamp::default(),
            version: 1,
        }
    }

    #[test]
    fn a_form_changes_only_what_it_says_differently() {
        let ada = Source::User("ada".into());
        let claim = |value: &str, source: &Source, pinned| Claim {
            value: value.into(),
            source: source.clone(),
            since: Timestamp::default(),
            confirmed: Timestamp::default(),
            pinned,
        };
        let set = |value: &str, pin| Some(AttributeEdit::Set { value: value.into(), pin });
        let none = item(vec![]);
        let mine = item(vec![claim("A", &ada, false)]);
        let pinned = item(vec![claim("A", &ada, true)]);
        let theirs = item(vec![claim("A", &Source::Agent, false)]);
        for (ci, value, pin, expected) in [
            (&none, "", false, None),
            (&none, "B", false, set("B", false)),
            (&mine, "A", false, None),
            (&mine, "A", true, set("A", true)),
            (&mine, "", false, Some(AttributeEdit::Withdraw)),
            (&pinned, "A", false, Some(AttributeEdit::Release)),
            (&theirs, "", false, None),
            (&theirs, "B", true, set("B", true)),
        ] {
            let said = (!value.is_empty()).then(|| Value::from(value));
            assert_eq!(edit_of(ci, &ada, "owner", said, pin), expected, "{value:?} {pin}");
        }
    }
}

//! What people say about an item: owner, location, criticality, description; adding and retiring one.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_core::{
    Ci, Put, Source,
    reconcile::commands::{self, AttributeEdit, CiUpdate, NewCi},
};
use rollcall_shared::CiId;
use serde_json::Value;

use super::{Head, find, no_such_item};
use crate::{
    store::Role,
    web::{
        problem::{Problem, sentence},
        visitor::{Form, Part, Shell, Visitor, done, refused, settled},
    },
    writer::WriteError,
};

/// What people fill in, with a hint.
const FIELDS: [(&str, &str); 4] = [
    ("owner", "The person or team that answers for it."),
    ("location", "Room, rack or site."),
    ("criticality", "How bad it is if it fails."),
    ("description", ""),
];

const CRITICALITIES: [&str; 4] = ["low", "medium", "high", "critical"];

#[derive(Template)]
#[template(path = "item_edit.html")]
struct Page {
    shell: Shell,
    head: Head,
    version: u32,
    fields: Vec<Field>,
}

struct Field {
    name: &'static str,
    label: String,
    hint: &'static str,
    value: String,
    pinned: bool,
    long: bool,
    choices: Vec<String>,
}

pub(super) fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    visitor.require(Role::AssetManager)?;
    let shell = visitor.shell(Part::Inventory);
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        let used = |name: &str| -> Vec<String> {
            let values: BTreeSet<&str> = estate.active_cis().filter_map(|ci| ci.text(name)).take(5_000).collect();
            values.into_iter().take(200).map(str::to_owned).collect()
        };
        let field = |(name, hint): (&'static str, &'static str)| Field {
            name,
            label: estate.catalogue().attribute(&ci.class, name).map_or(name, |attribute| &attribute.label).to_owned(),
            hint,
            value: ci.text(name).unwrap_or_default().to_owned(),
            pinned: ci.attributes.get(name).is_some_and(|attribute| attribute.winner().pinned),
            long: name == "description",
            choices: match name {
                "criticality" => CRITICALITIES.map(str::to_owned).to_vec(),
                "description" => Vec::new(),
                _ => used(name),
            },
        };
        Page {
            shell,
            head: Head::new(&estate, ci, "edit", visitor.now),
            version: ci.version,
            fields: FIELDS.into_iter().map(field).collect(),
        }
    };
    Ok(visitor.page(&page))
}

/// `POST /items/{id}/edit`
pub(in crate::web) async fn save(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let (page, back) = (format!("/items/{id}"), format!("/items/{id}?view=edit"));
    let attributes = {
        let estate = form.visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        if form.fields.get("version") != ci.version.to_string() {
            return Ok(refused(&back, "It changed while you were editing. Here is how it stands now; please make your change again."));
        }
        let pins: BTreeSet<&str> = form.fields.all("pin").collect();
        let source = form.visitor.actor.source();
        let edit =
            |(name, _): (&'static str, _)| Some((name.to_owned(), edit_of(ci, &source, name, form.fields.get(name), pins.contains(name))?));
        FIELDS.into_iter().filter_map(edit).collect::<BTreeMap<String, AttributeEdit>>()
    };
    if attributes.is_empty() {
        return Ok(done(&page, "Nothing was different, so nothing changed."));
    }
    let changed = attributes.keys().cloned().collect::<Vec<_>>().join(", ");
    let update = CiUpdate { attributes, ..CiUpdate::default() };
    let result = form.visitor.order("ci.update", id, changed, move |estate, order| commands::update_ci(estate, id, &update, order)).await;
    settled(result, &page, "Saved.", &back)
}

/// What the form says about one attribute; `None` if that is what stands.
fn edit_of(ci: &Ci, source: &Source, name: &str, value: &str, pin: bool) -> Option<AttributeEdit> {
    let attribute = ci.attributes.get(name);
    let stands = ci.text(name).unwrap_or_default();
    let pinned = attribute.is_some_and(|attribute| attribute.winner().pinned);
    if value == stands && pin == pinned {
        return None;
    }
    let claims_itself = attribute.is_some_and(|attribute| attribute.claims().iter().any(|claim| claim.source == *source));
    match (value.is_empty(), value == stands && pinned && !pin) {
        // Only one's own word can be taken back; what others say stays.
        (true, _) => claims_itself.then_some(AttributeEdit::Withdraw),
        (false, true) => Some(AttributeEdit::Release),
        (false, false) => Some(AttributeEdit::Set { value: Value::from(value), pin }),
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
    let audited = reason.clone();
    let result = form.visitor.order("ci.retire", id, audited, move |estate, order| commands::retire_ci(estate, id, &reason, order)).await;
    settled(result, &page, "It is retired. Its history stays.", &page)
}

/// `POST /items/{id}/restore`
pub(in crate::web) async fn restore(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let page = format!("/items/{id}");
    let result = form.visitor.order("ci.restore", id, "", move |estate, order| commands::restore_ci(estate, id, order)).await;
    settled(result, &page, "It is active again.", &page)
}

/// `POST /items`
pub(in crate::web) async fn create(form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let attributes = FIELDS.iter().filter_map(|(name, _)| {
        let value = form.fields.get(name);
        (!value.is_empty()).then(|| ((*name).to_owned(), Value::from(value)))
    });
    let new = NewCi {
        class: form.fields.get("class").to_owned(),
        name: form.fields.get("name").to_owned(),
        attributes: attributes.collect(),
        external_id: None,
        stage: None,
    };
    let name = new.name.clone();
    let result =
        form.visitor.order("ci.create", &name, new.class.clone(), move |estate, order| commands::create_ci(estate, &new, order)).await;
    let committed = match result {
        Ok(committed) => committed,
        Err(WriteError::Refused(problem)) => return Ok(refused("/items/new", sentence(&problem.message))),
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
    use rollcall_core::{Attribute, Claim, Lifecycle};
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
            assert_eq!(edit_of(ci, &ada, "owner", value, pin), expected, "{value:?} {pin}");
        }
    }
}

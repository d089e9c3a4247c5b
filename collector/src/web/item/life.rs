//! The item's life: where it can go from where it is, and when somebody last stood before it.

use std::collections::BTreeMap;

use axum::{extract::Path, response::Response};
use rollcall_core::{
    Ci, Estate, Requirement, Stage,
    reconcile::commands::{self, LifeStep, NewSighting},
};
use rollcall_shared::Timestamp;
use serde_json::Value;

use super::{edit::LEAVES, find};
use crate::{
    store::Role,
    web::{
        confirm::Confirmation,
        format::When,
        problem::Problem,
        visitor::{Form, Part, settled},
        words,
    },
};

/// What the summary shows of an item's life.
pub(super) struct Life {
    /// Where it is.
    pub(super) stage: &'static str,
    /// Whether that counts in graph and impact.
    pub(super) counts: bool,
    /// Where it can go.
    pub(super) ways: Vec<Way>,
    /// Whether it is a thing that one can stand before, stock and repair.
    pub(super) is_hardware: bool,
    /// Where, by whom and when somebody last stood before it.
    pub(super) sighting: Option<(String, String, When)>,
}

/// One way it can go.
pub(super) struct Way {
    pub(super) to: &'static str,
    pub(super) label: &'static str,
    pub(super) asks_reason: bool,
    pub(super) fields: Vec<Field>,
    /// Whether one of the fields is enough.
    pub(super) any: bool,
}

/// An attribute that a way asks for.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) kind: &'static str,
}

impl Life {
    pub(super) fn of(estate: &Estate, ci: &Ci, now: Timestamp) -> Self {
        let is_hardware = estate.is_a(ci, "hardware");
        // A service or a contract is not sent to repair.
        let fits = |to: Stage| is_hardware || !matches!(to, Stage::Ordered | Stage::InStock | Stage::InRepair);
        let ways = commands::ways_from(estate, ci).into_iter().filter(|(way, _)| fits(way.to)).map(|(way, lacks)| {
            let asked = |need: &Requirement| -> Vec<&'static str> {
                match need {
                    Requirement::Reason => Vec::new(),
                    Requirement::Attribute(name) => vec![name],
                    // Free text; to refer to a person, one takes the API.
                    Requirement::OneOfHardware(names) => names.iter().copied().filter(|name| *name != "assigned_to").collect(),
                }
            };
            Way {
                to: way.to.as_str(),
                label: way.label,
                asks_reason: lacks.contains(&Requirement::Reason),
                fields: lacks.iter().flat_map(asked).map(|name| field(estate, ci, name)).collect(),
                any: lacks.iter().any(|need| matches!(need, Requirement::OneOfHardware(_))),
            }
        });
        Self {
            stage: ci.stage.label(),
            counts: ci.takes_part(),
            ways: ways.collect(),
            is_hardware,
            sighting: ci.sighting.as_ref().map(|it| (it.place.clone(), it.by.clone(), When::new(it.at, now))),
        }
    }
}

fn field(estate: &Estate, ci: &Ci, name: &'static str) -> Field {
    let known = estate.catalogue().attribute(&ci.class, name);
    let date = known.is_some_and(|attribute| attribute.kind == rollcall_core::catalogue::AttributeKind::Date);
    Field {
        name,
        label: known.map_or_else(|| name.replace('_', " "), |attribute| attribute.label.clone()),
        kind: if date { "date" } else { "text" },
    }
}

/// `POST /items/{id}/lifecycle`
pub(in crate::web) async fn enter_stage(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let to = Stage::parse(form.fields.get("to")).ok_or_else(|| Problem::invalid("There is no such stage."))?;
    let asked = ["disposed_on", "disposal_reason", "owner", "location"];
    let given = asked.into_iter().map(|name| (name.to_owned(), form.fields.get(name))).filter(|(_, value)| !value.is_empty());
    let attributes: BTreeMap<String, Value> = given.map(|(name, value)| (name, Value::from(value))).collect();
    let step = LifeStep { to, reason: form.fields.get("reason").to_owned(), attributes };
    let page = format!("/items/{id}");
    if matches!(to, Stage::Retired | Stage::Disposed)
        && let Some(ask) = form.unless_confirmed(|| {
            let name = words::name(&form.visitor.app.estate(), id);
            let (title, button) = match to {
                Stage::Disposed => (format!("Note that {name} was disposed of?"), "It was disposed of"),
                _ => (format!("Retire {name}?"), "Retire"),
            };
            Confirmation::new(Part::Inventory, title, LEAVES, button, page.as_str())
        })
    {
        return Ok(ask);
    }
    let audited = format!("{} {}", to.as_str(), step.reason);
    let result =
        form.visitor.order("ci.lifecycle", id, audited, move |estate, order| commands::enter_stage(estate, id, &step, order)).await;
    settled(result, &page, &format!("It is now: {}.", to.label().to_lowercase()), &page)
}

/// `POST /items/{id}/sightings`
pub(in crate::web) async fn record_sighting(Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::AssetManager)?;
    let id = find(&form.visitor, &id)?;
    let new = NewSighting { at: None, place: form.fields.get("place").to_owned(), by: String::new() };
    let page = format!("/items/{id}");
    let audited = new.place.clone();
    let result =
        form.visitor.order("ci.sighting", id, audited, move |estate, order| commands::record_sighting(estate, id, &new, order)).await;
    settled(result, &page, "Noted: you have seen it.", &page)
}

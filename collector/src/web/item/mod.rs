//! `GET /items/{id}`: everything about one configuration item, in views.

mod dependencies;
mod edit;
mod hardware;
mod history;
mod identity;
pub(super) mod inputs;
mod life;
mod software;
mod summary;

use axum::{extract::Path, response::Response};
pub(super) use dependencies::{declare_group, declare_relationship, retire_group, retire_relationship, set_hardness};
pub(super) use edit::{create, restore, retire, save};
pub(super) use life::{enter_stage, record_sighting};
use rollcall_core::{Ci, Estate, Lifecycle, Stage};
use rollcall_shared::{CiId, Timestamp};

use super::{
    fields::link,
    format::{absolute, count, relative},
    problem::Problem,
    visitor::Visitor,
    words,
};
use crate::query;

/// What every view of an item shows at its top.
struct Head {
    id: CiId,
    name: String,
    class_label: String,
    class_plural: String,
    class_href: String,
    badges: Vec<Badge>,
    retired: bool,
    merged_into: Option<CiId>,
    conflicts: Vec<String>,
    tabs: Vec<Tab>,
    view: String,
}

struct Badge {
    label: String,
    tone: &'static str,
    title: String,
}

struct Tab {
    label: &'static str,
    href: String,
    number: Option<String>,
    current: bool,
}

/// `GET /items/{id}?view=…`
pub(super) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = find(&visitor, &id)?;
    match visitor.query.get("view") {
        "hardware" => hardware::show(&visitor, id).await,
        "software" => software::show(&visitor, id),
        "dependencies" => dependencies::show(visitor, id).await,
        "history" => history::show(&visitor, id).await,
        "identity" => identity::show(&visitor, id).await,
        "edit" => edit::show(&visitor, id),
        _ => summary::show(&visitor, id).await,
    }
}

/// The item of an id as it stands in an address.
fn find(visitor: &Visitor, id: &str) -> Result<CiId, Problem> {
    let id: CiId = id.parse().map_err(|_| no_such_item())?;
    visitor.app.estate().ci(id).map(|ci| ci.id).ok_or_else(no_such_item)
}

fn no_such_item() -> Problem {
    Problem::not_found("There is no configuration item at this address.")
}

/// Whether an agent reports this CI as its machine, so that it has sections and software.
fn is_machine_of_agent(estate: &Estate, ci: &Ci) -> bool {
    ci.agent.and_then(|agent| estate.machine_of(agent)).is_some_and(|machine| machine.id == ci.id)
}

impl Head {
    fn new(estate: &Estate, ci: &Ci, view: &str, now: Timestamp) -> Self {
        let machine = is_machine_of_agent(estate, ci);
        let software = estate.software().count_of(ci.id);
        let relationships = estate.dependencies(ci.id).filter(|one| one.kind != "meets").count() + estate.dependents(ci.id).count();
        let tabs = [
            ("", "Summary", true, None),
            ("hardware", "Hardware and system", machine, None),
            ("software", "Software", machine || software > 0, Some(software)),
            ("dependencies", "Dependencies", true, Some(relationships as u64)),
            ("history", "History", true, Some(u64::from(ci.version))),
            ("identity", "Why one item?", true, None),
        ];
        let tabs = tabs.into_iter().filter(|(_, _, shown, _)| *shown).map(|(name, label, _, number)| Tab {
            label,
            href: link(&format!("/items/{}", ci.id), [("view", name)]),
            number: number.map(count),
            current: name == view,
        });
        Self {
            id: ci.id,
            name: ci.name.clone(),
            class_label: words::class(estate.catalogue(), &ci.class).to_owned(),
            class_plural: words::classes(estate.catalogue(), &ci.class).to_owned(),
            class_href: link("/items", [("q", format!("class:{}", ci.class).as_str())]),
            badges: badges(estate, ci, now),
            retired: ci.lifecycle == Lifecycle::Retired,
            merged_into: ci.merged_into,
            conflicts: conflicts_of(estate, ci.id),
            tabs: tabs.collect(),
            view: view.to_owned(),
        }
    }
}

fn conflicts_of(estate: &Estate, id: CiId) -> Vec<String> {
    let about = estate.open_conflicts().filter(|conflict| conflict.known == id || conflict.other == Some(id));
    about.map(|conflict| format!("{}.", words::conflict(conflict.kind))).collect()
}

/// An agent that was not heard for a day makes its machine's facts old.
const QUIET_AFTER_MS: i64 = 86_400_000;

fn badges(estate: &Estate, ci: &Ci, now: Timestamp) -> Vec<Badge> {
    let mut badges = Vec::new();
    if ci.stage != Stage::InUse {
        let title = if ci.takes_part() { "" } else { "It takes no part in graph and impact" };
        badges.push(Badge { label: ci.stage.label().to_lowercase(), tone: "unknown", title: title.to_owned() });
    }
    match query::last_seen(estate, ci) {
        Some(seen) => {
            let quiet = now.millis_since(seen) > QUIET_AFTER_MS;
            badges.push(Badge {
                label: format!("heard {}", relative(seen, now)),
                tone: if quiet { "degraded" } else { "ok" },
                title: absolute(seen),
            });
        }
        None if estate.is_a(ci, "machine") => {
            badges.push(Badge { label: "no agent".to_owned(), tone: "unknown", title: "No agent reports it".to_owned() });
        }
        None => {}
    }
    if let Some(criticality) = ci.text("criticality") {
        badges.push(Badge { label: format!("criticality {criticality}"), tone: "accent plain", title: String::new() });
    }
    badges
}

//! What changed, from what to what, who said so, and why.

use askama::Template;
use axum::response::Response;
use rollcall_core::{Catalogue, Ci, Estate};
use rollcall_shared::{CiId, Timestamp};

use super::{Head, no_such_item};
use crate::{
    store::{CiVersion, Event},
    web::{
        format::{self, When},
        mentions::{Known, Mentions},
        problem::{Problem, sentence},
        visitor::{Part, Shell, Visitor},
        words,
    },
};

/// Versions and events that are shown.
const MOST: u32 = 100;

#[derive(Template)]
#[template(path = "item_history.html")]
struct Page {
    shell: Shell,
    head: Head,
    versions: Vec<Version>,
    more: bool,
    events: Vec<Around>,
}

struct Version {
    number: u32,
    when: When,
    actor: String,
    reason: Mentions,
    changes: Vec<Change>,
}

struct Change {
    what: String,
    old: Option<String>,
    new: Option<String>,
}

/// Something that happened to a relationship or to the software of the item.
struct Around {
    what: String,
    action: String,
    other: Option<(CiId, String)>,
    when: When,
    actor: String,
    reason: Mentions,
}

pub(super) async fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    // One more than is shown, so that the oldest shown can be compared with the one before it.
    let versions = visitor.app.store.ci_history(id, MOST + 1).await?;
    let events = visitor.app.store.events_of(id, MOST).await?;
    let reasons: Vec<&str> =
        versions.iter().map(|version| &version.reason).chain(events.iter().map(|event| &event.reason)).map(String::as_str).collect();
    let known = Known::of_reasons(visitor, &reasons).await;
    let shell = visitor.shell(Part::Inventory);
    let now = visitor.now;
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        let compared =
            versions.iter().enumerate().map(|(at, version)| describe(estate.catalogue(), &known, version, versions.get(at + 1), now));
        let around = events.iter().filter(|event| event.kind != "ci").map(|event| describe_event(&estate, &known, event, id, now));
        Page {
            shell,
            head: Head::new(&estate, ci, "history", now),
            more: versions.len() > MOST as usize,
            versions: compared.take(MOST as usize).collect(),
            events: around.collect(),
        }
    };
    Ok(visitor.page(&page))
}

fn describe(catalogue: &Catalogue, known: &Known, version: &CiVersion, before: Option<&CiVersion>, now: Timestamp) -> Version {
    let changes = before.map_or_else(Vec::new, |before| {
        version.differs.iter().filter_map(|what| difference(catalogue, what, &before.ci, &version.ci, now)).collect()
    });
    Version {
        number: version.ci.version,
        when: When::new(version.ci.valid_from, now),
        actor: words::actor(&version.actor),
        reason: known.in_words(&sentence(&version.reason)),
        changes,
    }
}

/// What differs, old and new; `None` where a name differs in nothing that can be shown.
fn difference(catalogue: &Catalogue, what: &str, old: &Ci, new: &Ci, now: Timestamp) -> Option<Change> {
    let change = |what: &str, old: Option<String>, new: Option<String>| Some(Change { what: what.to_owned(), old, new });
    match what.split_once('.') {
        Some(("attributes", name)) => {
            let label = catalogue.attribute(&new.class, name).map_or_else(|| name.replace('_', " "), |known| known.label.clone());
            let shown = |ci: &Ci| {
                let known = catalogue.attribute(&ci.class, name);
                ci.value(name).map(|value| format::value(known, value, now).join(", "))
            };
            let (before, after) = (shown(old), shown(new));
            if before == after {
                // The value stands; who says it, or whether it is pinned, is what changed.
                let by = |ci: &Ci| {
                    ci.attributes.get(name).map(|attribute| {
                        let winner = attribute.winner();
                        format!("{}{}", words::source(&winner.source), if winner.pinned { ", pinned" } else { "" })
                    })
                };
                return change(&format!("{label} (who says so)"), by(old), by(new));
            }
            change(&label, before, after)
        }
        _ => match what {
            "name" => change("Name", Some(old.name.clone()), Some(new.name.clone())),
            "class" => {
                change("Class", Some(words::class(catalogue, &old.class).to_owned()), Some(words::class(catalogue, &new.class).to_owned()))
            }
            "lifecycle" => change("Lifecycle", Some(old.stage.label().to_owned()), Some(new.stage.label().to_owned())),
            "sighting" => {
                let seen = |ci: &Ci| ci.sighting.as_ref().map(|it| format!("{} by {}", it.place, it.by));
                change("Seen", seen(old), seen(new))
            }
            other => {
                let keys = |ci: &Ci| Some(ci.keys.iter().map(|key| key.value.as_str()).collect::<Vec<_>>().join(", "));
                if other == "keys" { change("Recognised by", keys(old), keys(new)) } else { None }
            }
        },
    }
}

fn describe_event(estate: &Estate, known: &Known, event: &Event, about: CiId, now: Timestamp) -> Around {
    let other = [event.ci, event.other_ci].into_iter().flatten().find(|id| *id != about);
    let kind = match event.kind.as_str() {
        "relationship" if event.ci == Some(about) => "Depends on",
        "relationship" => "Is needed by",
        "need_group" => "Redundancy",
        "software" => "Software",
        "conflict" => "Question about identity",
        "agent_binding" => "Agent",
        other => other,
    };
    let action = match event.action.as_str() {
        "created" => "new",
        "updated" => "changed",
        "retired" => "gone",
        other => other,
    };
    Around {
        what: kind.to_owned(),
        action: action.to_owned(),
        other: other.map(|id| (id, words::name_and_host(estate, id))),
        when: When::new(event.at, now),
        actor: words::actor(&event.actor),
        reason: known.in_words(&sentence(&event.reason)),
    }
}

//! The first view: facts with who says so, the impact sentence, what runs here.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::Response;
use rollcall_core::{
    Attribute, Ci, Estate, Lifecycle,
    graph::Graph,
    impact::{self, Basis, Outage, State},
    infer::meetings,
};
use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;

use super::{Head, life::Life, no_such_item};
use crate::{
    blast::BlastRadius,
    query,
    web::{
        format::{self, When},
        problem::Problem,
        visitor::{Part, Shell, Visitor},
        words,
    },
};

#[derive(Template)]
#[template(path = "item_summary.html")]
struct Page {
    shell: Shell,
    head: Head,
    impact: Option<Impact>,
    rank: Option<String>,
    facts: Vec<Fact>,
    life: Life,
    first_seen: When,
    last_seen: Option<When>,
    changed: When,
    version: u32,
    machine: Option<Link>,
    keys: Vec<(String, String)>,
    services: Vec<Service>,
    met: Vec<Meeting>,
}

struct Impact {
    sentence: String,
    tone: &'static str,
}

struct Fact {
    label: String,
    lines: Vec<String>,
    source: String,
    pinned: bool,
    since: When,
    others: Vec<OtherClaim>,
    /// The rule that decided between several: its class and its name.
    rule: Option<(String, String)>,
    /// Whether it was not said again within the window of its rule.
    stale: bool,
}

/// Another source's word that differs from the one that stands.
struct OtherClaim {
    source: String,
    value: String,
    since: When,
}

struct Link {
    id: CiId,
    name: String,
}

/// A machine or service that met or talked to something without an agent.
struct Meeting {
    id: CiId,
    name: String,
    at: When,
}

struct Service {
    id: CiId,
    name: String,
    class: String,
    detail: String,
}

pub(super) async fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    let shell = visitor.shell(Part::Inventory);
    let now = visitor.now;
    let graph = visitor.app.graph().await;
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        let machine = ci.agent.and_then(|agent| estate.machine_of(agent)).filter(|machine| machine.id != id);
        Page {
            shell,
            head: Head::new(&estate, ci, "", now),
            impact: ci.takes_part().then(|| impact_of(&graph, &estate, id, now)),
            rank: visitor.app.blast_radii.of(id).map(rank_words),
            life: Life::of(&estate, ci, now),
            facts: facts(&estate, ci, now),
            first_seen: When::new(ci.first_seen, now),
            last_seen: query::last_seen(&estate, ci).map(|seen| When::new(seen, now)),
            changed: When::new(ci.valid_from, now),
            version: ci.version,
            machine: machine.map(|machine| Link { id: machine.id, name: machine.name.clone() }),
            keys: ci.keys.iter().map(|key| (words::key_kind(key.kind.as_str()), words::key_value(&estate, &key.value))).collect(),
            services: services(&estate, id),
            met: met(&estate, ci, now),
        }
    };
    Ok(visitor.page(&page))
}

/// Who met something without an agent last.
fn met(estate: &Estate, ci: &Ci, now: Timestamp) -> Vec<Meeting> {
    const SHOWN: usize = 8;
    if ci.class != "unmanaged_host" {
        return Vec::new();
    }
    let meetings = meetings(estate, ci.id).into_iter().take(SHOWN);
    meetings.map(|(id, at)| Meeting { id, name: words::name_and_host(estate, id), at: When::new(at, now) }).collect()
}

fn impact_of(graph: &Graph, estate: &Estate, id: CiId, now: Timestamp) -> Impact {
    let assessment = impact::assess(graph, &Outage::down([id]), Basis::of(estate, now));
    let worst = assessment.affected.iter().map(|affected| affected.state).max().unwrap_or(State::Ok);
    Impact { sentence: assessment.verdict(), tone: worst.as_str() }
}

/// How bad a failure is beside that of the others.
fn rank_words(BlastRadius { rank, of, toll, .. }: BlastRadius) -> String {
    let (rank, of) = (format::count(rank), format::counted(of, "item", "items"));
    match toll.services_down + toll.services_degraded {
        0 => format!("Ranks {rank} of {of} by what its failure alone would harm."),
        services => {
            let services = format::counted(services as usize, "business service", "business services");
            format!("Ranks {rank} of {of} by what its failure alone would harm: {services}.")
        }
    }
}

/// The facts in the catalogue's order, then those of attributes that it does not know.
fn facts(estate: &Estate, ci: &Ci, now: Timestamp) -> Vec<Fact> {
    let lineage: Vec<_> = estate.catalogue().lineage(&ci.class).collect();
    let ordered = lineage.iter().rev().flat_map(|class| &class.attributes).map(|attribute| attribute.name.as_str());
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut names: Vec<&str> = ordered.filter(|name| seen.insert(name)).collect();
    names.extend(ci.attributes.keys().map(String::as_str).filter(|name| !seen.contains(name)));
    names.into_iter().filter_map(|name| Some(fact(estate, ci, name, ci.attributes.get(name)?, now))).collect()
}

fn fact(estate: &Estate, ci: &Ci, name: &str, attribute: &Attribute, now: Timestamp) -> Fact {
    let definition = estate.catalogue().attribute(&ci.class, name);
    let winner = attribute.winner();
    let others = attribute.claims().iter().skip(1).filter(|claim| claim.value != winner.value);
    let rule = estate.catalogue().rule(&ci.class, name).map(|rule| (rule.class.clone(), rule.name()));
    let stale = estate.standings(ci, name, attribute, now).first().is_some_and(|(_, standing)| !standing.fresh);
    Fact {
        label: definition.map_or_else(|| name.replace('_', " "), |definition| definition.label.clone()),
        lines: format::value(definition, &winner.value, now),
        source: words::source(&winner.source),
        pinned: winner.pinned,
        since: When::new(winner.since, now),
        rule,
        stale,
        others: others
            .map(|claim| OtherClaim {
                source: words::source(&claim.source),
                value: format::value(definition, &claim.value, now).join(", "),
                since: When::new(claim.since, now),
            })
            .collect(),
    }
}

/// What runs on this machine, by name.
fn services(estate: &Estate, machine: CiId) -> Vec<Service> {
    let on_it = estate.dependents(machine).filter(|relationship| relationship.kind == "runs_on");
    let on_it = on_it.filter_map(|relationship| estate.ci(relationship.from)).filter(|ci| ci.lifecycle == Lifecycle::Active);
    let mut services: Vec<Service> = on_it
        .map(|ci| Service {
            id: ci.id,
            name: ci.name.clone(),
            class: words::class(estate.catalogue(), &ci.class).to_owned(),
            detail: ci
                .value("endpoints")
                .and_then(Value::as_array)
                .map_or_else(String::new, |endpoints| endpoints.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        })
        .collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services
}

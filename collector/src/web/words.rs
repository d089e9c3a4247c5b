//! The catalogue's and the core's names in people's words.

use rollcall_core::{Catalogue, ConflictKind, Estate, Evidence, Method, MinUp, Relationship, Source, impact::Toll};
use rollcall_shared::{CiId, Timestamp, catalogue::Hardness};

use super::format::counted;

/// A class in the singular; one that is deleted has only its name.
pub(super) fn class<'n>(catalogue: &'n Catalogue, name: &'n str) -> &'n str {
    catalogue.class(name).map_or(name, |class| &class.label)
}

/// A class in the plural.
pub(super) fn classes<'n>(catalogue: &'n Catalogue, name: &'n str) -> &'n str {
    catalogue.class(name).map_or(name, |class| &class.plural)
}

/// What an item's failure would harm, for a list: business services if there are any, else items; empty if nothing.
pub(super) fn harmed(toll: &Toll) -> String {
    let services = toll.services_down + toll.services_degraded;
    let items = toll.counts.down + toll.counts.degraded;
    match (services, items) {
        (0, 0) => String::new(),
        (0, items) => counted(items as usize, "item", "items"),
        (services, _) => counted(services as usize, "service", "services"),
    }
}

/// A relationship's verb, read from the dependent.
pub(super) fn forward<'n>(catalogue: &'n Catalogue, kind: &'n str) -> &'n str {
    catalogue.relationship_type(kind).map_or(kind, |kind| &kind.forward)
}

/// A relationship's verb, read from what is depended on.
pub(super) fn reverse<'n>(catalogue: &'n Catalogue, kind: &'n str) -> &'n str {
    catalogue.relationship_type(kind).map_or(kind, |kind| &kind.reverse)
}

/// How badly a relationship is needed: a person's word, or its type's; of a type that is not known, as impact takes it.
pub(super) fn hardness(estate: &Estate, relationship: &Relationship) -> Hardness {
    estate.hardness(relationship).unwrap_or(Hardness::Soft)
}

/// Who claims something.
pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Agent => "its agent".to_owned(),
        Source::Import(name) => format!("import {name}"),
        Source::Code(name) => format!("code {name}"),
        Source::Api(name) if name == "enrollment" => "enrollment token".to_owned(),
        Source::Api(name) => format!("API client {name}"),
        Source::User(name) => name.clone(),
    }
}

/// Who made a change, from the audit's form.
pub(super) fn actor(actor: &str) -> String {
    match actor.split_once(':') {
        Some(("user", name)) => name.to_owned(),
        Some(("api", name)) => format!("API client {name}"),
        Some(("agent", _)) => "its agent".to_owned(),
        _ => match actor {
            "agent" => "its agent".to_owned(),
            "collector" => "the collector".to_owned(),
            "console" => "the console".to_owned(),
            other => other.to_owned(),
        },
    }
}

/// How a relationship is known.
pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::Connection => "observed connection",
        Method::RunsOn => "listed by the machine's agent",
        Method::Resolver => "resolver configuration",
        Method::Gateway => "default route",
        Method::Mount => "mounted file system",
        Method::Guest => "guest of this host",
        Method::Configuration => "configuration",
        Method::Certificate => "certificate on the machine",
        Method::Neighbour => "met on the local network",
        Method::Declared => "declared",
        Method::Imported => "imported",
    }
}

/// When evidence was last confirmed: reported, or its agent heard since.
pub(super) fn confirmed(estate: &Estate, evidence: &Evidence) -> Timestamp {
    // What is met no more is not confirmed by whoever met it.
    let counts = evidence.method != Method::Neighbour || evidence.is_listed();
    let heard = evidence.agent.filter(|_| counts).and_then(|agent| estate.agent_last_seen(agent));
    heard.map_or(evidence.last_seen, |heard| heard.max(evidence.last_seen))
}

/// A group's rule: "2 of 3 must serve".
pub(super) fn rule(min_up: MinUp, members: usize) -> String {
    format!("{} of {members} must serve", min_up.of(members))
}

/// A conflict's kind as a title.
pub(super) fn conflict(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::SameIdentity => "Two agents report the same hardware",
        ConflictKind::KeysDisagree => "Its identifiers belong to different items",
        ConflictKind::CopiedAgent => "An agent's identity is in use twice",
        ConflictKind::PossibleDuplicate => "This may be the same machine twice",
        ConflictKind::ReturnedFromRetirement => "A retired item reports again",
        ConflictKind::ImportedRow => "A row of a table may be about this item",
    }
}

/// The machine that a service runs on, so that ten services called "nginx" can be told apart; empty for what runs on nothing.
pub(super) fn host(estate: &Estate, id: CiId) -> &str {
    let runs_on = estate.dependencies(id).find(|relationship| relationship.kind == "runs_on");
    runs_on.and_then(|relationship| estate.ci(relationship.to)).map_or("", |machine| &machine.name)
}

/// An item's name and, for what runs on a machine, that machine's.
pub(super) fn name_and_host(estate: &Estate, id: CiId) -> String {
    match (name(estate, id), host(estate, id)) {
        (name, "") => name,
        (name, host) => format!("{name} on {host}"),
    }
}

/// An item's class and, for what runs on a machine, that machine's name.
pub(super) fn class_and_host(estate: &Estate, class_name: &str, id: CiId) -> String {
    match host(estate, id) {
        "" => class(estate.catalogue(), class_name).to_owned(),
        host => format!("{} on {host}", class(estate.catalogue(), class_name)),
    }
}

/// An item's name, for ids that other things hold.
pub(super) fn name(estate: &Estate, id: CiId) -> String {
    estate.ci(id).map_or_else(|| "an item that is gone".to_owned(), |ci| ci.name.clone())
}

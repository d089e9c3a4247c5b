//! The catalogue's and the core's names in people's words.

use rollcall_core::{Catalogue, ConflictKind, Estate, Evidence, IdentityKeyKind, Method, MinUp, Relationship, Source, impact::Toll};
use rollcall_shared::{CiId, Timestamp, catalogue::Hardness};

use super::format::counted;

/// Whoever works on the collector's own host, without signing in.
const CONSOLE: &str = "the collector's console";

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
        Source::User(name) if name == "console" => CONSOLE.to_owned(),
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
            "console" => CONSOLE.to_owned(),
            other => other.to_owned(),
        },
    }
}

/// A kind of key, by its name in data.
pub(super) fn key_kind(name: &str) -> String {
    let words = match IdentityKeyKind::parse(name) {
        Some(IdentityKeyKind::SmbiosUuidAndSerial) => "Hardware UUID and serial number",
        Some(IdentityKeyKind::SerialAndManufacturer) => "Serial number and manufacturer",
        Some(IdentityKeyKind::MachineId) => "Id of the installed system",
        Some(IdentityKeyKind::CloudInstanceId) => "Instance id in its cloud",
        Some(IdentityKeyKind::Mac) => "Network adapter",
        Some(IdentityKeyKind::NameAndSystem) => "Name and operating system",
        Some(IdentityKeyKind::ServiceOnMachine) => "Service on its machine",
        Some(IdentityKeyKind::AddressInRealm) => "Address in its network",
        Some(IdentityKeyKind::FormerAddressInRealm) => "Address that it had in its network",
        Some(IdentityKeyKind::NameInRealm) => "Name in its network",
        Some(IdentityKeyKind::GuestHandle) => "Id of the guest on its host",
        Some(IdentityKeyKind::HostedGuest) => "Guest that it hosts",
        Some(IdentityKeyKind::CertificateFingerprint) => "Fingerprint",
        Some(IdentityKeyKind::External) => "Id in another system",
        Some(IdentityKeyKind::Serial) => "Serial number",
        Some(IdentityKeyKind::SmbiosUuid) => "Hardware UUID",
        Some(IdentityKeyKind::MadeUpMac) => "Network adapter, made up",
        None => return name.replace('_', " "),
    };
    words.to_owned()
}

/// A key's value: its parts apart, and items by their names.
pub(super) fn key_value(estate: &Estate, value: &str) -> String {
    let part = |part: &str| match part.parse::<CiId>().ok().and_then(|id| estate.ci(id)) {
        Some(ci) => ci.name.clone(),
        None => part.to_owned(),
    };
    value.split('|').map(part).collect::<Vec<_>>().join(" · ")
}

/// A message of the core or the API for whoever reads a page: places of the API and commands become pages, names in data words.
pub(super) fn for_people(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("GET /api/v1/") {
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')')).unwrap_or(after.len());
        let place = place_of(after[..end].trim_end_matches('.')).1;
        match (before.strip_suffix("with "), before.strip_suffix(": ")) {
            (Some(before), _) if place == "the inventory" => words.extend([before, "in ", place]),
            (_, Some(before)) if place == "the item" => words.push_str(before),
            _ => words.extend([before, place]),
        }
        rest = &after[end..];
        // What the command line says beside it is the same once more.
        if let Some((_, after)) = rest.strip_prefix(" or `rollcall ").and_then(|rest| rest.split_once('`')) {
            rest = after;
        }
    }
    words.push_str(rest);
    for (source, word) in [(" user:", " "), (" api:", " API client "), (" import:", " import "), (" code:", " code ")] {
        words = words.replace(source, word);
    }
    if let Some((before, after)) = words.split_once("recognised by ")
        && let Some((kind, rest)) = after.split_once(" (")
        && IdentityKeyKind::parse(kind).is_some()
    {
        words = format!("{before}recognised by {} ({rest}", lower_first(&key_kind(kind)));
    }
    if let Some(before) = words.strip_suffix(" by console") {
        words = format!("{before} by {CONSOLE}");
    }
    let attribute = words.strip_prefix("attributes.").and_then(|text| text.split_once(": ")).filter(|(name, _)| !name.contains(' '));
    match attribute {
        Some((name, problem)) => format!("{}: {problem}", name.replace('_', " ")),
        None => words,
    }
}

/// As in the middle of a sentence.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_lowercase).chain(characters).collect()
}

/// The page of what a message names by its place in the API, if it names one; and what its button says.
pub(super) fn page_of(text: &str) -> Option<(String, &'static str)> {
    let (_, path) = text.split_once("GET /api/v1/")?;
    let (href, place) = place_of(path);
    let label = match place {
        "the page Classes" => "Go to the classes",
        "the page Imports" => "Go to the imports",
        "the page Kept answers" => "Go to the kept answers",
        "the page Enrollment" => "Go to enrollment",
        _ => return None,
    };
    Some((href.to_owned(), label))
}

fn place_of(path: &str) -> (&'static str, &'static str) {
    let begins = |name: &str| path.starts_with(name);
    match () {
        () if begins("classes") || begins("relationship-types") => ("/classes", "the page Classes"),
        () if begins("cis/") => ("/items", "the item"),
        () if begins("cis") => ("/items", "the inventory"),
        () if begins("imports") => ("/imports", "the page Imports"),
        () if begins("impact/answers") => ("/impact/answers", "the page Kept answers"),
        () if begins("agents") || begins("conflicts") => ("/enrollment", "the page Enrollment"),
        () if begins("need-groups") => ("/items", "the item"),
        () => ("/", "the API's description"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_api_name_pages_where_people_read_them() {
        for (said, words) in [
            ("there is no class \"x\"; see GET /api/v1/classes", "there is no class \"x\"; see the page Classes"),
            ("search for it by name with GET /api/v1/cis?filter=NAME or `rollcall ci list NAME`", "search for it by name in the inventory"),
            ("see the item's relationships: GET /api/v1/cis/{id}/relationships", "see the item's relationships"),
            ("GET /api/v1/classes lists them", "the page Classes lists them"),
            ("attributes.warranty_until: a day is needed", "warranty until: a day is needed"),
            ("made by user:ada", "made by ada"),
            ("row 3: recognised by serial_and_manufacturer (a|b)", "row 3: recognised by serial number and manufacturer (a|b)"),
            ("recognised by chance (twice)", "recognised by chance (twice)"),
            ("made by user:console", "made by the collector's console"),
            ("attributes and such: all", "attributes and such: all"),
        ] {
            assert_eq!(for_people(said), words);
        }
        assert_eq!(page_of("list them with GET /api/v1/imports").unwrap().0, "/imports");
        assert_eq!(page_of("go back"), None);
    }

    #[test]
    fn every_kind_of_key_has_words() {
        for kind in IdentityKeyKind::ALL {
            let words = key_kind(kind.as_str());
            assert!(!words.contains('_') && words != kind.as_str().replace('_', " "), "{words}");
        }
    }
}

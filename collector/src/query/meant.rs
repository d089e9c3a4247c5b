//! What somebody means by a text: one item, or a set of items that fail together. API, web UI and command line read it here.
//!
//! | text | means |
//! | --- | --- |
//! | `db01`, `nginx on web01`, an id, `class:database name:orders` | the one item of that name or id, or that the filter finds |
//! | `location:"Room 4"`, `site:Berlin`, `rack:R12` | the place and everything in it that cannot do without it |
//! | `subnet:10.1.0.0/16`, `subnet:10.1.0.0/16@branch` | everything with an address in it; in that network realm only |
//! | `hypervisor:host7` | the machine and its guests |
//! | `power:"PDU 3"` | the power source and everything that has no other |
//! | `one-of:"database replicas"` | one member of the need group (or of the item's only one): the one that does the most harm |
//! | `filter:"class:server tag=old"` | everything that the filter finds |
//!
//! What another member of a need group stands in for is not part of a set: it is for the answer to say what becomes of it.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    net::IpAddr,
};

use rollcall_core::{Ci, Estate, IdentityKeyKind, Lifecycle, NeedGroup, Relationship};
use rollcall_shared::{CiId, Timestamp, catalogue::Hardness};
use serde_json::Value;

use super::{CiQuery, Filter, matching};

/// Most items that one text may mean.
pub const MOST_MEANT: usize = 10_000;
/// Longest text, bytes.
const MOST_BYTES: usize = 2_100;
/// Items named where a text means several and may mean only one.
const NAMED: usize = 5;

/// A text, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Meant {
    /// The one item that this means.
    Item(String),
    /// A place of this class, and what is in it.
    Place(&'static str, String),
    /// Everything with an address in this network, of a realm or of any.
    Subnet(Subnet, Option<String>),
    /// A machine and its guests.
    Hypervisor(String),
    /// A power source and what hangs on it alone.
    Power(String),
    /// One member of a need group.
    OneOf(String),
    /// Everything that this finds.
    Filter(Filter),
}

/// What a text means in one estate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The items, never empty, by id.
    pub cis: Vec<CiId>,
    /// Only one of them fails: which is for the answer to find.
    pub one_of: bool,
}

/// A text that means nothing, or not what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {problem}")]
pub struct MeantError {
    /// The text.
    pub text: String,
    /// What is wrong and what is understood.
    pub problem: String,
}

impl Meant {
    /// Reads a text.
    ///
    /// # Errors
    /// [`MeantError`] says what is understood.
    pub fn parse(catalogue: &rollcall_core::Catalogue, text: &str) -> Result<Self, MeantError> {
        let text = text.trim();
        let wrong = |problem: String| error(text, problem);
        if text.is_empty() {
            return Err(wrong("name an item, or a set such as location:\"Room 4\"".to_owned()));
        }
        if text.len() > MOST_BYTES {
            return Err(wrong(format!("longer than {MOST_BYTES} bytes")));
        }
        let Some((word, value)) = text.split_once(':') else { return Ok(Self::Item(unquoted(text).map_err(wrong)?)) };
        let value = || match unquoted(value.trim()) {
            Ok(value) if value.is_empty() => Err(wrong(format!("after {word}: comes which"))),
            Ok(value) => Ok(value),
            Err(problem) => Err(wrong(problem)),
        };
        Ok(match word {
            "location" => Self::Place("location", value()?),
            "site" => Self::Place("site", value()?),
            "rack" => Self::Place("rack", value()?),
            "hypervisor" => Self::Hypervisor(value()?),
            "power" => Self::Power(value()?),
            "one-of" => Self::OneOf(value()?),
            "filter" => Self::Filter(Filter::parse(catalogue, &value()?).map_err(|error| wrong(error.to_string()))?),
            "subnet" => {
                let value = value()?;
                let (network, realm) = match value.split_once('@') {
                    Some((network, realm)) => (network, Some(realm.to_owned())),
                    None => (&*value, None),
                };
                let network =
                    Subnet::parse(network).ok_or_else(|| wrong("a subnet is an address and a length, as in 10.1.0.0/16".to_owned()))?;
                Self::Subnet(network, realm)
            }
            _ => Self::Item(unquoted(text).map_err(wrong)?),
        })
    }

    /// The items that it means; never none, never more than [`MOST_MEANT`].
    ///
    /// # Errors
    /// [`MeantError`] if there is nothing like it, too much, or several where one must be meant.
    pub fn resolve(&self, estate: &Estate, now: Timestamp) -> Result<Resolved, MeantError> {
        let wrong = |problem: String| error(&self.to_string(), problem);
        let found: BTreeSet<CiId> = match self {
            Self::Item(text) => BTreeSet::from([one(estate, text, now)?]),
            Self::Filter(filter) => {
                let query = CiQuery { filter: filter.clone(), ..CiQuery::default() };
                matching(estate, &query, now).filter(|ci| is_active(ci)).map(|ci| ci.id).take(MOST_MEANT + 1).collect()
            }
            Self::Place(class, name) => {
                let mut found: BTreeSet<CiId> = named(estate, class, name).map_err(wrong)?.into_iter().collect();
                // Where only the attribute says where something is.
                let said = |ci: &&Ci| ci.text("location").is_some_and(|at| at.trim().to_lowercase() == name.to_lowercase());
                let placed = |ci: &&Ci| estate.dependencies(ci.id).any(|edge| edge.kind == "located_in");
                found.extend(estate.active_cis().filter(said).filter(|ci| !placed(ci)).map(|ci| ci.id));
                carried(estate, found, &["located_in"], |_| true)
            }
            Self::Power(name) => {
                let roots = named(estate, "power_source", name).map_err(wrong)?;
                carried(estate, roots.into_iter().collect(), &["powered_by"], |_| true)
            }
            Self::Hypervisor(name) => {
                let machine = one(estate, name, now)?;
                carried(estate, BTreeSet::from([machine]), &["runs_on"], |ci| is_a(estate, ci, "machine"))
            }
            Self::Subnet(network, realm) => {
                let inside = |ci: &&Ci| match realm {
                    Some(realm) => addresses_in_realm(ci, realm).any(|address| network.contains(address)),
                    None => addresses(ci).any(|address| network.contains(address)),
                };
                estate.active_cis().filter(inside).map(|ci| ci.id).take(MOST_MEANT + 1).collect()
            }
            Self::OneOf(name) => return members(estate, name, now).map(|cis| Resolved { cis, one_of: true }),
        };
        match found.len() {
            0 => Err(wrong("nothing is meant by it".to_owned())),
            1..=MOST_MEANT => Ok(Resolved { cis: found.into_iter().collect(), one_of: false }),
            _ => Err(wrong(format!("more than {MOST_MEANT} items are meant; name fewer"))),
        }
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, value) = match self {
            Self::Item(text) => return f.write_str(text),
            Self::Place(class, name) => (*class, name.clone()),
            Self::Hypervisor(name) => ("hypervisor", name.clone()),
            Self::Power(name) => ("power", name.clone()),
            Self::OneOf(name) => ("one-of", name.clone()),
            Self::Filter(filter) => ("filter", filter.to_string()),
            Self::Subnet(network, None) => return write!(f, "subnet:{network}"),
            Self::Subnet(network, Some(realm)) => return write!(f, "subnet:{network}@{realm}"),
        };
        write!(f, "{word}:\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The one item that a text means: of that id, else of that name, else `nginx on web01`, else the only one that it finds as a filter.
///
/// # Errors
/// [`MeantError`] if there is none or several.
pub fn one(estate: &Estate, text: &str, now: Timestamp) -> Result<CiId, MeantError> {
    let text = text.trim();
    let mut found: Vec<&Ci> = match text.parse::<CiId>() {
        Ok(id) => estate.ci(id).into_iter().filter(|ci| is_active(ci)).collect(),
        Err(_) => {
            let name = text.to_lowercase();
            estate.active_cis().filter(|ci| ci.name.to_lowercase() == name).take(NAMED + 1).collect()
        }
    };
    if found.is_empty()
        && let Some((name, machine)) = text.rsplit_once(" on ")
    {
        let (name, machine) = (name.trim().to_lowercase(), machine.trim().to_lowercase());
        let runs_there = |ci: &&Ci| ci.name.to_lowercase() == name && on(estate, ci).to_lowercase() == format!(" on {machine}");
        found = estate.active_cis().filter(runs_there).take(NAMED + 1).collect();
    }
    let filter = if found.is_empty() {
        Filter::parse(estate.catalogue(), text).map_err(|wrong| error(text, wrong.to_string()))?
    } else {
        Filter::default()
    };
    let query = CiQuery { filter, ..CiQuery::default() };
    if found.is_empty() && !text.is_empty() {
        found = matching(estate, &query, now).filter(|ci| is_active(ci)).take(NAMED + 1).collect();
    }
    only(estate, text, &found)
}

fn only(estate: &Estate, text: &str, found: &[&Ci]) -> Result<CiId, MeantError> {
    match found {
        [one] => Ok(one.id),
        [] => Err(error(text, "no item is meant by it; search for it by a part of its name".to_owned())),
        several => {
            let more = if several.len() > NAMED { " and more" } else { "" };
            let names: Vec<String> = several.iter().take(NAMED).map(|ci| format!("{}{} {}", ci.name, on(estate, ci), ci.id)).collect();
            Err(error(text, format!("several items are meant; name one by its id: {}{more}", names.join(", "))))
        }
    }
}

fn on(estate: &Estate, ci: &Ci) -> String {
    let machine = estate.dependencies(ci.id).find(|edge| edge.kind == "runs_on").and_then(|edge| estate.ci(edge.to));
    machine.map_or_else(String::new, |machine| format!(" on {}", machine.name))
}

/// The items of a class (or one that specialises it) with this id or name; for a place that is only an attribute's value there is none.
fn named(estate: &Estate, class: &str, name: &str) -> Result<Vec<CiId>, String> {
    let wanted = name.to_lowercase();
    let id: Option<CiId> = name.parse().ok();
    let is_it = |ci: &&Ci| is_a(estate, ci, class) && (Some(ci.id) == id || ci.name.to_lowercase() == wanted);
    let found: Vec<&Ci> = estate.active_cis().filter(is_it).take(NAMED + 1).collect();
    match &found[..] {
        [] | [_] => Ok(found.iter().map(|ci| ci.id).collect()),
        several => Err(only(estate, name, several).map_or_else(|error| error.problem, |_| String::new())),
    }
}

/// What fails with these because it is in, on or fed by them and cannot do without: what a need group stands in for stays out.
fn carried(estate: &Estate, roots: BTreeSet<CiId>, kinds: &[&str], wanted: impl Fn(&Ci) -> bool) -> BTreeSet<CiId> {
    let mut waiting: VecDeque<CiId> = roots.iter().copied().collect();
    let mut found = roots;
    while let Some(at) = waiting.pop_front() {
        for edge in estate.dependents(at).filter(|edge| kinds.contains(&edge.kind.as_str()) && is_hard(estate, edge)) {
            let stands_in = estate.need_groups_of(edge.from).any(|group| group.members.contains(&at));
            let fails = |ci: &Ci| is_active(ci) && wanted(ci);
            if !stands_in && found.len() <= MOST_MEANT && estate.ci(edge.from).is_some_and(fails) && found.insert(edge.from) {
                waiting.push_back(edge.from);
            }
        }
    }
    found
}

fn is_hard(estate: &Estate, edge: &Relationship) -> bool {
    estate.hardness(edge) == Some(Hardness::Hard)
}

/// The members of the need group of that name or id, or of the only one that the item has.
fn members(estate: &Estate, name: &str, now: Timestamp) -> Result<Vec<CiId>, MeantError> {
    let wanted = name.to_lowercase();
    let is_it = |group: &&NeedGroup| group.name.to_lowercase() == wanted || group.id.to_string() == wanted;
    let mut groups: Vec<&NeedGroup> = estate.need_groups().filter(is_it).collect();
    if groups.is_empty() {
        groups = estate.need_groups_of(one(estate, name, now)?).collect();
    }
    // Two items that need the same ones name them the same.
    let members: BTreeSet<&[CiId]> = groups.iter().map(|group| &group.members[..]).collect();
    match (members.len(), members.first()) {
        (1, Some(members)) => Ok(members.iter().copied().filter(|ci| estate.ci(*ci).is_some_and(is_active)).collect()),
        (0, _) | (_, None) => Err(error(name, "it has no need group; name a group or an item that has one".to_owned())),
        _ => {
            let ids: Vec<String> = groups.iter().take(NAMED).map(|group| format!("{} {}", group.name, group.id)).collect();
            Err(error(name, format!("several need groups are meant; name one by its id: {}", ids.join(", "))))
        }
    }
    .and_then(|cis: Vec<CiId>| if cis.is_empty() { Err(error(name, "all its members are gone".to_owned())) } else { Ok(cis) })
}

fn is_active(ci: &Ci) -> bool {
    ci.lifecycle == Lifecycle::Active
}

fn is_a(estate: &Estate, ci: &Ci, class: &str) -> bool {
    estate.is_a(ci, class)
}

fn listed<'a>(ci: &'a Ci, attribute: &str) -> impl Iterator<Item = &'a str> {
    ci.value(attribute).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The addresses by which others reach it: those of networks inside of it mean something else on every machine.
fn addresses(ci: &Ci) -> impl Iterator<Item = IpAddr> {
    let inner: Vec<Subnet> = listed(ci, "internal_networks").filter_map(Subnet::parse).collect();
    let address = |text: &str| text.split(['/', '%']).next().and_then(|text| text.parse::<IpAddr>().ok());
    listed(ci, "ip_addresses").filter_map(address).filter(move |address| !inner.iter().any(|network| network.contains(*address)))
}

fn addresses_in_realm<'a>(ci: &'a Ci, realm: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
    let of_realm = ci.keys.iter().filter(|key| key.kind == IdentityKeyKind::AddressInRealm).filter_map(|key| key.value.rsplit_once('|'));
    of_realm.filter(move |(known, _)| *known == realm).filter_map(|(_, address)| address.parse().ok())
}

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    /// Reads `10.1.0.0/16`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.trim().split_once('/')?;
        let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse().ok()?);
        (length <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, length })
    }

    /// Whether an address is in it; one of the other family never is.
    pub fn contains(self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, true),
            IpAddr::V6(address) => (u128::from(address), false),
        };
        let ((own, own_v4), (other, other_v4)) = (bits(self.address), bits(address));
        own_v4 == other_v4 && (self.length == 0 || (own ^ other) >> (128 - u32::from(self.length)) == 0)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A value without the quotation marks around it, if there are any.
fn unquoted(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix('"') else { return Ok(text.to_owned()) };
    let (mut value, mut characters) = (String::new(), rest.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.extend(characters.next()),
            '"' if characters.as_str().trim().is_empty() => return Ok(value),
            // `"a" class:b` is a filter.
            '"' => return Ok(text.to_owned()),
            other => value.push(other),
        }
    }
    Err("the quotation mark is not closed".to_owned())
}

fn error(text: &str, problem: String) -> MeantError {
    MeantError { text: text.chars().take(120).collect(), problem }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rollcall_core::{Attribute, Claim, MinUp, Put, Source, Standing};
    use rollcall_shared::{NeedGroupId, RelationshipId};
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> CiId {
        CiId(Uuid::from_u128(number))
    }

    fn at() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn ci(number: u128, class: &str, name: &str, attributes: &[(&str, Value)]) -> Put {
        let claim = |(name, value): &(&str, Value)| {
            let claim = Claim { value: value.clone(), source: Source::User("ada".into()), since: at(), confirmed: at(), pinned: false };
            ((*name).to_owned(), Attribute::from_claims([claim]).unwrap())
        };
        Put::Ci(Ci {
            id: id(number),
            class: class.into(),
            name: name.into(),
            lifecycle: Lifecycle::Active,
            stage: rollcall_core::Stage::InUse,
            sighting: None,
            attributes: attributes.iter().map(claim).collect::<BTreeMap<_, _>>(),
            keys: Vec::new(),
            agent: None,
            merged_into: None,
            first_seen: at(),
            valid_from: at(),
            version: 1,
        })
    }

    fn edge(number: u128, from: u128, kind: &str, to: u128) -> Put {
        Put::Relationship(Relationship {
            id: RelationshipId(Uuid::from_u128(number)),
            kind: kind.into(),
            from: id(from),
            to: id(to),
            hardness: None,
            judgement: None,
            lifecycle: Lifecycle::Active,
            evidence: Vec::new(),
            first_seen: at(),
            valid_from: at(),
            version: 1,
        })
    }

    /// A site with a room, in it a rack with a host and a server; two power sources, of which the server needs one.
    fn estate() -> Estate {
        let addresses = |list: &[&str]| ("ip_addresses", list.iter().copied().collect::<Value>());
        let mut estate = Estate::default();
        let puts = [
            ci(1, "site", "Berlin", &[]),
            ci(2, "location", "Room 4", &[]),
            ci(3, "rack", "R12", &[]),
            ci(
                4,
                "hypervisor",
                "host7",
                &[addresses(&["10.1.0.7", "172.17.0.1"]), ("internal_networks", serde_json::json!(["172.17.0.0/16"]))],
            ),
            ci(5, "virtual_machine", "vm1", &[addresses(&["10.1.2.3"])]),
            ci(6, "server", "db01", &[addresses(&["10.2.0.1", "fd00::1"])]),
            ci(7, "printer", "paper", &[("location", "Room 4".into())]),
            ci(8, "power_source", "PDU A", &[]),
            ci(9, "power_source", "PDU B", &[]),
            ci(10, "service_instance", "agent", &[]),
            ci(11, "location", "Twin", &[]),
            ci(12, "location", "Twin", &[]),
            edge(101, 2, "located_in", 1),
            edge(102, 3, "located_in", 2),
            edge(103, 4, "located_in", 3),
            edge(104, 6, "located_in", 3),
            edge(105, 5, "runs_on", 4),
            edge(106, 10, "runs_on", 4),
            edge(107, 6, "powered_by", 8),
            edge(108, 6, "powered_by", 9),
            edge(109, 4, "powered_by", 8),
            Put::NeedGroup(NeedGroup {
                id: NeedGroupId(Uuid::from_u128(200)),
                ci: id(6),
                name: "power".into(),
                members: vec![id(8), id(9)],
                min_up: MinUp::Count(1),
                hardness: Hardness::Hard,
                lifecycle: Lifecycle::Active,
                standing: Standing::Accepted,
                suggestion: None,
                source: Source::User("ada".into()),
                valid_from: at(),
                version: 1,
            }),
        ];
        puts.iter().for_each(|put| estate.put(put));
        estate
    }

    #[test]
    fn sets_hold_what_fails_with_them_and_nothing_that_has_another() {
        let built_in = rollcall_core::Catalogue::built_in();
        for (text, expected) in [
            ("db01", vec![6]),
            ("\"Room 4\"", vec![2]),
            ("class:hypervisor", vec![4]),
            ("agent on host7", vec![10]),
            ("00000000-0000-0000-0000-000000000005", vec![5]),
            ("location:\"Room 4\"", vec![2, 3, 4, 6, 7]),
            ("location:room 4", vec![2, 3, 4, 6, 7]),
            ("site:Berlin", vec![1, 2, 3, 4, 6]),
            ("rack:R12", vec![3, 4, 6]),
            ("hypervisor:host7", vec![4, 5]),
            ("power:\"PDU A\"", vec![4, 8]),
            ("subnet:10.1.0.0/16", vec![4, 5]),
            ("subnet:fd00::/8", vec![6]),
            ("filter:\"class:machine -class:server\"", vec![4, 5]),
            ("one-of:power", vec![8, 9]),
            ("one-of:db01", vec![8, 9]),
        ] {
            let meant = Meant::parse(&built_in, text).unwrap();
            let resolved = meant.resolve(&estate(), at()).unwrap();
            assert_eq!(resolved.cis, expected.into_iter().map(id).collect::<Vec<_>>(), "{text}");
            assert_eq!(resolved.one_of, text.starts_with("one-of"));
            assert_eq!(Meant::parse(&built_in, &meant.to_string()).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_means_nothing_or_too_much_says_so() {
        let built_in = rollcall_core::Catalogue::built_in();
        for (text, says) in [
            ("", "name an item"),
            ("location:", "comes which"),
            ("location:\"Room", "not closed"),
            ("location:Mars", "nothing is meant"),
            ("location:Twin", "several items"),
            ("rack:Berlin", "nothing is meant"),
            ("subnet:10.1.0.0", "a subnet is"),
            ("subnet:10.1.0.0/33", "a subnet is"),
            ("subnet:172.17.0.0/16", "nothing is meant"),
            ("subnet:10.0.0.0/8@branch", "nothing is meant"),
            ("filter:class:nonsense", "no class"),
            ("class:location", "several items"),
            ("nobody", "no item is meant"),
            ("one-of:vm1", "no need group"),
            ("power:host7", "nothing is meant"),
        ] {
            let result = Meant::parse(&built_in, text).and_then(|meant| meant.resolve(&estate(), at()));
            let error = result.expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(Meant::parse(&built_in, &"x".repeat(MOST_BYTES + 1)).is_err());
    }
}

//! Rows of a table, one configuration item each: which item a row is about, and what it changes.
//!
//! Identity is decided by the rules that documents go through. Besides, somebody who exports names items by their id, and may say that
//! names identify. What already stands is not said again: a table that agrees with what is there changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use rollcall_shared::{
    CiId, Timestamp,
    wire::v1::{Identity, SectionStatus},
};
use serde_json::Value;

use super::{
    check_name, check_required, check_type, check_value, class as known_class,
    life::check_way,
    recognition::{Mark, all_marks, marks, telling},
    relationship::say,
    short,
};
use crate::{
    Catalogue, Estate,
    catalogue::ClassDefinition,
    model::{
        ChangeSet, Ci, ConflictKind, IdSource, IdentityKey, IdentityKeyKind, Lifecycle, ReceivedDocument, ReceivedSection, Source, Stage,
    },
    observe::{IdentityFacts, is_placeholder, observe},
    reconcile::{
        Policy, edges,
        identify::{self, Newcomer, Reporter, is_machine},
        machine,
        plan::Plan,
    },
};

/// What one row says. What is absent is not talked about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its number in the file, for people: the header is 1.
    pub number: u64,
    /// The item's id in this installation.
    pub id: Option<CiId>,
    /// The id that the source knows it by.
    pub external_id: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Whether it counts.
    pub lifecycle: Option<Lifecycle>,
    /// Where it is in its life, where the row says more than that.
    pub stage: Option<Stage>,
    /// Values by attribute.
    pub attributes: BTreeMap<String, Value>,
    /// What it is related to.
    pub links: Vec<Link>,
}

/// Relationships of one type that a row names.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The relationship type.
    pub kind: String,
    /// Whether the others depend on the row's item, not it on them.
    pub reverse: bool,
    /// The others.
    pub others: Vec<Reference>,
}

impl Link {
    /// The column that says this: `relationship:runs_on`, or `relationship:^runs_on` for what runs on it.
    pub fn column(&self) -> String {
        format!("relationship:{}{}", if self.reverse { "^" } else { "" }, self.kind)
    }
}

/// How a table names an item: `NAME (ID)`, an id, or a name that only one item has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// By its id.
    Id(CiId),
    /// By its name.
    Name(String),
}

impl Reference {
    /// Reads one; nothing is refused: what is no id is a name.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let inside = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, id)| id.trim());
        match inside.and_then(|id| id.parse().ok()).or_else(|| text.parse().ok()) {
            Some(id) => Self::Id(id),
            None => Self::Name(text.to_owned()),
        }
    }
}

/// What holds for all rows of a table.
#[derive(Clone, Debug)]
pub struct RowRules {
    /// Who says it.
    pub source: Source,
    /// What stands in every reason, so that what this table changed is found again: `import 0198…`.
    pub mark: String,
    /// The class of new items that name none.
    pub default_class: Option<String>,
    /// Somebody has said that a name which only one item of the class has identifies it, machines included.
    pub names_identify: bool,
    /// The network realm of its machines.
    pub realm: String,
}

/// What comes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowState {
    /// A new item is made.
    Create,
    /// An item changes.
    Update,
    /// The row says what is known.
    Unchanged,
    /// Which item is meant is not certain. Nothing of the row is applied.
    Conflict,
    /// The row cannot be used. Nothing of it is applied.
    Error,
}

impl RowState {
    /// Every state, in the order in which people look at them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Unchanged, Self::Conflict, Self::Error];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Conflict => "conflict",
            Self::Error => "error",
        }
    }
}

/// A row, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOutcome {
    /// The row's number.
    pub number: u64,
    /// What comes of it.
    pub state: RowState,
    /// The item, if one is meant or made.
    pub ci: Option<CiId>,
    /// The item's name, or what the row calls it.
    pub name: String,
    /// The item's class, or what the row says.
    pub class: String,
    /// Why this item, or why none.
    pub reason: String,
    /// What changes.
    pub fields: Vec<FieldChange>,
    /// What is wrong, with its column.
    pub problems: Vec<RowProblem>,
    /// It names items that this table makes in other rows.
    pub waits: bool,
}

/// One field, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// `name`, `class`, `lifecycle`, `attributes.owner`, `relationship:runs_on`.
    pub field: String,
    /// What stands now.
    pub old: Option<Value>,
    /// What the row says.
    pub new: Value,
    /// Why the new value will not stand, where it will not.
    pub note: Option<String>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowProblem {
    /// The column, by the field's name; empty for the row as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Indexes over an estate for what tables name things by, made once for a table.
#[derive(Debug, Default)]
pub struct RowIndex {
    names: HashMap<String, Vec<CiId>>,
    serials: HashMap<String, Vec<CiId>>,
    marks: HashMap<Mark, Vec<CiId>>,
}

impl RowIndex {
    /// Reads the whole estate.
    pub fn new(estate: &Estate) -> Self {
        let mut index = Self { marks: all_marks(estate), ..Self::default() };
        for ci in estate.active_cis() {
            index.names.entry(folded(&ci.name)).or_default().push(ci.id);
            if let Some(serial) = ci.text("serial").filter(|serial| !is_placeholder(serial)) {
                index.serials.entry(folded(serial)).or_default().push(ci.id);
            }
        }
        index
    }

    fn named<'a>(&'a self, plan: &'a Plan<'_>, name: &str) -> impl Iterator<Item = &'a Ci> {
        let name = folded(name);
        let found = self.names.get(&name).into_iter().flatten().filter_map(|id| plan.ci(*id));
        found.filter(move |ci| ci.lifecycle == Lifecycle::Active && folded(&ci.name) == name)
    }

    /// Whom these mean, each with what says so.
    fn recognised<'a>(&'a self, plan: &'a Plan<'_>, marks: &'a [Mark]) -> Vec<(&'a Ci, &'a Mark)> {
        let holders = |mark| self.marks.get(mark).into_iter().flatten().map(move |id| (*id, mark));
        let mut found: Vec<(&Ci, &Mark)> = Vec::new();
        for (id, mark) in marks.iter().flat_map(holders) {
            let ci = plan.ci(plan.standing(id)).filter(|ci| ci.lifecycle == Lifecycle::Active);
            if let Some(ci) = ci.filter(|ci| !found.iter().any(|(known, _)| known.id == ci.id)) {
                found.push((ci, mark));
            }
        }
        found
    }

    fn with_serial<'a>(&'a self, plan: &'a Plan<'_>, serial: &str) -> impl Iterator<Item = &'a Ci> {
        let found = self.serials.get(&folded(serial)).into_iter().flatten().filter_map(|id| plan.ci(*id));
        found.filter(|ci| ci.lifecycle == Lifecycle::Active)
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// What the rows of a table before this one were about: two rows about one item contradict each other.
#[derive(Debug, Default)]
pub struct RowsSeen {
    /// By what would make two rows one item, hashed: a table may have a great many.
    rows: HashMap<u64, u64>,
}

impl RowsSeen {
    /// The earlier row that is about the same, if there is one.
    fn claim(&mut self, what: &(impl std::hash::Hash + ?Sized), row: u64) -> Option<u64> {
        match self.rows.entry(hash(what)) {
            Entry::Occupied(earlier) if *earlier.get() != row => Some(*earlier.get()),
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(row);
                None
            }
        }
    }

    /// Notes the name of a row, so that other rows may refer to it before it is made.
    pub fn note_name(&mut self, name: &str) {
        self.rows.entry(hash(&("named", folded(name)))).or_default();
    }

    fn has_name(&self, name: &str) -> bool {
        self.rows.contains_key(&hash(&("named", folded(name))))
    }
}

fn hash(what: &(impl std::hash::Hash + ?Sized)) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Plans rows of a table, in their order.
///
/// Call it for one part of a table after the other with the same `seen`. What waits for items of other parts ([`RowOutcome::waits`]) is
/// planned again once those are there.
#[expect(clippy::too_many_arguments, reason = "the context of a plan and of a table")]
pub fn plan_rows(
    estate: &Estate,
    rows: &[Row],
    rules: &RowRules,
    index: &RowIndex,
    seen: &mut RowsSeen,
    now: Timestamp,
    policy: &Policy,
    ids: &mut dyn IdSource,
) -> (ChangeSet, Vec<RowOutcome>) {
    let mut plan = Plan::new(estate, now, policy, ids);
    let outcomes = rows.iter().map(|row| Planner { plan: &mut plan, rules, index, seen, row }.plan()).collect();
    (plan.finish(), outcomes)
}

struct Planner<'p, 'e, 'r> {
    plan: &'p mut Plan<'e>,
    rules: &'r RowRules,
    index: &'r RowIndex,
    seen: &'r mut RowsSeen,
    row: &'r Row,
}

/// Keys that prove nothing alone: two rows may share them.
const WEAK: [IdentityKeyKind; 5] = [
    IdentityKeyKind::Mac,
    IdentityKeyKind::MadeUpMac,
    IdentityKeyKind::Serial,
    IdentityKeyKind::SmbiosUuid,
    IdentityKeyKind::NameAndSystem,
];

/// Which item a row is about.
enum Found {
    /// This one, because.
    Known(CiId, String),
    /// None that is there.
    New(String),
}

/// Why a row is not applied.
struct Stop {
    state: RowState,
    problem: RowProblem,
    ci: Option<CiId>,
}

fn error(field: &str, message: impl Into<String>) -> Stop {
    Stop { state: RowState::Error, problem: RowProblem { field: field.to_owned(), message: message.into() }, ci: None }
}

fn conflict(field: &str, message: impl Into<String>, ci: Option<CiId>) -> Stop {
    Stop { state: RowState::Conflict, problem: RowProblem { field: field.to_owned(), message: message.into() }, ci }
}

impl Planner<'_, '_, '_> {
    fn plan(mut self) -> RowOutcome {
        let row = self.row;
        let mut outcome = RowOutcome {
            number: row.number,
            state: RowState::Unchanged,
            ci: None,
            name: row.name.clone().unwrap_or_default(),
            class: row.class.clone().or_else(|| self.rules.default_class.clone()).unwrap_or_default(),
            reason: String::new(),
            fields: Vec::new(),
            problems: Vec::new(),
            waits: false,
        };
        if let Err(stop) = self.decide(&mut outcome) {
            outcome.state = stop.state;
            outcome.ci = stop.ci.or(outcome.ci);
            outcome.fields.clear();
            outcome.problems.push(stop.problem);
        }
        outcome
    }

    fn decide(&mut self, outcome: &mut RowOutcome) -> Result<(), Stop> {
        let class = self.row.class.as_deref().or(self.rules.default_class.as_deref());
        let class = class
            .map(|name| known_class(self.plan.estate.catalogue(), name))
            .transpose()
            .map_err(|problem| error("class", problem.to_string()))?;
        let keys = self.identity(class);
        let links = self.links(outcome)?;
        match self.find(class, &keys)? {
            Found::Known(id, reason) => {
                outcome.reason = reason;
                outcome.ci = Some(id);
                self.only_once(&("item", id), "the same item")?;
                self.update(id, &keys, links, outcome)
            }
            Found::New(reason) => {
                outcome.reason = reason;
                self.create(class, &keys, links, outcome)
            }
        }
    }

    fn only_once(&mut self, what: &(impl std::hash::Hash + ?Sized), words: &str) -> Result<(), Stop> {
        match self.seen.claim(what, self.row.number) {
            Some(earlier) => Err(conflict("", format!("row {earlier} is about {words}; keep one of the two"), None)),
            None => Ok(()),
        }
    }

    fn text(&self, attribute: &str) -> Option<String> {
        let text = self.row.attributes.get(attribute)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The identity keys that the row's values make: read as a document of that machine would be.
    fn identity(&self, class: Option<&ClassDefinition>) -> Keys {
        let mut found = Keys::default();
        let catalogue = self.plan.catalogue();
        if class.is_none_or(|class| catalogue.is_a(&class.name, "machine")) {
            let macs = self.row.attributes.get("mac_addresses").and_then(Value::as_array).into_iter().flatten();
            let identity = Identity {
                hostname: self.text("hostname").or_else(|| self.row.name.clone()).unwrap_or_default(),
                fqdn: self.text("fqdn"),
                machine_id: self.text("machine_id"),
                smbios_uuid: self.text("smbios_uuid"),
                serial: self.text("serial"),
                manufacturer: self.text("manufacturer"),
                cloud_instance_id: self.text("cloud_instance_id"),
                permanent_macs: macs.filter_map(Value::as_str).map(str::to_owned).collect(),
                ..Identity::default()
            };
            let section = ReceivedSection { status: SectionStatus::Ok, collected_at: self.plan.now, data: Some(identity) };
            let document = ReceivedDocument { identity: Some(section), ..ReceivedDocument::default() };
            if let Some(said) = observe(&document, &self.rules.realm, self.plan.now).machine.identity {
                found.keys = said.items.keys.clone();
                found.identity = Some(said.items);
            }
        }
        if class.is_some_and(|class| catalogue.is_a(&class.name, "certificate"))
            && let Some(fingerprint) = self.text("fingerprint")
        {
            let value = fingerprint.to_lowercase().replace(':', "");
            found.keys.insert(IdentityKey { kind: IdentityKeyKind::CertificateFingerprint, value });
        }
        if let Some(class) = class {
            found.marks = marks(catalogue, &class.name, |name| self.row.attributes.get(name));
        }
        let id = self.row.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let external = |id: &str| IdentityKey { kind: IdentityKeyKind::External, value: format!("{}|{}", self.rules.source, bounded(id)) };
        found.external = id.map(external);
        found.called = class.zip(self.name()).map(|(class, name)| external(&format!("{} {}", class.name, folded(&name))));
        found
    }

    fn find(&mut self, class: Option<&ClassDefinition>, keys: &Keys) -> Result<Found, Stop> {
        if let Some(id) = self.row.id {
            // A row about one that became part of another is about that one, unless it says itself that its item is gone, as an export does.
            let standing = if self.row.lifecycle == Some(Lifecycle::Retired) { id } else { self.plan.standing(id) };
            if self.plan.ci(standing).is_none() {
                let message = format!("there is no configuration item {id} here; leave the cell empty for a new one");
                return Err(error("id", message));
            }
            return Ok(Found::Known(standing, "by its id".to_owned()));
        }
        let estate = self.plan.estate;
        let catalogue = estate.catalogue();
        let nobody = IdentityKey { kind: IdentityKeyKind::External, value: String::new() };
        let device = keys.external.as_ref().or(keys.called.as_ref()).unwrap_or(&nobody);
        let own: BTreeSet<CiId> = self.plan.with_key(device).into_iter().map(|id| self.plan.standing(id)).collect();
        let is_other_class = |ci: &Ci| class.is_some_and(|class| !is_related(catalogue, class, &ci.class));
        if let Some(other) = own.iter().filter_map(|id| self.plan.ci(*id)).find(|ci| !is_machine(estate, ci)) {
            return Ok(Found::Known(other.id, format!("imported before as {}", short(&device.value))));
        }
        if class.is_none_or(|class| catalogue.is_a(&class.name, "machine")) {
            let reporter = match device.value.is_empty() {
                true => Reporter::Entry,
                false => Reporter::Device(device, &self.rules.source),
            };
            let newcomer = Newcomer { reporter, keys: &keys.keys, identity: keys.identity.as_ref() };
            let found = identify::identify(self.plan, &newcomer);
            let clash = found.clashes.into_iter().find(|clash| clash.kind != ConflictKind::PossibleDuplicate);
            if let Some(clash) = clash {
                let first = found.machine.and_then(|id| self.plan.ci(id)).map(|ci| format!("{:?} by {}; ", short(&ci.name), found.reason));
                let message = format!("{}{}; give the item's id to say which one is meant", first.unwrap_or_default(), clash.detail);
                return Err(conflict("", message, Some(clash.with)));
            }
            if let Some(id) = found.machine {
                return Ok(Found::Known(id, found.reason));
            }
        } else if let Some(key) = keys.keys.iter().next()
            && let Some(id) = self.plan.with_key(key).into_iter().map(|id| self.plan.standing(id)).next()
        {
            return Ok(Found::Known(id, format!("recognised by {} ({})", key.kind.as_str(), short(&key.value))));
        }
        match self.index.recognised(self.plan, &keys.marks)[..] {
            [] => {}
            [(one, mark)] => return Ok(Found::Known(one.id, mark.how())),
            [(one, mark), (other, by), ..] => {
                let message = format!(
                    "{:?} ({}) is recognised {}, {:?} ({}) {}; give the id of the one that is meant",
                    short(&one.name),
                    one.id,
                    mark.how(),
                    short(&other.name),
                    other.id,
                    by.how()
                );
                return Err(conflict("", message, Some(one.id)));
            }
        }
        if let Some(found) = self.by_serial(class)? {
            return Ok(found);
        }
        let name = self.name();
        let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
            return Ok(Found::New("no rule recognises it".to_owned()));
        };
        let namesakes: Vec<&Ci> = self.index.named(self.plan, &name).filter(|ci| !is_other_class(ci)).collect();
        let of_class: Vec<&str> = class.into_iter().flat_map(|class| telling(catalogue, &class.name)).collect();
        let apart = || ["serial", "email", "fingerprint", "smbios_uuid"].into_iter().chain(of_class.iter().copied());
        let named_apart = |ci: &&Ci| !apart().any(|field| self.differs(ci, field));
        let alike: Vec<&Ci> = namesakes.into_iter().filter(named_apart).collect();
        let identifies = self.rules.names_identify
            || class
                .is_some_and(|class| !["machine", "service_instance", "unmanaged_host"].iter().any(|it| catalogue.is_a(&class.name, it)));
        match alike[..] {
            [] => Ok(Found::New("no rule recognises it".to_owned())),
            [one] if identifies => Ok(Found::Known(one.id, "by its name, which only this one has".to_owned())),
            [one] => {
                let message = format!(
                    "{:?} ({}) has this name, and nothing else says that it is the same; give its id or serial number, or say that names \
                     identify",
                    short(&one.name),
                    one.id
                );
                Err(conflict("name", message, Some(one.id)))
            }
            [one, ref rest @ ..] => {
                let message = format!("{} items have this name; give the id of the one that is meant", rest.len() + 1);
                Err(conflict("name", message, Some(one.id)))
            }
        }
    }

    /// Both have a value, and not the same one.
    fn differs(&self, ci: &Ci, attribute: &str) -> bool {
        let (Some(said), Some(known)) = (self.text(attribute), ci.text(attribute)) else { return false };
        !is_placeholder(&said) && folded(&said) != folded(known)
    }

    /// A serial number without its maker identifies if only one item has it; with another maker it asks.
    fn by_serial(&self, class: Option<&ClassDefinition>) -> Result<Option<Found>, Stop> {
        let Some(serial) = self.text("serial").filter(|serial| !is_placeholder(serial)) else { return Ok(None) };
        let catalogue = self.plan.catalogue();
        let alike = |ci: &&Ci| class.is_none_or(|class| is_related(catalogue, class, &ci.class));
        let holders = self.index.with_serial(self.plan, &serial).filter(alike);
        let holders: Vec<&Ci> = holders.collect();
        match holders[..] {
            [] => Ok(None),
            [one] if self.differs(one, "manufacturer") => {
                let message = format!(
                    "{:?} ({}) has this serial number, of another manufacturer; give its id if it is meant",
                    short(&one.name),
                    one.id
                );
                Err(conflict("attributes.serial", message, Some(one.id)))
            }
            [one] => Ok(Some(Found::Known(one.id, format!("by its serial number ({}), which only this one has", short(&serial))))),
            [one, ..] => {
                let message = format!("{} items have this serial number; give the id of the one that is meant", holders.len());
                Err(conflict("attributes.serial", message, Some(one.id)))
            }
        }
    }

    fn name(&self) -> Option<String> {
        let hostname = || self.text("hostname").map(|name| machine::short_name(&name));
        self.row.name.clone().filter(|name| !name.trim().is_empty()).or_else(hostname)
    }

    fn create(
        &mut self,
        class: Option<&ClassDefinition>,
        keys: &Keys,
        links: Vec<ReadyLink>,
        outcome: &mut RowOutcome,
    ) -> Result<(), Stop> {
        let class = class.ok_or_else(|| error("class", "a new item needs a class: add a column class, or name one for the whole table"))?;
        let name = self.name().ok_or_else(|| error("name", "a new item needs a name"))?;
        let name = check_name(&name).map_err(|problem| error("name", problem.to_string()))?;
        let mut wrong = Vec::new();
        for (attribute, value) in &self.row.attributes {
            if let Err(problem) = check_value(self.plan.estate, &class.name, attribute, value) {
                wrong.push(RowProblem { field: format!("attributes.{attribute}"), message: problem.to_string() });
            }
        }
        if let Some(first) = wrong.pop() {
            outcome.problems = wrong;
            return Err(Stop { state: RowState::Error, problem: first, ci: None });
        }
        if let Some(external) = &keys.external {
            self.only_once(&("external", &external.value), "the same external id")?;
        }
        let strong: Vec<IdentityKey> = keys.keys.iter().filter(|key| !WEAK.contains(&key.kind)).cloned().collect();
        if let Err(problem) = check_required(self.plan.estate.catalogue(), class, |name| self.row.attributes.contains_key(name)) {
            return Err(error("", problem.to_string()));
        }
        for mark in &keys.marks {
            self.only_once(&("mark", mark), "an item that is recognised by the same")?;
        }
        for key in &strong {
            self.only_once(&("key", key.kind, &key.value), "the same identity")?;
        }
        if strong.is_empty() && keys.external.is_none() {
            let serial = self.text("serial").unwrap_or_default();
            self.only_once(&("new", &class.name, folded(&name), folded(&serial)), "a new item of the same class and name")?;
        }
        let lifecycle = self.row.lifecycle.unwrap_or(Lifecycle::Active);
        let field = |field: &str, new: Value| FieldChange { field: field.to_owned(), old: None, new, note: None };
        outcome.fields.push(field("class", class.name.clone().into()));
        outcome.fields.push(field("name", name.clone().into()));
        let stage = self.row.stage.unwrap_or(if lifecycle == Lifecycle::Active { Stage::InUse } else { Stage::Retired });
        if stage != Stage::InUse {
            outcome.fields.push(field("lifecycle", stage.as_str().into()));
        }
        outcome.fields.extend(self.row.attributes.iter().map(|(name, value)| field(&format!("attributes.{name}"), value.clone())));
        let called = keys.called.as_ref().filter(|_| strong.is_empty());
        let all: BTreeSet<IdentityKey> = keys.keys.iter().chain(keys.external.as_ref().or(called)).cloned().collect();
        let reason = format!("{}, row {}: {}", self.rules.mark, self.row.number, outcome.reason);
        let id = self.plan.new_ci(&class.name, name.clone(), all.into_iter().collect(), None, reason.clone());
        let (row, source, now) = (self.row, self.rules.source.clone(), self.plan.now);
        self.plan.edit_ci(id, reason, |ci| {
            for (attribute, value) in &row.attributes {
                machine::claim(ci, attribute, Some(value.clone()), source.clone(), now);
            }
            ci.enter(stage);
            true
        });
        self.seen.claim(&("item", id), self.row.number);
        (outcome.state, outcome.ci, outcome.name, outcome.class) = (RowState::Create, Some(id), name, class.name.clone());
        self.link(id, links, outcome);
        Ok(())
    }

    fn update(&mut self, id: CiId, keys: &Keys, links: Vec<ReadyLink>, outcome: &mut RowOutcome) -> Result<(), Stop> {
        let estate = self.plan.estate;
        let Some(ci) = self.plan.ci(id) else { return Err(error("", "the item is gone")) };
        if ci.lifecycle == Lifecycle::Retired && self.row.lifecycle.is_none() {
            let message =
                format!("{:?} ({id}) is retired; restore it, or add a column lifecycle that says what it is now", short(&ci.name));
            return Err(conflict("lifecycle", message, Some(id)));
        }
        let mut after = ci.clone();
        (outcome.name, outcome.class) = (ci.name.clone(), ci.class.clone());
        let mut wrong = Vec::new();
        let mut changed = false;
        let has_agent = ci.agent.is_some();
        let mut field = |field: String, old: Option<Value>, new: Value, note: Option<String>| {
            outcome.fields.push(FieldChange { field, old, new, note });
        };
        if let Some(class) = self.row.class.as_deref().filter(|class| *class != ci.class) {
            match known_class(estate.catalogue(), class) {
                Err(problem) => wrong.push(RowProblem { field: "class".to_owned(), message: problem.to_string() }),
                Ok(_) if has_agent => {
                    let note = "stays: the item's agent says what it is";
                    field("class".to_owned(), Some(ci.class.clone().into()), class.into(), Some(note.to_owned()));
                }
                Ok(class) => {
                    field("class".to_owned(), Some(ci.class.clone().into()), class.name.clone().into(), None);
                    after.class.clone_from(&class.name);
                    changed = true;
                }
            }
        }
        if let Some(name) = self.row.name.as_deref().map(str::trim).filter(|name| !name.is_empty() && *name != ci.name.trim()) {
            match check_name(name) {
                Err(problem) => wrong.push(RowProblem { field: "name".to_owned(), message: problem.to_string() }),
                Ok(name) if has_agent && machine::is_named_by_itself(ci) => {
                    let note = "stays: the machine names itself, until somebody names it";
                    field("name".to_owned(), Some(ci.name.clone().into()), name.into(), Some(note.to_owned()));
                }
                Ok(name) => {
                    field("name".to_owned(), Some(ci.name.clone().into()), name.clone().into(), None);
                    after.name = name;
                    changed = true;
                }
            }
        }
        // "active" and "retired" are true of several stages.
        let usual = |lifecycle| if lifecycle == Lifecycle::Active { Stage::InUse } else { Stage::Retired };
        let said = self.row.stage.or_else(|| self.row.lifecycle.filter(|lifecycle| *lifecycle != ci.lifecycle).map(usual));
        let stage = said.filter(|stage| *stage != ci.stage);
        if let Some(stage) = stage {
            field("lifecycle".to_owned(), Some(ci.stage.as_str().into()), stage.as_str().into(), None);
        }
        let class = estate.catalogue().class(&after.class);
        let mut learned = false;
        for (attribute, value) in &self.row.attributes {
            let stands = ci.value(attribute);
            let said = machine::word(ci, attribute, &self.rules.source);
            if stands.is_some_and(|stands| same(stands, value)) && said.is_none_or(|said| same(said, value)) {
                continue;
            }
            if said.is_some_and(|said| same(said, value)) {
                // It has said so before, and another's word stands: nothing new.
                continue;
            }
            if let Some(Err(problem)) = class.map(|class| check_value(estate, &class.name, attribute, value)) {
                wrong.push(RowProblem { field: format!("attributes.{attribute}"), message: problem.to_string() });
                continue;
            }
            changed |= machine::claim(&mut after, attribute, Some(value.clone()), self.rules.source.clone(), self.plan.now);
            learned = true;
            let note = after.attributes.get(attribute).filter(|now| !same(now.value(), value)).map(|now| {
                let winner = now.winner();
                format!("kept beside: {}{} says otherwise and comes first", winner.source, if winner.pinned { ", pinned," } else { "" })
            });
            field(format!("attributes.{attribute}"), stands.cloned(), value.clone(), note);
        }
        if let Some(external) = keys.external.as_ref().filter(|key| !ci.keys.contains(key)) {
            let id = self.row.external_id.clone().unwrap_or_default();
            field("external_id".to_owned(), None, id.into(), None);
            after.keys.push(external.clone());
            after.keys.sort();
            changed = true;
        }
        if learned && !has_agent && is_machine(estate, &after) {
            machine::set_keys(&mut after, &keys.keys, false, machine::is_identity);
        }
        if let Some(first) = wrong.pop() {
            outcome.problems = wrong;
            return Err(Stop { state: RowState::Error, problem: first, ci: Some(id) });
        }
        if let Some(stage) = stage {
            // With what the row says besides: it may be what the way asks for.
            if let Err(problem) = check_way(estate, &after, stage, &self.rules.mark) {
                return Err(Stop { ci: Some(id), ..error("lifecycle", problem.to_string()) });
            }
            after.enter(stage);
            changed = true;
        }
        let of = |ci: &Ci| marks(estate.catalogue(), &ci.class, |name| ci.value(name));
        let was = of(ci);
        let new: Vec<Mark> = of(&after).into_iter().filter(|mark| learned && !was.contains(mark)).collect();
        if let Some((other, mark)) = self.index.recognised(self.plan, &new).into_iter().find(|(other, _)| other.id != id) {
            let message = format!("{:?} ({}) is recognised {} too; one of the two is wrong", short(&other.name), other.id, mark.how());
            return Err(conflict("", message, Some(id)));
        }
        if changed {
            outcome.state = RowState::Update;
            let retires = after.lifecycle == Lifecycle::Retired && ci.lifecycle == Lifecycle::Active;
            let on_it =
                if retires && is_machine(estate, ci) { edges::services_on(self.plan, id).into_values().collect() } else { Vec::new() };
            let reason = format!("{}, row {}: {}", self.rules.mark, self.row.number, outcome.reason);
            for service in on_it {
                self.plan
                    .edit_ci(service, reason.clone(), |ci| std::mem::replace(&mut ci.lifecycle, Lifecycle::Retired) == Lifecycle::Active);
            }
            self.plan.edit_ci(id, reason, |ci| {
                *ci = after;
                true
            });
        }
        self.link(id, links, outcome);
        Ok(())
    }

    /// Looks up what the row's relationships name.
    fn links(&mut self, outcome: &mut RowOutcome) -> Result<Vec<ReadyLink>, Stop> {
        let mut ready = Vec::new();
        for link in &self.row.links {
            let column = link.column();
            check_type(self.plan.estate.catalogue(), &link.kind).map_err(|problem| error(&column, problem.to_string()))?;
            for other in &link.others {
                let found = match other {
                    Reference::Id(id) => match self.plan.ci(self.plan.standing(*id)) {
                        Some(ci) => Some(ci.id),
                        None => return Err(error(&column, format!("there is no configuration item {id} here"))),
                    },
                    Reference::Name(name) => {
                        let found: Vec<CiId> = self.index.named(self.plan, name).map(|ci| ci.id).collect();
                        match found[..] {
                            [one] => Some(one),
                            [] if self.seen.has_name(name) => {
                                outcome.waits = true;
                                None
                            }
                            [] => {
                                let message = format!("there is no item {:?}, here or in this table; correct the name", short(name));
                                return Err(error(&column, message));
                            }
                            _ => {
                                let message = format!("{} items are called {:?}; write NAME (ID)", found.len(), short(name));
                                return Err(error(&column, message));
                            }
                        }
                    }
                };
                let shown = match other {
                    Reference::Name(name) => name.clone(),
                    Reference::Id(id) => self.plan.ci(*id).map_or_else(|| id.to_string(), |ci| format!("{} ({id})", ci.name)),
                };
                ready.push(ReadyLink { kind: link.kind.clone(), reverse: link.reverse, column: column.clone(), other: found, shown });
            }
        }
        Ok(ready)
    }

    fn link(&mut self, id: CiId, links: Vec<ReadyLink>, outcome: &mut RowOutcome) {
        for link in links {
            let mut note = None;
            match link.other {
                Some(other) if other == id => {
                    let message = "an item cannot depend on itself; this one is left out".to_owned();
                    outcome.problems.push(RowProblem { field: link.column.clone(), message });
                    continue;
                }
                Some(other) => {
                    let (from, to) = if link.reverse { (other, id) } else { (id, other) };
                    let active = |id| self.plan.ci(id).is_some_and(|ci: &Ci| ci.lifecycle == Lifecycle::Active);
                    let seen = edges::DECLARED_WORDS.contains(&link.kind.as_str());
                    let known = self.plan.between(&link.kind, from, to);
                    let known = known.or_else(|| self.plan.between("connects_to", from, to).filter(|_| seen));
                    if known.is_some() || !active(from) || !active(to) {
                        continue;
                    }
                    let detail = format!("{}, row {}", self.rules.mark, self.row.number);
                    say(self.plan, &self.rules.source, &link.kind, from, to, None, &detail);
                }
                None => note = Some("made by this table".to_owned()),
            }
            if outcome.state == RowState::Unchanged {
                outcome.state = RowState::Update;
            }
            outcome.fields.push(FieldChange { field: link.column, old: None, new: link.shown.into(), note });
        }
    }
}

struct ReadyLink {
    kind: String,
    reverse: bool,
    column: String,
    /// Absent while another row has to make it.
    other: Option<CiId>,
    shown: String,
}

/// What a row is recognised by.
#[derive(Default)]
struct Keys {
    keys: BTreeSet<IdentityKey>,
    identity: Option<IdentityFacts>,
    /// What its class is recognised by.
    marks: Vec<Mark>,
    /// The id that the source knows it by.
    external: Option<IdentityKey>,
    /// What the source calls it, by which it is recognised again where it was made with nothing else.
    called: Option<IdentityKey>,
}

/// Tables and agents name the kinds of machines in different ways: all machines are one kind here.
fn is_related(catalogue: &Catalogue, class: &ClassDefinition, other: &str) -> bool {
    let both_are = |what: &str| catalogue.is_a(&class.name, what) && catalogue.is_a(other, what);
    catalogue.is_a(&class.name, other) || catalogue.is_a(other, &class.name) || both_are("machine")
}

/// Spaces around a text are nobody's word: files lose and gain them.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b || a.trim() == b.trim(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b,
    }
}

fn bounded(id: &str) -> String {
    crate::observe::bounded(id).into_owned()
}

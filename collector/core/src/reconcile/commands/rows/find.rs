//! Which item a row is about.

use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{Identity, SectionStatus};
use serde_json::Value;

use super::{
    super::{
        recognition::{Mark, marks, telling},
        short,
    },
    Found, Planner, Stop, conflict, error,
    index::folded,
};
use crate::{
    Catalogue,
    catalogue::ClassDefinition,
    model::{Ci, ConflictKind, IdentityKey, IdentityKeyKind, Lifecycle, ReceivedDocument, ReceivedSection},
    observe::{IdentityFacts, is_placeholder, observe},
    reconcile::{
        identify::{self, Newcomer, Reporter, is_machine},
        machine,
    },
};
use rollcall_shared::CiId;

impl Planner<'_, '_, '_> {
    /// The identity keys that the row's values make: read as a document of that machine would be.
    pub(super) fn identity(&self, class: Option<&ClassDefinition>) -> Keys {
        let mut found = Keys::default();
        let catalogue = self.plan.catalogue();
        if class.is_none_or(|class| catalogue.is_a(&class.name, "machine")) {
            let macs = self.values.get("mac_addresses").and_then(Value::as_array).into_iter().flatten();
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
            found.marks = marks(catalogue, &class.name, |name| self.values.get(name));
        }
        let id = self.row.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let external = |id: &str| IdentityKey { kind: IdentityKeyKind::External, value: format!("{}|{}", self.rules.source, bounded(id)) };
        found.external = id.map(external);
        found.called = class.zip(self.name()).map(|(class, name)| external(&format!("{} {}", class.name, folded(&name))));
        found
    }

    pub(super) fn find(&mut self, class: Option<&ClassDefinition>, keys: &Keys) -> Result<Found, Stop> {
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

    pub(super) fn name(&self) -> Option<String> {
        let hostname = || self.text("hostname").map(|name| machine::short_name(&name));
        self.row.name.clone().filter(|name| !name.trim().is_empty()).or_else(hostname)
    }
}

/// What a row is recognised by.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) keys: BTreeSet<IdentityKey>,
    pub(super) identity: Option<IdentityFacts>,
    /// What its class is recognised by.
    pub(super) marks: Vec<Mark>,
    /// The id that the source knows it by.
    pub(super) external: Option<IdentityKey>,
    /// What the source calls it, by which it is recognised again where it was made with nothing else.
    pub(super) called: Option<IdentityKey>,
}

/// Tables and agents name the kinds of machines in different ways: all machines are one kind here.
fn is_related(catalogue: &Catalogue, class: &ClassDefinition, other: &str) -> bool {
    let both_are = |what: &str| catalogue.is_a(&class.name, what) && catalogue.is_a(other, what);
    catalogue.is_a(&class.name, other) || catalogue.is_a(other, &class.name) || both_are("machine")
}

fn bounded(id: &str) -> String {
    crate::observe::bounded(id).into_owned()
}

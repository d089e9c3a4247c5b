//! A small world in which machines report: every report is checked to change nothing when it comes again.

mod attribution;
mod catalogue;
mod code;
mod commands;
mod connections;
mod devices;
mod estate;
mod fleet;
mod identity;
mod imports;
mod inference;
mod merging;
mod noise;
mod rows;
mod services;

use std::{cell::Cell, collections::BTreeMap, net::IpAddr};

use rollcall_shared::{AgentId, CiId, RelationshipId, Timestamp, wire::v1::*};
use uuid::Uuid;

use super::{Policy, commands::Order, housekeeping, reconcile};
use crate::{Estate, Revision, model::*, observe::observe};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

struct World {
    estate: Estate,
    now: Timestamp,
    policy: Policy,
    next_id: Cell<u128>,
}

impl World {
    fn new() -> Self {
        Self { estate: Estate::default(), now: Timestamp::from_millis(1_700_000_000_000), policy: Policy::default(), next_id: Cell::new(1) }
    }

    fn wait(&mut self, millis: i64) -> &mut Self {
        self.now = self.now.plus_millis(millis);
        self
    }

    /// The machine enrolls now if it has not yet, and sends its document.
    fn report(&mut self, machine: &Machine) -> ChangeSet {
        let changes = self.plan(machine);
        self.apply(&changes);
        self.estate.heard(machine.agent, self.now);
        let again = self.plan(machine);
        assert!(again.is_empty(), "the same document again: {:#?}", again.changes);
        changes
    }

    fn plan(&mut self, machine: &Machine) -> ChangeSet {
        let document = machine.document(self.now);
        let facts = machine.facts();
        let observed = observe(&document, &facts.realm, self.now);
        reconcile(&self.estate, &facts, &observed, self.now, &self.policy, &mut ids(&self.next_id))
    }

    fn apply(&mut self, changes: &ChangeSet) {
        for change in &changes.changes {
            assert!(!change.reason.is_empty(), "no reason: {change:?}");
            if let Put::Relationship(relationship) = &change.put {
                assert!(!relationship.evidence.is_empty(), "no evidence: {change:?}");
                assert_ne!(relationship.from, relationship.to, "self-loop unless retired: {change:?}");
            }
        }
        self.estate.apply(&changes.changes, Revision(self.estate.revision().0 + 1));
    }

    fn order<T>(&mut self, who: &str, order: impl FnOnce(&Estate, Order<'_>) -> T) -> T {
        order(&self.estate, Order { source: Source::User(who.into()), now: self.now, ids: &mut ids(&self.next_id) })
    }

    /// An order that must succeed, applied.
    fn command(&mut self, order: impl FnOnce(&Estate, Order<'_>) -> Result<ChangeSet, super::commands::CommandError>) -> ChangeSet {
        let changes = self.order("ada", order).unwrap();
        self.apply(&changes);
        changes
    }

    fn keep_house(&mut self) -> ChangeSet {
        let changes = housekeeping(&self.estate, self.now, &self.policy, &mut ids(&self.next_id));
        self.apply(&changes);
        let again = housekeeping(&self.estate, self.now, &self.policy, &mut ids(&self.next_id));
        assert!(again.is_empty(), "housekeeping again: {:#?}", again.changes);
        changes
    }

    fn machine_of(&self, machine: &Machine) -> CiId {
        self.estate.machine_of(machine.agent).expect("has reported").id
    }

    fn ci(&self, label: &str) -> &Ci {
        let found: Vec<_> = self.estate.active_cis().filter(|ci| self.label(ci.id) == label).collect();
        assert_eq!(found.len(), 1, "{label} among {:?}", self.cis());
        found[0]
    }

    /// `postgresql@db` for a service, the name for everything else.
    fn label(&self, id: CiId) -> String {
        let ci = self.estate.ci(id).expect("in the estate");
        let on = ci.keys.iter().find(|key| key.kind == IdentityKeyKind::ServiceOnMachine);
        let machine = on.and_then(|key| key.value.split('|').next()?.parse().ok()).and_then(|id| self.estate.ci(id));
        machine.map_or_else(|| ci.name.clone(), |machine| format!("{}@{}", ci.name, machine.name))
    }

    /// Active CIs, sorted: `class name`.
    fn cis(&self) -> Vec<String> {
        let mut cis: Vec<_> = self.estate.active_cis().map(|ci| format!("{} {}", ci.class, self.label(ci.id))).collect();
        cis.sort();
        cis
    }

    /// Relationships of a type between active CIs, sorted: `app@web -> postgresql@db (web, db)`, with the machines whose agents say so.
    fn edges(&self, kind: &str) -> Vec<String> {
        let active = |id: CiId| self.estate.ci(id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active);
        let sayers = |relationship: &Relationship| {
            let name = |evidence: &Evidence| match evidence.agent {
                Some(agent) => self.estate.machine_of(agent).map_or("?".to_owned(), |machine| machine.name.clone()),
                None => evidence.source.to_string(),
            };
            let mut names: Vec<_> = relationship.evidence.iter().map(name).collect();
            names.sort();
            names.join(", ")
        };
        let of_kind = self.estate.relationships().filter(|it| it.kind == kind && active(it.from) && active(it.to));
        let mut edges: Vec<_> = of_kind.map(|it| format!("{} -> {} ({})", self.label(it.from), self.label(it.to), sayers(it))).collect();
        edges.sort();
        edges
    }

    /// Open conflicts, sorted: `same_identity a / b`, sides by name.
    fn conflicts(&self) -> Vec<String> {
        let mut conflicts: Vec<_> = self
            .estate
            .open_conflicts()
            .map(|conflict| {
                let mut sides: Vec<_> = [Some(conflict.known), conflict.other].into_iter().flatten().map(|id| self.label(id)).collect();
                sides.sort();
                format!("{} {}", conflict.kind.as_str(), sides.join(" / "))
            })
            .collect();
        conflicts.sort();
        conflicts
    }

    /// Everything that must not depend on the order of arrival, as text: no ids, no times.
    fn gist(&self) -> Vec<String> {
        let attributes = |ci: &Ci| {
            let values = ci.attributes.iter().map(|(name, attribute)| format!("{name}={}", attribute.value()));
            values.collect::<Vec<_>>().join(" ")
        };
        let mut gist: Vec<_> =
            self.estate.active_cis().map(|ci| format!("{} {} {}", ci.class, self.label(ci.id), attributes(ci))).collect();
        for kind in ["runs_on", "connects_to", "resolves_names_with", "routes_through", "mounts"] {
            gist.extend(self.edges(kind));
        }
        let detail = |relationship: &Relationship| {
            let details: Vec<_> = relationship.evidence.iter().map(|it| (&it.detail, it.samples_seen, it.samples_total)).collect();
            format!("{} -> {} {:?} {details:?}", self.label(relationship.from), self.label(relationship.to), relationship.hardness)
        };
        let active = |id: CiId| self.estate.ci(id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active);
        gist.extend(self.estate.relationships().filter(|it| active(it.from) && active(it.to)).map(detail));
        gist.extend(self.conflicts());
        gist.sort();
        gist
    }
}

fn ids(next: &Cell<u128>) -> impl FnMut() -> Uuid {
    || {
        next.set(next.get() + 1);
        Uuid::from_u128(next.get())
    }
}

/// A machine as a test describes it; sections that are `None` are not sent.
#[derive(Clone)]
struct Machine {
    agent: AgentId,
    enrolled_at: Timestamp,
    realm: String,
    assigned: BTreeMap<String, serde_json::Value>,
    identity: Option<Identity>,
    system: Option<OperatingSystem>,
    hardware: Option<Hardware>,
    network: Option<Network>,
    packages: Option<Packages>,
    services: Option<Services>,
    listening: Option<Listening>,
    connections: Option<Connections>,
    file_systems: Option<FileSystems>,
    guests: Option<VirtualGuests>,
    certificates: Option<Certificates>,
    neighbours: Option<Neighbours>,
    /// Status of every section that is sent.
    status: SectionStatus,
    /// When its sections were collected; the time of the report if not set.
    collected_at: Option<Timestamp>,
}

/// A physical server with good ids of its own, at `10.0.0.NUMBER`.
fn machine(name: &str, number: u8) -> Machine {
    let identity = Identity {
        hostname: name.into(),
        fqdn: Some(format!("{name}.corp.net")),
        machine_id: Some(format!("{number:02x}c0ffee{number:024x}")),
        smbios_uuid: Some(format!("4c4c4544-0042-3510-8052-b4c04f4e33{number:02x}")),
        serial: Some(format!("PF2ABC{number:03}")),
        manufacturer: Some("LENOVO".into()),
        permanent_macs: vec![format!("04:7b:cb:00:00:{number:02x}"), format!("04:7b:cb:00:01:{number:02x}")],
        platform: Some(Platform { kind: PlatformKind::Physical, technology: None }),
        ..Identity::default()
    };
    let address = InterfaceAddress { address: ip(number), prefix_length: 24 };
    let interface = Interface {
        name: "eth0".into(),
        kind: "ethernet".into(),
        physical: true,
        up: true,
        addresses: vec![address],
        ..Interface::default()
    };
    let chassis = Chassis { form: Some("rack_mount".into()), ..Chassis::default() };
    Machine {
        agent: AgentId(Uuid::from_u128(0xa6e7 << 64 | u128::from(number))),
        enrolled_at: Timestamp::from_millis(1_700_000_000_000 - HOUR),
        realm: "default".into(),
        assigned: BTreeMap::new(),
        identity: Some(identity),
        system: Some(OperatingSystem { family: "linux".into(), id: Some("debian".into()), ..OperatingSystem::default() }),
        hardware: Some(Hardware { chassis: Some(chassis), ..Hardware::default() }),
        network: Some(Network { interfaces: vec![interface], ..Network::default() }),
        packages: None,
        services: Some(Services::default()),
        listening: Some(Listening::default()),
        connections: Some(Connections { samples: 10, ..Connections::default() }),
        file_systems: None,
        guests: None,
        certificates: None,
        neighbours: None,
        status: SectionStatus::Ok,
        collected_at: None,
    }
}

fn ip(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn unit(name: &str) -> ServiceKey {
    ServiceKey::unit(&format!("{name}.service"))
}

impl Machine {
    fn identity(&mut self) -> &mut Identity {
        self.identity.get_or_insert_default()
    }

    /// The same machine with another agent, enrolled at `at`.
    fn enrolled_again(&self, agent: u128, at: Timestamp) -> Self {
        Self { agent: AgentId(Uuid::from_u128(agent)), enrolled_at: at, ..self.clone() }
    }

    /// Sends nothing but what is set after this.
    fn partial(&self) -> Self {
        Self {
            identity: None,
            system: None,
            hardware: None,
            network: None,
            packages: None,
            services: None,
            listening: None,
            connections: None,
            file_systems: None,
            guests: None,
            certificates: None,
            neighbours: None,
            ..self.clone()
        }
    }

    /// Runs a daemon that listens on TCP ports of all addresses.
    fn runs(mut self, daemon: &str, ports: &[u16]) -> Self {
        self.services.get_or_insert_default().services.push(Service {
            key: unit(daemon),
            name: daemon.into(),
            executable: Some(format!("/usr/sbin/{daemon}")),
            daemon: Some(daemon.into()),
            enabled: Some(true),
            ..Service::default()
        });
        for port in ports {
            self = self.listens(Some(daemon), "0.0.0.0", *port);
        }
        self
    }

    fn listens(mut self, service: Option<&str>, address: &str, port: u16) -> Self {
        self.listening.get_or_insert_default().sockets.push(ListeningSocket {
            protocol: Protocol::Tcp,
            address: address.parse().unwrap(),
            port,
            service: service.map(unit),
            ..ListeningSocket::default()
        });
        self
    }

    fn flow(mut self, direction: Direction, service: Option<&str>, peer: IpAddr, port: u16) -> Self {
        let outgoing = direction == Direction::Outgoing;
        let connections = self.connections.get_or_insert_default();
        connections.samples = 10;
        connections.flows.push(Flow {
            direction,
            direction_method: DirectionMethod::Listener,
            protocol: Protocol::Tcp,
            service: service.map(unit),
            service_method: None,
            network: None,
            local_address: self.network.as_ref().map_or(ip(0), |network| network.interfaces[0].addresses[0].address),
            local_port: (!outgoing).then_some(port),
            peer_address: peer,
            peer_port: outgoing.then_some(port),
            samples_seen: 4,
            first_seen: Timestamp::default(),
            last_seen: Timestamp::default(),
        });
        self
    }

    fn calls(self, service: &str, peer: IpAddr, port: u16) -> Self {
        self.flow(Direction::Outgoing, Some(service), peer, port)
    }

    fn called_by(self, service: &str, peer: IpAddr, port: u16) -> Self {
        self.flow(Direction::Incoming, Some(service), peer, port)
    }

    fn asks(mut self, resolver: &str) -> Self {
        self.network.get_or_insert_default().resolvers.push(resolver.parse().unwrap());
        self
    }

    fn facts(&self) -> AgentFacts {
        AgentFacts { agent: self.agent, realm: self.realm.clone(), enrolled_at: self.enrolled_at, assigned: self.assigned.clone() }
    }

    fn document(&self, now: Timestamp) -> ReceivedDocument {
        let at = self.collected_at.unwrap_or(now);
        fn section<T: Clone>(data: &Option<T>, status: &SectionStatus, collected_at: Timestamp) -> Option<ReceivedSection<T>> {
            let has_data = matches!(status, SectionStatus::Ok | SectionStatus::Partial { .. });
            let data = data.clone()?;
            Some(ReceivedSection { status: status.clone(), collected_at, data: has_data.then_some(data) })
        }
        ReceivedDocument {
            identity: section(&self.identity, &self.status, at),
            operating_system: section(&self.system, &self.status, at),
            hardware: section(&self.hardware, &self.status, at),
            network: section(&self.network, &self.status, at),
            packages: section(&self.packages, &self.status, at),
            services: section(&self.services, &self.status, at),
            listening: section(&self.listening, &self.status, at),
            connections: section(&self.connections, &self.status, at),
            file_systems: section(&self.file_systems, &self.status, at),
            virtual_guests: section(&self.guests, &self.status, at),
            certificates: section(&self.certificates, &self.status, at),
            neighbours: section(&self.neighbours, &self.status, at),
            ..ReceivedDocument::default()
        }
    }
}

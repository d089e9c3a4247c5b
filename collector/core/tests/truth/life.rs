//! A quarter of a year of a fleet.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_core::{
    AgentFacts, ChangeSet, Estate, ImportFacts, Policy, Put, Revision, Source, observe, reconcile,
    reconcile::{
        commands::{AttributeEdit, CiUpdate, CommandError, NewCi, Order, create_ci, update_ci},
        recognise_import,
    },
    reconcile_import,
};
use rollcall_shared::{AgentId, CiId, Timestamp};
use uuid::Uuid;

use crate::{
    dice::Dice,
    machines::{Kind, Machine, dock},
    sources,
};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const DAYS: usize = 90;
/// The register is imported as a whole, again and again.
const REGISTER_DAYS: &[usize] = &[12, 55, 80];

/// What the fleet came to.
pub(crate) struct Fleet {
    pub(crate) machines: Vec<Machine>,
    pub(crate) estate: Estate,
    /// Every CI that a source's word about a machine went to, with what was said there: source and its own name for the machine.
    pub(crate) told: Vec<BTreeMap<CiId, BTreeSet<String>>>,
    /// Sources' names for each machine: each has to come to the same CI.
    pub(crate) names: Vec<BTreeSet<String>>,
    pub(crate) log: BTreeMap<CiId, Vec<String>>,
    pub(crate) reports: usize,
    pub(crate) policy: Policy,
}

/// What happens to a machine.
#[derive(Clone, Copy, Debug)]
enum Happening {
    AgentReports,
    ProgramReports,
    ClientRegisters,
    PersonEnters,
    Renamed,
    Reinstalled,
    BoardReplaced,
    AdapterReplaced,
    DiskReplaced,
    /// To another host of the same hypervisor: nothing of its own changes.
    Migrated,
    /// To another hypervisor: new hardware ids, the disk is the same.
    Converted,
    Cloned,
    /// Taken out of service; its name goes to a new machine.
    Replaced,
    Docked,
    Undocked,
    SwitchedOff,
    SwitchedOn,
}

/// Lives through it.
pub(crate) fn live(count: usize, seed: u64) -> Fleet {
    let mut world = World::new(count, seed);
    let mut plan: Vec<Vec<(usize, Happening)>> = vec![Vec::new(); DAYS];
    for number in 0..count {
        world.plan(number, &mut plan);
    }
    for (day, mut today) in plan.into_iter().enumerate() {
        // A busy day may last into the next.
        world.now = world.now.max(world.begin.plus_millis(day as i64 * DAY));
        for at in (1..today.len()).rev() {
            today.swap(at, world.dice.under(at + 1));
        }
        let pause = DAY / (today.len() as i64 + 2);
        if REGISTER_DAYS.contains(&day) {
            (0..world.fleet.machines.len()).for_each(|number| world.row(number));
        }
        for (number, what) in today {
            world.now = world.now.plus_millis(pause);
            world.happen(number, what);
            // What follows within minutes of it.
            world.follow(number, what);
        }
        for number in 0..world.fleet.machines.len() {
            world.hear(number);
        }
    }
    // In the end everything that still runs reports once more.
    world.now = world.now.plus_millis(DAY);
    for number in 0..world.fleet.machines.len() {
        if world.fleet.machines[number].is_on {
            world.now = world.now.plus_millis(MINUTE);
            world.agent(number);
            world.program(number);
            world.row(number);
        }
    }
    world.fleet
}

struct World {
    fleet: Fleet,
    dice: Dice,
    begin: Timestamp,
    now: Timestamp,
    docks: Vec<[String; 2]>,
    next_id: u128,
}

impl World {
    fn new(count: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let docks = (0..count / 4 + 1).map(|_| dock(&mut dice)).collect();
        let mut machines: Vec<Machine> = (0..count).map(|number| Machine::new(&mut dice, number)).collect();
        let series: Vec<usize> = machines.iter().filter(|it| it.kind == Kind::SeriesBox).map(|it| it.number).collect();
        let servers: Vec<usize> = machines.iter().filter(|it| it.kind == Kind::Server).map(|it| it.number).collect();
        for number in 0..count {
            match machines[number].kind {
                Kind::SeriesBox => machines[number].relatives = series.clone(),
                // A container reads its host's ids.
                Kind::Container if !servers.is_empty() => {
                    let host = *dice.pick(&servers);
                    (machines[number].uuid, machines[number].serial) = (machines[host].uuid.clone(), machines[host].serial.clone());
                    machines[number].relatives.push(host);
                    machines[host].relatives.push(number);
                }
                _ => {}
            }
        }
        let begin = Timestamp::from_millis(1_700_000_000_000);
        let fleet = Fleet {
            told: vec![BTreeMap::new(); count],
            names: vec![BTreeSet::new(); count],
            machines,
            estate: Estate::default(),
            log: BTreeMap::new(),
            reports: 0,
            policy: Policy::default(),
        };
        Self { fleet, dice, begin, now: begin, docks, next_id: 1 }
    }

    fn plan(&mut self, number: usize, plan: &mut [Vec<(usize, Happening)>]) {
        use Happening::*;
        let machine = &self.fleet.machines[number];
        let (kind, sources) = (machine.kind, [machine.has_agent, machine.has_program, machine.has_client, machine.has_entry]);
        let dice = &mut self.dice;
        let mut on = |day: usize, what| plan[day].push((number, what));
        for (has, what, until) in [
            (sources[0], AgentReports, 40),
            (sources[1], ProgramReports, 40),
            (sources[2], ClientRegisters, 30),
            (sources[3], PersonEnters, 60),
        ] {
            if has {
                on(dice.under(until), what);
            }
        }
        for (has, what) in [(sources[0], AgentReports), (sources[1], ProgramReports)] {
            if has {
                (0..2).for_each(|_| on(42 + dice.under(DAYS - 42), what));
            }
        }
        let hardware = !kind.is_guest() && kind != Kind::Container;
        let guest = kind.is_guest() && kind != Kind::Cloud;
        for (percent, what) in [
            (5.0, Renamed),
            (if kind == Kind::Container { 0.0 } else { 8.0 }, Reinstalled),
            (if hardware { 1.5 } else { 0.0 }, BoardReplaced),
            (
                if hardware {
                    3.0
                } else if guest {
                    1.0
                } else {
                    0.0
                },
                AdapterReplaced,
            ),
            (if hardware { 2.0 } else { 0.0 }, DiskReplaced),
            (if guest { 20.0 } else { 0.0 }, Migrated),
            (if guest { 1.0 } else { 0.0 }, Converted),
            (if guest { 4.0 } else { 0.0 }, Cloned),
            (2.0, Replaced),
            (12.0, SwitchedOff),
        ] {
            if dice.percent(percent) {
                on(5 + dice.under(DAYS - 6), what);
            }
        }
        // Most of what is switched off comes back.
        let off: Vec<usize> =
            (0..DAYS).filter(|day| plan[*day].iter().any(|(it, what)| *it == number && matches!(what, SwitchedOff))).collect();
        for day in off {
            if dice.percent(60.0) && day + 2 < DAYS {
                plan[day + 1 + dice.under(DAYS - day - 1)].push((number, SwitchedOn));
            }
        }
        let mut on = |day: usize, what| plan[day].push((number, what));
        if kind == Kind::Laptop {
            (0..4).for_each(|_| on(dice.under(DAYS), if dice.percent(60.0) { Docked } else { Undocked }));
        }
    }

    fn machine(&mut self, number: usize) -> &mut Machine {
        &mut self.fleet.machines[number]
    }

    fn happen(&mut self, number: usize, what: Happening) {
        use Happening::*;
        if !self.fleet.machines[number].is_on && !matches!(what, SwitchedOn | PersonEnters) {
            return;
        }
        match what {
            AgentReports => self.agent(number),
            ProgramReports => self.program(number),
            ClientRegisters => self.client(number),
            PersonEnters => self.person(number),
            Renamed => {
                let name = format!("{}{}", self.dice.pick(&["new-", "hq-", "branch-"]), self.dice.hex(5));
                self.machine(number).hostname = name;
            }
            Reinstalled => self.reinstall(number),
            BoardReplaced => {
                let mut machine = self.fleet.machines[number].clone();
                let serial = machine.serial.clone();
                machine.new_board(&mut self.dice);
                // The maker's service writes the old serial number onto the new board.
                if self.dice.percent(75.0) {
                    machine.serial = serial;
                }
                // The wireless card moves over.
                if machine.macs.len() > 1 {
                    let last = machine.macs.len() - 1;
                    machine.macs[last] = self.fleet.machines[number].macs.last().cloned().unwrap_or_default();
                }
                self.fleet.machines[number] = machine;
            }
            AdapterReplaced => {
                let new = self.fleet.machines[number].clone().adapter(&mut self.dice);
                let at = self.dice.under(self.fleet.machines[number].macs.len());
                self.machine(number).macs[at] = new;
            }
            // Half are put back from a backup, agent and all.
            DiskReplaced => {
                if self.dice.percent(50.0) {
                    self.reinstall(number);
                }
            }
            Migrated => {}
            Converted => {
                let (uuid, macs) = (self.dice.uuid(), self.fleet.machines[number].macs.clone());
                let mut machine = self.fleet.machines[number].clone();
                machine.kind = Kind::Kvm;
                (machine.maker, machine.model) = ("QEMU", "Standard PC (Q35 + ICH9, 2009)".into());
                (machine.uuid, machine.serial) = (Some(uuid), None);
                machine.macs = macs;
                self.fleet.machines[number] = machine;
            }
            Cloned => self.clone_guest(number),
            Replaced => self.replace(number),
            Docked => {
                let dock = self.dice.under(self.docks.len());
                self.machine(number).docked_at = Some(dock);
            }
            Undocked => self.machine(number).docked_at = None,
            SwitchedOff => self.machine(number).is_on = false,
            SwitchedOn => self.machine(number).is_on = true,
        }
    }

    fn follow(&mut self, number: usize, what: Happening) {
        use Happening::*;
        if matches!(what, AgentReports | ProgramReports | ClientRegisters | PersonEnters | SwitchedOff) {
            return;
        }
        self.now = self.now.plus_millis(MINUTE);
        let machine = &self.fleet.machines[number];
        let (agent, program) = (machine.known_by.agent.is_some(), machine.known_by.program.is_some());
        if agent {
            self.agent(number);
        }
        if program && self.dice.percent(70.0) {
            self.program(number);
        }
    }

    /// Other agent, other machine id, sometimes another name; the program chooses a new name for it.
    fn reinstall(&mut self, number: usize) {
        let machine_id = self.dice.hex(32);
        let renamed = self.dice.percent(20.0).then(|| format!("re-{}", self.dice.hex(5)));
        self.now = self.now.plus_millis(20 * MINUTE);
        let (agent, now) = (AgentId(self.id()), self.now);
        let stamp = now.as_millis();
        let machine = self.machine(number);
        machine.machine_id = machine_id;
        machine.hostname = renamed.unwrap_or_else(|| machine.hostname.clone());
        if machine.known_by.agent.is_some() {
            machine.known_by.agent = Some((agent, now));
        }
        if machine.known_by.program.is_some() {
            machine.known_by.program = Some(format!("{}-{stamp}", machine.hostname));
        }
    }

    /// Another machine from now on, with the disk of this one.
    fn clone_guest(&mut self, number: usize) {
        let mut clone = self.fleet.machines[number].clone();
        let new = self.fleet.machines.len();
        clone.number = new;
        clone.known_by = Default::default();
        clone.has_entry = false;
        clone.has_client = false;
        let (uuid, serial) = (clone.uuid.clone(), clone.serial.clone());
        if self.dice.percent(50.0) {
            clone.new_board(&mut self.dice);
        } else {
            clone.new_adapters(&mut self.dice);
            (clone.uuid, clone.serial) = (uuid, serial);
        }
        // The program's name for the machine is on the disk; the agent enrolls anew.
        clone.known_by.program = self.fleet.machines[number].known_by.program.clone();
        let relatives: Vec<usize> = [number].into_iter().chain(self.fleet.machines[number].relatives.clone()).collect();
        relatives.iter().for_each(|relative| self.fleet.machines[*relative].relatives.push(new));
        clone.relatives = relatives;
        let (has_agent, has_program) = (clone.has_agent, clone.has_program);
        let original_off = self.dice.percent(40.0);
        self.fleet.machines.push(clone);
        self.fleet.told.push(BTreeMap::new());
        self.fleet.names.push(BTreeSet::new());
        if original_off {
            self.machine(number).is_on = false;
            self.now = self.now.plus_millis(2 * HOUR);
        }
        // Some report before anybody gives them a name of their own.
        for named in [false, true] {
            if named {
                let name = format!("clone-{}", self.dice.hex(5));
                self.machine(new).hostname = name;
                self.machine(number).is_on = true;
            } else if self.dice.percent(70.0) {
                continue;
            }
            self.now = self.now.plus_millis(5 * MINUTE);
            if has_agent {
                self.agent(new);
            }
            if has_program {
                self.program(new);
            }
        }
    }

    /// A new machine takes the name, on the same desk.
    fn replace(&mut self, number: usize) {
        self.machine(number).is_on = false;
        let new = self.fleet.machines.len();
        let mut machine = Machine::new(&mut self.dice, new);
        while machine.kind == Kind::SeriesBox || machine.kind == Kind::Container {
            machine = Machine::new(&mut self.dice, new);
        }
        machine.hostname = self.fleet.machines[number].hostname.clone();
        machine.has_domain = self.fleet.machines[number].has_domain;
        let sources = [machine.has_agent, machine.has_program];
        self.fleet.machines.push(machine);
        self.fleet.told.push(BTreeMap::new());
        self.fleet.names.push(BTreeSet::new());
        self.now = self.now.plus_millis(HOUR);
        if sources[0] {
            self.agent(new);
        }
        if sources[1] {
            self.program(new);
        }
    }

    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    fn hear(&mut self, number: usize) {
        let machine = &self.fleet.machines[number];
        if let Some((agent, _)) = machine.known_by.agent.filter(|_| machine.is_on) {
            self.fleet.estate.heard(agent, self.now);
        }
    }

    /// Machines that share ids with this one check in every few minutes too.
    fn hear_relatives(&mut self, number: usize) {
        for relative in self.fleet.machines[number].relatives.clone() {
            let machine = &self.fleet.machines[relative];
            if let Some((agent, enrolled)) = machine.known_by.agent.filter(|_| machine.is_on) {
                self.fleet.estate.heard(agent, self.now.plus_millis(-MINUTE).max(enrolled));
            }
        }
    }

    fn apply(&mut self, changes: &ChangeSet) {
        self.fleet.estate.apply(&changes.changes, Revision(self.fleet.estate.revision().0 + 1));
        self.fleet.reports += 1;
        for change in &changes.changes {
            if let Put::Ci(ci) = &change.put
                && (change.differs.is_empty()
                    || change.differs.iter().any(|name| ["keys", "agent", "merged_into"].contains(&name.as_str())))
            {
                self.fleet.log.entry(ci.id).or_default().push(format!("{} {}", self.now, change.reason));
            }
        }
    }

    fn told(&mut self, number: usize, ci: CiId, name: String) {
        self.fleet.told[number].entry(ci).or_default().insert(name.clone());
        self.fleet.names[number].insert(name);
    }

    fn dock_of(&self, number: usize) -> Option<[String; 2]> {
        self.fleet.machines[number].docked_at.map(|dock| self.docks[dock].clone())
    }

    fn agent(&mut self, number: usize) {
        if !self.fleet.machines[number].has_agent {
            return;
        }
        self.hear_relatives(number);
        if self.fleet.machines[number].known_by.agent.is_none() {
            let agent = (AgentId(self.id()), self.now);
            self.machine(number).known_by.agent = Some(agent);
        }
        let Some((agent, enrolled_at)) = self.fleet.machines[number].known_by.agent else { return };
        let facts = AgentFacts { agent, realm: "default".into(), enrolled_at, assigned: BTreeMap::new() };
        let document = sources::agent(&self.fleet.machines[number], self.dock_of(number).as_ref(), self.now);
        let observed = observe(&document, &facts.realm, self.now);
        let mut next = self.next_id;
        let changes = reconcile(&self.fleet.estate, &facts, &observed, self.now, &self.fleet.policy, &mut ids(&mut next));
        self.next_id = next;
        self.apply(&changes);
        self.fleet.estate.heard(agent, self.now);
        if let Some(ci) = self.fleet.estate.machine_of(agent).map(|ci| ci.id) {
            self.told(number, ci, format!("agent {agent}"));
        }
    }

    fn program(&mut self, number: usize) {
        if !self.fleet.machines[number].has_program {
            return;
        }
        self.hear_relatives(number);
        let is_first = self.fleet.machines[number].known_by.program.is_none();
        if is_first {
            let device = format!("{}-{}", self.fleet.machines[number].hostname, self.now.as_millis());
            self.machine(number).known_by.program = Some(device);
        }
        let partial = !is_first && self.dice.percent(20.0);
        let dock = self.dock_of(number);
        let document = sources::program(&mut self.dice, &self.fleet.machines[number], dock.as_ref(), self.now, partial);
        let device = self.fleet.machines[number].known_by.program.clone().unwrap_or_default();
        self.import(number, "glpi", device, partial, &document);
    }

    fn row(&mut self, number: usize) {
        if !self.fleet.machines[number].in_register || !self.fleet.machines[number].is_on {
            return;
        }
        // Written down when it was bought: what has changed since is not in it.
        if self.fleet.machines[number].known_by.register.is_none() {
            self.machine(number).known_by.register = Some(format!("INV-{number:06}"));
        }
        let document = sources::row(&self.fleet.machines[number], self.now);
        self.import(number, "register", format!("INV-{number:06}"), false, &document);
    }

    fn import(&mut self, number: usize, source: &str, device: String, partial: bool, document: &rollcall_core::ReceivedDocument) {
        let facts = ImportFacts { source: Source::Import(source.into()), device: device.clone(), realm: "default".into(), partial };
        let observed = observe(document, &facts.realm, self.now);
        let mut next = self.next_id;
        let changes = reconcile_import(&self.fleet.estate, &facts, &observed, self.now, &self.fleet.policy, &mut ids(&mut next));
        self.next_id = next;
        self.apply(&changes);
        match recognise_import(&self.fleet.estate, &facts, &observed, self.now, &self.fleet.policy) {
            // A name that was copied with the disk is another's too.
            Some((ci, _)) => self.told(number, ci, format!("{source} {device} {number}")),
            None => panic!("{source} {device}: not recognised right after its report"),
        }
    }

    fn client(&mut self, number: usize) {
        let id = format!("mdm-{number}");
        let new = sources::client(&self.fleet.machines[number], &id);
        let ci = self.register(number, "api:mdm", Source::Api("mdm".into()), &new);
        self.machine(number).known_by.client = ci.map(|ci| (id, ci));
    }

    fn person(&mut self, number: usize) {
        let new = sources::entry(&mut self.dice, &self.fleet.machines[number]);
        let ci = self.register(number, "person", Source::User("ada".into()), &new);
        self.machine(number).known_by.person = ci;
    }

    /// Makes it, or says it of the one that is there already.
    fn register(&mut self, number: usize, who: &str, source: Source, new: &NewCi) -> Option<CiId> {
        let (mut next, now) = (self.next_id, self.now);
        let made = create_ci(&self.fleet.estate, new, Order { source: source.clone(), now, ids: &mut ids(&mut next) });
        let (ci, changes) = match made {
            Ok(changes) => {
                let ci = changes.changes.iter().find_map(|change| if let Put::Ci(ci) = &change.put { Some(ci.id) } else { None })?;
                (ci, changes)
            }
            Err(CommandError::KnownMachine { id, .. }) => {
                let set = |value: &serde_json::Value| AttributeEdit::Set { value: value.clone(), pin: false };
                let attributes = new.attributes.iter().map(|(name, value)| (name.clone(), set(value))).collect();
                let update = CiUpdate { attributes, ..CiUpdate::default() };
                let order = Order { source, now, ids: &mut ids(&mut next) };
                (id, update_ci(&self.fleet.estate, id, &update, order).unwrap_or_else(|error| panic!("{error}")))
            }
            Err(error) => panic!("{who} {number}: {error}"),
        };
        self.next_id = next;
        self.apply(&changes);
        self.told(number, ci, format!("{who} {number}"));
        Some(ci)
    }
}

fn ids(next: &mut u128) -> impl FnMut() -> Uuid {
    || {
        *next += 1;
        Uuid::from_u128(*next)
    }
}

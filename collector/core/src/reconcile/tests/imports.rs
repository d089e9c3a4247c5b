//! Machines that other inventory programs describe.

use super::*;
use crate::reconcile::reconcile_import;

fn glpi() -> Source {
    Source::Import("glpi".into())
}

impl World {
    /// Another program sends what it knows of a machine, by its own name for it.
    pub(super) fn imported(&mut self, machine: &Machine, device: &str, partial: bool) -> ChangeSet {
        let changes = self.plan_import(machine, device, partial);
        self.apply(&changes);
        let again = self.plan_import(machine, device, partial);
        assert!(again.is_empty(), "the same inventory again: {:#?}", again.changes);
        changes
    }

    fn plan_import(&self, machine: &Machine, device: &str, partial: bool) -> ChangeSet {
        let mut said = machine.clone();
        if partial {
            said.status = SectionStatus::Partial { reason: "only what changed was sent".into() };
        }
        // Programs of this kind know nothing of services and connections.
        (said.services, said.listening, said.connections) = (None, None, None);
        let facts = ImportFacts { source: glpi(), device: device.into(), realm: "default".into(), partial };
        let observed = observe(&said.document(self.now), &facts.realm, self.now);
        reconcile_import(&self.estate, &facts, &observed, self.now, &self.policy, &mut ids(&self.next_id))
    }

    fn sources(&self, name: &str, attribute: &str) -> Vec<String> {
        let claims = self.ci(name).attributes.get(attribute).map(Attribute::claims).unwrap_or_default();
        claims.iter().map(|claim| format!("{}={}", claim.source, claim.value)).collect()
    }
}

fn with_packages(mut machine: Machine, names: &[&str]) -> Machine {
    let package = |name: &&str| Package { kind: "deb".into(), name: (*name).into(), version: "1".into(), ..Package::default() };
    machine.packages = Some(Packages { packages: names.iter().map(package).collect() });
    machine
}

#[test]
fn agent_and_program_are_one_machine_with_two_sources_in_either_order() {
    for agent_first in [true, false] {
        let mut world = World::new();
        let a = machine("a", 1);
        if agent_first {
            world.report(&a);
        }
        world.imported(&a, "a-2026-01-01-00-00-00", false);
        if !agent_first {
            world.report(&a);
        }
        world.wait(DAY).imported(&a, "a-2026-01-01-00-00-00", false);
        assert_eq!(world.cis(), ["server a"], "agent first: {agent_first}");
        assert_eq!(world.conflicts(), [""; 0]);
        assert_eq!(world.sources("a", "serial"), [r#"agent="PF2ABC001""#, r#"import:glpi="PF2ABC001""#]);
        assert_eq!(world.machine_of(&a), world.ci("a").id);
    }
}

#[test]
fn the_agents_word_stands_and_the_programs_is_kept() {
    let mut world = World::new();
    let a = with_packages(machine("a", 1), &["bash", "vim"]);
    world.report(&a);
    let mut said = with_packages(machine("a", 1), &["bash"]);
    said.system.get_or_insert_default().architecture = Some("i386".into());
    said.network = machine("a", 9).network;
    let mut own = a.clone();
    own.system.get_or_insert_default().architecture = Some("x86_64".into());
    world.report(&own);
    world.imported(&said, "a", false);
    assert_eq!(world.sources("a", "architecture"), [r#"agent="x86_64""#, r#"import:glpi="i386""#]);
    assert_eq!(world.ci("a").value("package_count"), Some(&2.into()));
    let addresses: Vec<_> = world.ci("a").keys.iter().filter(|key| key.kind == IdentityKeyKind::AddressInRealm).collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert!(addresses[0].value.ends_with("10.0.0.1"));
}

#[test]
fn a_machine_without_an_agent_is_its_programs_to_describe() {
    let mut world = World::new();
    let a = with_packages(machine("a", 1), &["bash", "vim"]);
    world.imported(&a, "a", false);
    let renamed = with_packages(Machine { identity: machine("b", 1).identity, ..a.clone() }, &["bash"]);
    world.wait(DAY).imported(&renamed, "a", false);
    assert_eq!(world.cis(), ["server b"]);
    assert_eq!(world.ci("b").value("package_count"), Some(&1.into()));
    // The host that others only knew by its address is the same machine.
    let mut world = World::new();
    world.report(&machine("client", 2).runs("app", &[]).calls("app", ip(1), 5432));
    assert_eq!(world.cis().len(), 3, "{:?}", world.cis());
    world.imported(&a, "a", false);
    assert_eq!(world.cis(), ["server a", "server client", "service_instance app@client"]);
}

#[test]
fn a_partial_inventory_takes_nothing_away_and_marks_what_is_known_by_partials_only() {
    let mut world = World::new();
    let a = with_packages(machine("a", 1), &["bash", "vim"]);
    let some = Machine { hardware: None, ..with_packages(a.clone(), &["curl"]) };
    world.imported(&some, "a", true);
    assert_eq!(world.ci("a").value("inventory_incomplete"), Some(&true.into()));
    world.wait(DAY).imported(&a, "a", false);
    assert_eq!((world.ci("a").value("inventory_incomplete"), world.ci("a").value("package_count")), (None, Some(&2.into())));
    let mut less = with_packages(a, &["curl"]);
    less.identity().serial = None;
    world.wait(DAY).imported(&less, "a", true);
    assert_eq!((world.ci("a").text("serial"), world.ci("a").value("package_count")), (Some("PF2ABC001"), Some(&3.into())));
    assert_eq!(world.ci("a").value("inventory_incomplete"), None);
}

#[test]
fn the_programs_name_for_a_machine_decides_nothing_against_its_hardware() {
    // Installed again: another name, the same hardware.
    let mut world = World::new();
    world.imported(&machine("a", 1), "a-1", false);
    world.wait(DAY).imported(&machine("a", 1), "a-2", false);
    assert_eq!(world.cis(), ["server a"]);
    // A copied disk: the same name, other hardware. Both stay, and somebody is told once.
    let mut world = World::new();
    world.imported(&machine("a", 1), "golden", false);
    world.imported(&machine("b", 2), "golden", false);
    for _ in 0..2 {
        world.wait(DAY).imported(&machine("a", 1), "golden", false);
        world.wait(DAY).imported(&machine("b", 2), "golden", false);
    }
    assert_eq!(world.cis(), ["server a", "server b"]);
    assert_eq!(world.conflicts(), ["same_identity a / b"]);
}

#[test]
fn what_was_retired_and_is_reported_again_is_asked_about() {
    let mut world = World::new();
    world.imported(&machine("a", 1), "a", false);
    let id = world.ci("a").id;
    world.command(|estate, order| crate::reconcile::commands::retire_ci(estate, id, "", order));
    assert_eq!(world.cis(), [""; 0]);
    world.wait(DAY).imported(&machine("a", 1), "a", false);
    assert_eq!((world.cis(), world.conflicts()), (vec!["server a".to_owned()], vec!["returned_from_retirement a".to_owned()]));
}

/// A machine that has no ids of its hardware but these adapters.
fn with_adapters(name: &str, number: u8, macs: &[&str]) -> Machine {
    let mut machine = machine(name, number);
    machine.identity =
        Some(Identity { hostname: name.into(), permanent_macs: macs.iter().map(|mac| (*mac).into()).collect(), ..Identity::default() });
    machine
}

#[test]
fn the_only_adapter_of_both_is_a_machine_that_was_renamed_since_and_a_dock_is_none() {
    let (own, other, dock) = ("04:7b:cb:00:00:01", "04:7b:cb:00:00:02", "04:7b:cb:00:00:0d");
    let count = |agent: &[&str], imported: &[&[&str]]| {
        let mut world = World::new();
        world.report(&with_adapters("pc-1", 1, agent));
        for (n, macs) in imported.iter().enumerate() {
            world.imported(&with_adapters(&format!("old-{n}"), 2, macs), &format!("INV-{n}"), false);
        }
        world.cis().len()
    };
    assert_eq!(count(&[own], &[&[own]]), 1, "renamed");
    assert_eq!(count(&[own, dock], &[&[dock]]), 2, "the register has the dock's address");
    assert_eq!(count(&[own], &[&[own, dock]]), 2, "the register has more");
    assert_eq!(count(&[own], &[&[other]]), 2);
    assert_eq!(count(&[own], &[&[own], &[own]]), 2, "in one register, two rows are two things");
}

#[test]
fn of_two_that_have_an_adapter_the_one_of_the_same_name_is_meant() {
    let (own, dock) = ("04:7b:cb:00:00:01", "04:7b:cb:00:00:0d");
    let mut world = World::new();
    world.imported(&with_adapters("old-1", 2, &[own, dock]), "INV-1", false);
    world.report(&with_adapters("pc-1", 1, &[own]));
    world.imported(&with_adapters("pc-1", 3, &[own]), "pc-1-2026-01-01-00-00-00", false);
    assert_eq!(world.cis().len(), 2, "{:?}", world.cis());
    assert_eq!(world.sources("pc-1", "mac_addresses").len(), 2);
}

//! What only the whole estate shows: who looks after machines, what is redundant, how sure a dependency is, what an application is made of.

use std::collections::BTreeSet;

use rollcall_shared::catalogue::Hardness;

use super::{
    super::{Look, commands::*, infer, infer_found},
    *,
};
use crate::infer::{Level, Scale, declared_never_observed, drift, isolated, observed_never_declared, orphans, propose};

/// A proxy pair, three application processes, a primary and a replica database, a cache, a batch job, an administrator and a poller.
fn estate() -> Vec<Machine> {
    let lb = |name: &str, number: u8| {
        (11..14).fold(machine(name, number).runs("haproxy", &[443]).runs("sshd", &[22]), |lb, app| lb.calls("haproxy", ip(app), 8080))
    };
    let app = |name: &str, number: u8| {
        machine(name, number).runs("shop", &[8080]).runs("sshd", &[22]).calls("shop", ip(21), 5432).calls("shop", ip(31), 6379)
    };
    let every = [1, 2, 11, 12, 13, 21, 22, 31, 41];
    let poller = [(1, 443), (2, 443), (11, 8080), (12, 8080), (13, 8080), (21, 5432), (22, 5432), (31, 6379), (41, 22)];
    let poller = poller.into_iter().fold(machine("watch", 51), |watch, (peer, port)| watch.calls("poll", ip(peer), port));
    let admin = every.into_iter().fold(machine("admin", 61), |admin, peer| admin.flow(Direction::Outgoing, None, ip(peer), 22));
    vec![
        lb("lb1", 1),
        lb("lb2", 2),
        app("app1", 11),
        app("app2", 12),
        app("app3", 13),
        machine("db1", 21).runs("postgresql", &[5432]).runs("sshd", &[22]),
        machine("db2", 22).runs("postgresql", &[5432]).runs("sshd", &[22]).calls("postgresql", ip(21), 5432),
        machine("cache", 31).runs("redis", &[6379]).runs("sshd", &[22]),
        machine("batch", 41).runs("report", &[]).runs("sshd", &[22]).calls("report", ip(21), 5432),
        poller,
        admin,
    ]
}

impl World {
    fn of(machines: &[Machine]) -> Self {
        let mut world = Self::new();
        machines.iter().for_each(|machine| drop(world.report(machine)));
        world.sweep();
        world
    }

    /// What only the whole estate shows, until nothing changes any more: one turn for each stage at most.
    fn sweep(&mut self) -> ChangeSet {
        let mut all = ChangeSet::default();
        for turn in 0.. {
            let changes = infer(&self.estate, self.now, &self.policy, &mut ids(&self.next_id));
            // A few items at a time it comes to the same.
            let mut look = Look::begin(&self.estate);
            while look.go_on(&self.estate, self.now, &self.policy, 3) {}
            let found = look.found();
            assert_eq!(found.is_some(), !changes.is_empty());
            if let Some(found) = found {
                let again = infer_found(&self.estate, &found, self.now, &self.policy, &mut ids(&self.next_id));
                assert_eq!(again.changes.len(), changes.changes.len());
            }
            if changes.is_empty() {
                break;
            }
            assert!(turn < 3, "again: {:#?}", changes.changes);
            self.apply(&changes);
            all.changes.extend(changes.changes);
        }
        all
    }

    /// `standing pattern of: members`, sorted.
    fn suggestions(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .estate
            .suggestions()
            .chain(self.estate.need_groups())
            .map(|group| {
                let mut members: Vec<String> = group.members.iter().map(|member| self.label(*member)).collect();
                members.sort();
                let suggestion = group.suggestion.as_ref();
                assert!(suggestion.is_none_or(|it| !it.evidence.is_empty()));
                let pattern = suggestion.map_or("declared", |it| it.pattern.as_str());
                format!("{} {pattern} {}: {}", group.standing.as_str(), self.label(group.ci), members.join(" "))
            })
            .collect();
        all.sort();
        all
    }

    fn edge(&self, from: &str, to: &str) -> &Relationship {
        let (from, to) = (self.ci(from).id, self.ci(to).id);
        self.estate.between(from, to).find(|edge| edge.kind != "runs_on").expect("an edge")
    }
}

#[test]
fn what_talks_to_nearly_all_and_serves_nobody_looks_after_them() {
    let world = World::of(&estate());
    for edge in world.estate.relationships().filter(|edge| edge.kind == "connects_to") {
        let from = world.label(edge.from);
        let judgement = edge.judgement.as_ref();
        match from.as_str() {
            "poll@watch" => {
                // That it asks for the remote shell as well does not make it an administrator.
                assert_eq!((edge.hardness, judgement.map(|it| it.purpose)), (Some(Hardness::None), Some(Purpose::Monitoring)));
                assert!(judgement.is_some_and(|it| !it.reason.is_empty()));
            }
            "postgresql@db2" => assert_eq!(judgement.map(|it| it.purpose), Some(Purpose::Replication)),
            "admin" => assert_eq!(edge.hardness, Some(Hardness::None)),
            _ => assert_eq!((edge.hardness, judgement), (None, None), "{from} -> {}", world.label(edge.to)),
        }
    }
    let reason = &world.edge("poll@watch", "redis@cache").judgement.as_ref().unwrap().reason;
    assert!(reason.contains("9 of 10 machines") && reason.contains("serves nobody"), "{reason}");
}

#[test]
fn a_pattern_that_ends_is_taken_back_and_a_person_stands_against_it() {
    let mut world = World::of(&estate());
    let (redis, database) = (world.edge("poll@watch", "redis@cache").id, world.edge("poll@watch", "postgresql@db1").id);
    world.command(|e, o| set_hardness(e, database, Some(Hardness::Hard), o));
    assert!(world.sweep().is_empty());
    // New evidence does not undo what the pattern says.
    world.wait(2 * DAY).report(&estate()[9]);
    assert_eq!(world.estate.relationship(redis).unwrap().hardness, Some(Hardness::None));
    assert!(world.sweep().is_empty(), "nor is there anything left to say");
    // It begins to serve others: it is an application after all.
    world.report(&Machine { listening: machine("watch", 51).runs("poll", &[80]).listening, ..estate()[9].partial() });
    world.sweep();
    assert_eq!(world.estate.relationship(redis).unwrap().judgement, None);
    assert_eq!(world.estate.relationship(database).unwrap().hardness, Some(Hardness::Hard));
}

#[test]
fn what_others_connect_to_serves_them() {
    // It listens in a network of its own, behind the machine's published port.
    let user = machine("user", 71).runs("portal", &[443]);
    let mut world = World::of(&estate());
    let (portal, poll) = (world.report(&user), world.ci("poll@watch").id);
    assert!(!portal.is_empty());
    let portal = world.ci("portal@user").id;
    world.command(|e, o| declare_relationship(e, "connects_to", portal, poll, None, "", o));
    world.sweep();
    assert_eq!(world.edge("poll@watch", "redis@cache").judgement, None);
}

#[test]
fn a_balancer_with_its_members_is_no_poller() {
    let backends: Vec<Machine> = (1..9).map(|number| machine(&format!("b{number}"), number).runs("shop", &[8080])).collect();
    let client = (1..9).fold(machine("job", 20), |job, number| job.calls("job", ip(number), 8080));
    let world = World::of(&[backends, vec![client]].concat());
    assert!(world.estate.relationships().all(|edge| edge.judgement.is_none()));
}

#[test]
fn redundancy_is_suggested_with_what_speaks_for_it() {
    let mut world = World::of(&estate());
    let of_app = |app: u8| format!("suggested replicas shop@app{app}: postgresql@db1 postgresql@db2");
    let of_lb = |lb: u8| format!("suggested behind_balancer haproxy@lb{lb}: shop@app1 shop@app2 shop@app3");
    let mut expected = vec![of_lb(1), of_lb(2), of_app(1), of_app(2), of_app(3)];
    expected.push("suggested replicas report@batch: postgresql@db1 postgresql@db2".to_owned());
    expected.sort();
    assert_eq!(world.suggestions(), expected);
    assert_eq!(world.estate.need_groups().count(), 0, "what is only suggested does not count");

    let id = |world: &World, of: &str| {
        let of = world.ci(of).id;
        world.estate.suggestions().find(|group| group.ci == of).unwrap().id
    };
    let (accepted, rejected) = (id(&world, "haproxy@lb1"), id(&world, "haproxy@lb2"));
    assert!(matches!(
        world.order("ada", |e, o| decide_suggestion(e, accepted, Decision::Accept(Some(MinUp::Count(4))), o)),
        Err(CommandError::BadMinUp(_))
    ));
    world.command(|e, o| decide_suggestion(e, accepted, Decision::Accept(Some(MinUp::Count(2))), o));
    world.command(|e, o| decide_suggestion(e, rejected, Decision::Reject, o));
    let group = world.estate.need_group(accepted).unwrap();
    assert_eq!((group.min_up, &group.source), (MinUp::Count(2), &Source::User("ada".into())));
    assert!(world.sweep().is_empty(), "neither is asked again");
    // A member more: the rejection was about others.
    world.report(&machine("app4", 14).runs("shop", &[8080]));
    world.report(&estate()[1].clone().calls("haproxy", ip(14), 8080));
    world.sweep();
    let fourth = "suggested behind_balancer haproxy@lb2: shop@app1 shop@app2 shop@app3 shop@app4".to_owned();
    assert!(world.suggestions().contains(&fourth), "{:#?}", world.suggestions());
    // What nothing speaks for any more is withdrawn.
    let replica = world.edge("postgresql@db2", "postgresql@db1").id;
    world.command(|e, o| set_hardness(e, replica, Some(Hardness::None), o));
    world.sweep();
    assert!(!world.suggestions().iter().any(|line| line.contains("replicas")), "{:#?}", world.suggestions());
}

#[test]
fn rules_decide_without_asking() {
    let mut world = World::new();
    world.policy.accepted_patterns = [Pattern::BehindBalancer].into();
    world.policy.rejected_patterns = [Pattern::Replicas].into();
    estate().iter().for_each(|machine| drop(world.report(machine)));
    world.sweep();
    assert_eq!(world.estate.need_groups().count(), 2);
    assert!(world.estate.suggestions().all(|group| group.standing == Standing::Rejected));
}

#[test]
fn two_databases_that_do_not_talk_are_two_databases() {
    let db = |name: &str, number: u8| machine(name, number).runs("postgresql", &[5432]);
    let app = machine("app", 3).runs("shop", &[8080]).calls("shop", ip(1), 5432).calls("shop", ip(2), 5432);
    assert!(World::of(&[db("orders", 1), db("users", 2), app]).suggestions().is_empty());
    let cache = |name: &str, number: u8| machine(name, number).runs("varnish", &[6081]);
    let app = machine("app", 3).runs("shop", &[8080]).calls("shop", ip(1), 6081).calls("shop", ip(2), 6081);
    assert_eq!(World::of(&[cache("a", 1), cache("b", 2), app]).suggestions(), ["suggested spread_client shop@app: varnish@a varnish@b"]);
}

#[test]
fn an_address_that_moves_between_two_is_theirs_in_turn() {
    let at = |mut machine: Machine, address: u8| {
        machine.network.as_mut().unwrap().interfaces[0].addresses.push(InterfaceAddress { address: ip(address), prefix_length: 24 });
        machine
    };
    let lb = |name: &str, number: u8| machine(name, number).runs("haproxy", &[443]);
    let client = machine("client", 3).runs("shop", &[8080]).calls("shop", ip(100), 443);
    let mut world = World::of(&[at(lb("lb1", 1), 100), lb("lb2", 2), client.clone()]);
    assert!(world.suggestions().is_empty());
    world.wait(DAY).report(&lb("lb1", 1));
    world.report(&at(lb("lb2", 2), 100));
    world.wait(HOUR).report(&client);
    world.sweep();
    assert_eq!(world.suggestions(), ["suggested moving_address shop@client: haproxy@lb1 haproxy@lb2"]);
}

#[test]
fn confidence_fades_at_the_pace_that_a_relationship_has_shown() {
    let client = |calls: bool| {
        let app = machine("app", 2).runs("shop", &[]).calls("shop", ip(9), 443);
        if calls { app.calls("shop", ip(1), 5432) } else { app }
    };
    let talk = |calls: bool| Machine { connections: client(calls).connections, ..client(calls).partial() };
    let mut world = World::of(&[machine("db", 1).runs("postgresql", &[5432]), client(true)]);
    let of = |world: &World| Scale::new(&world.estate, world.now, &world.policy).confidence(world.edge("shop@app", "postgresql@db"));
    assert_eq!((of(&world).level, of(&world).ends), (Level::Fair, 1));
    for _ in 0..5 {
        world.wait(DAY).report(&talk(true));
    }
    assert_eq!(of(&world).level, Level::Strong);
    // A constant one that stops fades within days.
    let steady = of(&world).percent;
    for day in 1..12 {
        world.wait(DAY).report(&talk(false));
        assert!(day > 2 || of(&world).level == Level::Strong, "day {day}");
    }
    assert!(of(&world).level < Level::Strong && of(&world).percent < steady / 2, "{:?}", of(&world));
    // It comes back from twelve days of silence: as long again says nothing.
    world.wait(DAY).report(&talk(true));
    let silence = of(&world).silence.unwrap();
    assert!(silence.half_life_millis >= 20 * DAY, "{silence:?}");
    for _ in 0..9 {
        world.wait(DAY).report(&talk(false));
    }
    assert_eq!(of(&world).level, Level::Strong);
    // The other end says so too.
    let before = of(&world).percent;
    world.report(&Machine { connections: machine("db", 1).called_by("postgresql", ip(2), 5432).connections, ..machine("db", 1).partial() });
    assert!(of(&world).percent >= before);
    assert_eq!(of(&world).ends, 2);
}

#[test]
fn declared_and_observed_are_held_against_each_other() {
    let mut world = World::of(&estate());
    let id = |world: &World, label: &str| world.ci(label).id;
    let pairs = [("app1", "db1"), ("cache", "db1"), ("shop@app2", "redis@cache"), ("shop@app3", "postgresql@db2")];
    for (from, to) in pairs {
        let (from, to) = (id(&world, from), id(&world, to));
        world.command(|e, o| declare_relationship(e, "depends_on", from, to, None, "register", o));
    }
    let service =
        world.command(|e, o| create_ci(e, &NewCi { class: "business_service".into(), name: "Shop".into(), ..NewCi::default() }, o));
    let Put::Ci(service) = &service.changes[0].put else { panic!("{service:?}") };
    let (service, lb) = (service.id, id(&world, "haproxy@lb1"));
    world.command(|e, o| declare_relationship(e, "depends_on", service, lb, None, "", o));
    let said = |edges: Vec<&Relationship>| {
        edges.iter().map(|edge| format!("{} -> {}", world.label(edge.from), world.label(edge.to))).collect::<BTreeSet<_>>()
    };
    let never_seen = said(declared_never_observed(&world.estate));
    assert_eq!(never_seen, ["cache -> db1", "shop@app3 -> postgresql@db2"].map(String::from).into());
    let never_said = said(observed_never_declared(&world.estate));
    for (edge, expected) in [
        ("shop@app1 -> postgresql@db1", false),
        ("shop@app1 -> redis@cache", true),
        ("shop@app2 -> redis@cache", false),
        ("haproxy@lb1 -> shop@app1", true),
        ("poll@watch -> redis@cache", false),
    ] {
        assert_eq!(never_said.contains(edge), expected, "{edge}");
    }
    // The same kind meets in one relationship.
    let (app, db) = (id(&world, "shop@app1"), id(&world, "postgresql@db1"));
    world.command(|e, o| declare_relationship(e, "connects_to", app, db, None, "", o));
    let methods: Vec<Method> = world.edge("shop@app1", "postgresql@db1").evidence.iter().map(|it| it.method).collect();
    assert_eq!(methods, [Method::Connection, Method::Declared]);
}

#[test]
fn an_application_is_assembled_followed_and_confirmed() {
    let mut world = World::of(&estate());
    let start = vec![world.ci("haproxy@lb1").id, world.ci("haproxy@lb2").id];
    let names = |world: &World, members: &[CiId]| members.iter().map(|ci| world.label(*ci)).collect::<BTreeSet<_>>();
    let proposal = propose(&world.estate, &start, &BTreeSet::new(), world.policy.shared_by);
    let members: Vec<CiId> = proposal.members.iter().map(|member| member.ci).collect();
    let all = ["haproxy@lb1", "haproxy@lb2", "shop@app1", "shop@app2", "shop@app3", "postgresql@db1", "redis@cache"];
    assert_eq!(names(&world, &members), all.map(String::from).into());

    let assembly =
        Assembly { name: "Shop".into(), is_business_service: true, start: start.clone(), pruned: vec![world.ci("redis@cache").id] };
    let policy = world.policy.clone();
    assert!(matches!(
        world.order("ada", |e, o| assemble(e, &Assembly { start: vec![], ..assembly.clone() }, &policy, o)),
        Err(CommandError::NoStart)
    ));
    world.command(|e, o| assemble(e, &assembly, &policy, o));
    let shop = world.ci("Shop").id;
    let parts = |world: &World| {
        let parts = world.estate.dependencies(shop).filter(|edge| edge.kind == "part_of");
        parts.map(|edge| format!("{} {:?}", world.label(edge.to), edge.hardness)).collect::<BTreeSet<_>>()
    };
    let none = Some(Hardness::None);
    let expected = [
        ("haproxy@lb1", None),
        ("haproxy@lb2", None),
        ("shop@app1", none),
        ("shop@app2", none),
        ("shop@app3", none),
        ("postgresql@db1", none),
    ];
    assert_eq!(parts(&world), expected.map(|(name, hardness)| format!("{name} {hardness:?}")).into());
    assert_eq!(drift(&world.estate, shop, policy.shared_by), Default::default());
    world.sweep();
    assert!(
        world.suggestions().contains(&"suggested spread_client Shop: haproxy@lb1 haproxy@lb2".to_owned()),
        "{:#?}",
        world.suggestions()
    );

    // A new member behind a balancer belongs to it at once, and is shown as not confirmed.
    world.report(&machine("app4", 14).runs("shop", &[8080]));
    world.report(&estate()[1].clone().calls("haproxy", ip(14), 8080));
    world.sweep();
    let appeared = drift(&world.estate, shop, policy.shared_by).appeared;
    assert_eq!(names(&world, &appeared.iter().map(|member| member.ci).collect::<Vec<_>>()), ["shop@app4".to_owned()].into());
    assert!(parts(&world).contains("shop@app4 Some(None)"));
    world.command(|e, o| confirm_application(e, shop, None, &assembly.pruned, &policy, o));
    assert_eq!(drift(&world.estate, shop, policy.shared_by), Default::default());
    // What is confirmed and not reached any more is told, not dropped.
    let gone: Vec<RelationshipId> = world.estate.dependents(world.ci("shop@app3").id).map(|edge| edge.id).collect();
    for id in gone {
        world.command(|e, o| set_hardness(e, id, Some(Hardness::None), o));
    }
    world.sweep();
    assert_eq!(names(&world, &drift(&world.estate, shop, policy.shared_by).not_reached), ["shop@app3".to_owned()].into());
    assert!(parts(&world).contains("shop@app3 Some(None)"));
}

#[test]
fn a_configured_address_that_moves_names_who_takes_over() {
    let lb = |name: &str, number: u8| {
        let mut machine = machine(name, number).runs("haproxy", &[443]).runs("keepalived", &[]);
        let moved = VirtualAddress {
            address: ip(100),
            instance: None,
            router_id: Some(51),
            interface: None,
            starts_as_master: None,
            priority: None,
            peers: vec![],
            file: "/etc/keepalived/keepalived.conf".into(),
        };
        let keepalived = machine.services.as_mut().unwrap().services.iter_mut().find(|it| it.name == "keepalived").unwrap();
        keepalived.details = Some(DaemonDetails { virtual_addresses: vec![moved], ..DaemonDetails::default() });
        machine
    };
    let mut master = lb("lb1", 1);
    let held = InterfaceAddress { address: ip(100), prefix_length: 24 };
    master.network.as_mut().unwrap().interfaces[0].addresses.push(held);
    let client = machine("client", 3).runs("shop", &[8080]).calls("shop", ip(100), 443);
    let world = World::of(&[master, lb("lb2", 2), client]);
    assert_eq!(world.suggestions(), ["suggested moving_address shop@client: haproxy@lb1 haproxy@lb2"]);
}

#[test]
fn declared_and_observed_meet_in_one_whichever_comes_first() {
    let db = || machine("db", 1).runs("postgresql", &[5432]);
    let app = || machine("app", 2).runs("shop", &[8080]);
    let seen = || Machine { connections: app().calls("shop", ip(1), 5432).connections, ..app().partial() };
    for (word, hardness) in [("depends_on", Hardness::Hard), ("uses", Hardness::Soft)] {
        for declared_first in [true, false] {
            let what = format!("{word}, declared first: {declared_first}");
            let mut world = World::of(&[db(), app()]);
            let (from, to) = (world.ci("shop@app").id, world.ci("postgresql@db").id);
            let declare = |e: &Estate, o: Order<'_>| declare_relationship(e, word, from, to, None, "", o);
            if declared_first {
                world.command(declare);
            }
            world.wait(MINUTE).report(&seen());
            if !declared_first {
                world.command(declare);
            }
            assert!(world.command(declare).is_empty(), "{what}: again");
            assert_eq!(world.estate.between(from, to).count(), 1, "{what}");
            let edge = world.edge("shop@app", "postgresql@db");
            let effective = edge.hardness.unwrap_or(Hardness::Hard);
            assert_eq!((edge.kind.as_str(), effective, edge.evidence.len()), ("connects_to", hardness, 2), "{what}");
            let id = edge.id;
            world.wait(2 * DAY).report(&seen());
            assert_eq!(world.estate.relationship(id).unwrap().hardness.unwrap_or(Hardness::Hard), hardness, "{what}: seen again");
            world.command(|e, o| retire_relationship(e, id, o));
            let edge = world.estate.relationship(id).unwrap();
            assert_eq!((edge.hardness, &edge.judgement, edge.evidence.len()), (None, &None, 1), "{what}: taken back");
        }
    }
}

/// A guest with these ids, or the host's list of it.
fn guest(technology: &str, name: &str, uuid: Option<&str>, mac: Option<&str>, id: Option<&str>) -> VirtualGuest {
    VirtualGuest {
        technology: technology.into(),
        name: name.into(),
        uuid: uuid.map(Into::into),
        macs: mac.map(Into::into).into_iter().collect(),
        id: id.map(Into::into),
        running: Some(true),
        ..VirtualGuest::default()
    }
}

fn hosts(mut machine: Machine, guests: &[VirtualGuest]) -> Machine {
    machine.guests = Some(VirtualGuests { guests: guests.to_vec() });
    machine
}

fn virtual_machine(name: &str, number: u8, kind: PlatformKind, mac: Option<&str>) -> Machine {
    let mut machine = machine(name, number);
    machine.identity().platform = Some(Platform { kind, technology: None });
    machine.network.as_mut().unwrap().interfaces[0].mac = mac.map(Into::into);
    machine
}

#[test]
fn guests_and_hosts_meet_by_ids_that_both_know() {
    let uuid = "4c4c4544-0042-3510-8052-b4c04f4e3302";
    let mac = "52:54:00:00:00:03";
    let vm = virtual_machine("vm", 2, PlatformKind::VirtualMachine, None);
    let by_mac = virtual_machine("lxc", 3, PlatformKind::Container, Some(mac));
    let docker = virtual_machine("0123456789ab", 4, PlatformKind::Container, None);
    let long_id = format!("0123456789ab{:052x}", 7);
    let list = [
        guest("libvirt", "vm", Some(uuid), None, None),
        guest("lxc", "box", None, Some(mac), None),
        guest("docker", "web", None, None, Some(&long_id)),
        guest("libvirt", "without an agent", Some("4c4c4544-0042-3510-8052-b4c04f4e3399"), None, None),
    ];
    let host = hosts(machine("host", 1), &list);
    let expected = ["0123456789ab -> host (host)", "lxc -> host (host)", "vm -> host (host)"];
    let mut machines = vec![host.clone(), vm.clone(), by_mac, docker];
    for turn in 0..machines.len() {
        machines.rotate_left(turn);
        let mut world = World::new();
        machines.iter().for_each(|machine| drop(world.report(machine)));
        assert_eq!(world.edges("runs_on"), expected, "turn {turn}");
    }
    // Moved: the old host has it, stopped, the new one runs it.
    let mut world = World::of(&machines);
    let stopped = VirtualGuest { running: Some(false), ..list[0].clone() };
    world.wait(HOUR).report(&hosts(machine("other", 9), &list[..1]));
    world.wait(HOUR).report(&hosts(machine("host", 1), &[stopped]));
    assert_eq!(world.edges("runs_on"), Vec::<String>::new(), "while both ran it, nobody knew; the new host has not reported since");
    world.wait(HOUR).report(&hosts(machine("other", 9), &[list[0].clone(), list[3].clone()]));
    assert_eq!(world.edges("runs_on"), ["vm -> other (other)"]);
    // A cloned guest with the same id: which of the two runs there is not known.
    let mut clone = virtual_machine("clone", 12, PlatformKind::VirtualMachine, None);
    clone.identity().smbios_uuid = Some(uuid.into());
    let world = World::of(&[vm, clone, hosts(machine("host", 1), &list[..1])]);
    assert_eq!(world.edges("runs_on"), Vec::<String>::new());
}

#[test]
fn certificates_are_items_that_machines_use() {
    let certificate = |digit: &str, ca: bool| Certificate {
        fingerprint: digit.repeat(64),
        subject: "O=Corp, CN=www.corp.net".into(),
        issuer: "CN=Corp CA".into(),
        names: vec!["www.corp.net".into()],
        not_after: Timestamp::from_millis(1_800_000_000_000),
        is_ca: ca,
        paths: vec!["/etc/ssl/www.pem".into(), "/etc/nginx/www.pem".into()],
        ..Certificate::default()
    };
    let with = |mut machine: Machine, certificates: &[Certificate]| {
        machine.certificates = Some(Certificates { certificates: certificates.to_vec() });
        machine
    };
    let mut world = World::new();
    let both = [certificate("a", false), certificate("b", true)];
    world.report(&with(machine("a", 1), &both));
    world.report(&with(machine("b", 2), &both));
    assert_eq!(world.edges("uses"), ["a -> www.corp.net (a)", "b -> www.corp.net (b)"]);
    let item = world.ci("www.corp.net");
    assert_eq!((item.class.as_str(), item.text("valid_until")), ("certificate", Some("2027-01-15T08:00:00Z")));
    world.wait(HOUR).report(&with(machine("a", 1), &[]));
    world.wait(HOUR).report(&with(machine("b", 2), &[]));
    assert!(world.edges("uses").is_empty());
    world.keep_house();
    assert!(!world.cis().iter().any(|ci| ci.starts_with("certificate")));
}

/// A place that a service's configuration names.
fn configured(mut machine: Machine, service: &str, places: &[(&str, u16, &str)]) -> Machine {
    let listed = machine.services.as_mut().unwrap();
    let service = listed.services.iter_mut().find(|it| it.key == unit(service)).unwrap();
    for (host, port, kind) in places {
        let (file, directive) = ("/etc/x.conf".into(), "server".into());
        service.upstreams.push(Upstream {
            kind: (*kind).into(),
            host: (*host).into(),
            port: Some(*port),
            file,
            directive,
            ..Upstream::default()
        });
    }
    machine
}

#[test]
fn what_is_configured_is_joined_with_what_is_seen() {
    let db = || machine("db", 1).runs("postgresql", &[5432]);
    let app = || machine("app", 2).runs("shop", &[8080]);
    let places: &[(&str, u16, &str)] = &[
        ("10.0.0.1", 5432, "postgresql"),
        ("db", 5432, "postgresql"),
        ("db.corp.net", 5432, "postgresql"),
        ("db.other.net", 5432, "postgresql"),
        ("nowhere", 80, "http"),
        ("localhost", 8080, "http"),
    ];
    for (what, place) in [("address", 0..1), ("short name", 1..2), ("full name", 2..3), ("all", 0..6)] {
        let mut world = World::of(&[db(), configured(app(), "shop", &places[place])]);
        assert_eq!(world.edges("connects_to"), ["shop@app -> postgresql@db (app)"], "{what}");
        let edge = world.edge("shop@app", "postgresql@db");
        assert_eq!((edge.hardness, edge.judgement.as_ref().map(|it| it.purpose)), (Some(Hardness::Soft), Some(Purpose::Work)), "{what}");
        world.wait(MINUTE).report(&Machine { connections: app().calls("shop", ip(1), 5432).connections, ..app().partial() });
        let edge = world.edge("shop@app", "postgresql@db");
        assert_eq!((edge.hardness, &edge.judgement, edge.evidence.len()), (None, &None, 2), "{what}: seen");
        world.wait(MINUTE).report(&Machine { services: app().services, ..app().partial() });
        let methods: Vec<Method> = world.edge("shop@app", "postgresql@db").evidence.iter().map(|it| it.method).collect();
        assert_eq!(methods, [Method::Connection], "{what}: no longer configured");
    }
    let unknown = World::of(&[db(), configured(app(), "shop", &places[3..])]);
    assert!(unknown.edges("connects_to").is_empty(), "a name that means no known machine is nobody's");
    // Monitoring is monitoring also where a file names its targets.
    let watch = configured(machine("watch", 3).runs("prometheus", &[]), "prometheus", &[("db.corp.net", 9100, "http")]);
    let world = World::of(&[db().runs("node_exporter", &[9100]), watch]);
    assert_eq!(world.edge("prometheus@watch", "node_exporter@db").hardness, Some(Hardness::None));
}

#[test]
fn what_is_set_for_a_whole_machine() {
    let proxy = || machine("proxy", 1).runs("squid", &[3128]);
    let directory = || machine("dc1", 2).runs("slapd", &[389, 636]);
    let setting = |scheme: &str, value: &str| ProxySetting { file: "/etc/environment".into(), scheme: scheme.into(), value: value.into() };
    let server = |kind: &str, host: &str, port: u16| Upstream {
        kind: kind.into(),
        host: host.into(),
        port: Some(port),
        file: "/etc/ldap/ldap.conf".into(),
        directive: "uri".into(),
        ..Upstream::default()
    };
    let mut app = machine("app", 3).runs("shop", &[8080]);
    let network = app.network.as_mut().unwrap();
    network.proxies =
        ["http://proxy.corp.net:3128", "proxy:3128", "http://10.0.0.1:3128", "http://unknown.corp.net:3128", "http://proxy:0"]
            .map(|value| setting("http", value))
            .into();
    network.proxies.push(setting("none", "dc1.corp.net"));
    network.servers = vec![server("ldap", "dc1.corp.net", 636), server("ldap", "/run/ldapi", 389), server("kerberos", "app", 88)];
    let mut world = World::of(&[proxy(), directory(), app.clone()]);
    assert_eq!(world.edges("connects_to"), ["app -> slapd@dc1 (app)", "app -> squid@proxy (app)"]);
    let (to_proxy, to_directory) = (world.edge("app", "squid@proxy"), world.edge("app", "slapd@dc1"));
    assert_eq!((to_proxy.hardness, to_directory.hardness), (Some(Hardness::Soft), Some(Hardness::Soft)));
    assert_eq!(to_directory.judgement.as_ref().map(|it| it.purpose), Some(Purpose::Directory));
    assert!(to_proxy.evidence[0].detail.contains("proxy for http in /etc/environment"), "{:?}", to_proxy.evidence);
    // What it is not set up for any more is gone; what a service of it is set up for stays.
    let with_service = configured(app.clone(), "shop", &[("proxy", 3128, "http")]);
    world.wait(MINUTE).report(&Machine { services: with_service.services, ..app.partial() });
    app.network.as_mut().unwrap().proxies.clear();
    world.wait(MINUTE).report(&Machine { network: app.network.clone(), ..app.partial() });
    assert_eq!(world.edges("connects_to"), ["app -> slapd@dc1 (app)", "shop@app -> squid@proxy (app)"]);
    // The proxy itself goes out by itself.
    let mut own = proxy();
    own.network.as_mut().unwrap().proxies = vec![setting("all", "http://localhost:3128")];
    assert!(World::of(&[own]).edges("connects_to").is_empty());
}

#[test]
fn replicas_make_each_other_poorer_not_dead() {
    let etcd = |name: &str, number: u8, peers: [u8; 2]| {
        peers.into_iter().fold(machine(name, number).runs("etcd", &[2379]), |etcd, peer| etcd.calls("etcd", ip(peer), 2379))
    };
    let mut etcds = [etcd("a", 1, [2, 3]), etcd("b", 2, [1, 3]), etcd("c", 3, [1, 2])];
    for machine in &mut etcds {
        machine.services.as_mut().unwrap().services[0].daemon = Some("etcd".into());
    }
    let world = World::of(&etcds);
    assert_eq!(world.edges("connects_to").len(), 6);
    assert!(world.estate.relationships().filter(|edge| edge.kind == "connects_to").all(|edge| edge.hardness == Some(Hardness::Soft)));
}

#[test]
fn a_file_server_by_its_name() {
    let mount = |server: &str| FileSystem { remote_server: Some(server.into()), ..FileSystem::default() };
    let mut client = machine("client", 2);
    client.file_systems = Some(FileSystems { file_systems: vec![mount("nas"), mount("nas.elsewhere.org")] });
    let world = World::of(&[machine("nas", 1), client]);
    assert_eq!(world.edges("mounts"), ["client -> nas (client)"]);
}

#[test]
fn what_nobody_needs_or_knows_is_listed() {
    let mut world = World::of(&estate());
    let names = |found: Vec<&Ci>| found.into_iter().map(|ci| ci.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(isolated(&world.estate)), ["admin", "watch"], "looking after machines is no work of one's own");
    assert_eq!(names(orphans(&world.estate)), ["admin", "batch", "db2", "lb1", "lb2", "watch"]);
    let (batch, balancer) = (world.ci("batch").id, world.ci("haproxy@lb1").id);
    let edit = AttributeEdit::Set { value: "Team A".into(), pin: false };
    let owned = CiUpdate { attributes: [("owner".to_owned(), edit)].into(), ..CiUpdate::default() };
    world.command(|e, o| update_ci(e, batch, &owned, o));
    world.command(|e, o| {
        assemble(
            e,
            &Assembly { name: "Shop".into(), is_business_service: true, start: vec![balancer], pruned: vec![] },
            &Policy::default(),
            o,
        )
    });
    assert_eq!(names(orphans(&world.estate)), ["admin", "db2", "lb2", "watch"], "owned, or part of a service");
}

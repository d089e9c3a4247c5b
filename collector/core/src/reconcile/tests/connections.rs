use rollcall_shared::catalogue::Hardness;

use super::{
    super::commands::{NeedGroupValues, declare_need_group},
    *,
};

/// The connections that are left whatever the order in which the machines report.
fn check(what: &str, machines: &[Machine], connections: &[&str]) {
    let mut gists: Vec<Vec<String>> = Vec::new();
    for order in permutations(machines.len()) {
        let mut world = World::new();
        for index in &order {
            world.report(&machines[*index]);
            world.wait(MINUTE);
        }
        assert_eq!(world.edges("connects_to"), connections, "{what}, order {order:?}");
        gists.push(world.gist());
        // Once more: nothing moves any further.
        for index in &order {
            world.report(&Machine { collected_at: Some(Timestamp::from_millis(0)), ..machines[*index].clone() });
        }
        assert_eq!(world.edges("connects_to"), connections, "{what}, order {order:?}, again");
    }
    for gist in &gists[1..] {
        assert_eq!(*gist, gists[0], "{what}: the order of arrival shows");
    }
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(of - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..of).map(move |at| {
                let mut order = order.clone();
                order.insert(at, of - 1);
                order
            })
        })
        .collect()
}

fn db() -> Machine {
    machine("db", 1).runs("postgresql", &[5432])
}

fn app() -> Machine {
    machine("app", 2).runs("shop", &[8080])
}

#[test]
fn both_ends_are_joined() {
    check("one end", &[db(), app().calls("shop", ip(1), 5432)], &["shop@app -> postgresql@db (app)"]);
    check(
        "both ends",
        &[db().called_by("postgresql", ip(2), 5432), app().calls("shop", ip(1), 5432)],
        &["shop@app -> postgresql@db (app, db)"],
    );
    check("the server's end only", &[db().called_by("postgresql", ip(2), 5432), app()], &["app -> postgresql@db (db)"]);
    check(
        "two services of one client",
        &[db().called_by("postgresql", ip(2), 5432), app().runs("reports", &[]).calls("shop", ip(1), 5432).calls("reports", ip(1), 5432)],
        &["reports@app -> postgresql@db (app, db)", "shop@app -> postgresql@db (app, db)"],
    );
    check("a port that nobody listens on", &[db(), app().calls("shop", ip(1), 9999)], &["shop@app -> db (app)"]);
    check(
        "the server cannot see whose socket it is",
        &[machine("db", 1).listens(None, "0.0.0.0", 5432), app().calls("shop", ip(1), 5432)],
        &["shop@app -> db (app)"],
    );
    check(
        "the client cannot see whose socket it is",
        &[db().called_by("postgresql", ip(2), 5432), app().flow(Direction::Outgoing, None, ip(1), 5432)],
        &["app -> postgresql@db (app, db)"],
    );
    check(
        "two ports of one machine",
        &[db().runs("redis", &[6379]), app().calls("shop", ip(1), 5432).calls("shop", ip(1), 6379).calls("shop", ip(1), 9)],
        &["shop@app -> db (app)", "shop@app -> postgresql@db (app)", "shop@app -> redis@db (app)"],
    );
    check(
        "three machines",
        &[
            db().called_by("postgresql", ip(2), 5432),
            app().calls("shop", ip(1), 5432).called_by("shop", ip(3), 8080),
            machine("web", 3).runs("nginx", &[80]).calls("nginx", ip(2), 8080),
        ],
        &["nginx@web -> shop@app (app, web)", "shop@app -> postgresql@db (app, db)"],
    );
}

#[test]
fn what_listens_on_loopback_is_not_reached_from_outside() {
    let db = machine("db", 1).listens(Some("postgresql"), "127.0.0.1", 5432);
    check("from outside", &[db.clone(), app().calls("shop", ip(1), 5432)], &["shop@app -> db (app)"]);
    let inside = db.runs("shop", &[]).calls("shop", "127.0.0.1".parse().unwrap(), 5432);
    check("from inside", &[inside], &["shop@db -> postgresql@db (db)"]);
}

#[test]
fn the_socket_bound_to_the_very_address_receives() {
    let both = machine("db", 1).listens(Some("any"), "0.0.0.0", 53).listens(Some("stub"), "10.0.0.1", 53);
    check("the exact one", &[both.clone(), app().calls("shop", ip(1), 53)], &["shop@app -> stub@db (app)"]);
    check("two on one address", &[both.listens(Some("other"), "10.0.0.1", 53), app().calls("shop", ip(1), 53)], &["shop@app -> db (app)"]);
}

#[test]
fn nothing_depends_on_itself() {
    let own =
        db().calls("postgresql", ip(1), 5432).calls("postgresql", "127.0.0.1".parse().unwrap(), 5432).called_by("postgresql", ip(1), 5432);
    check("itself", &[own], &[]);
}

#[test]
fn hosts_without_an_agent() {
    check("called", &[app().calls("shop", ip(1), 5432)], &["shop@app -> 10.0.0.1 (app)"]);
    check("calling", &[db().called_by("postgresql", ip(2), 5432)], &["10.0.0.2 -> postgresql@db (db)"]);
    let internet = "9.9.9.9".parse().unwrap();
    check("a service calls the internet", &[app().calls("shop", internet, 443)], &["shop@app -> 9.9.9.9 (app)"]);
    check("a person's program calls the internet", &[app().flow(Direction::Outgoing, None, internet, 443)], &[]);
    check("the internet calls a service", &[app().called_by("shop", internet, 8080)], &[]);
    for nobody in ["224.0.0.251", "255.255.255.255", "169.254.7.7", "fe80::1", "0.0.0.0"] {
        check(nobody, &[app().calls("shop", nobody.parse().unwrap(), 5353)], &[]);
    }
}

#[test]
fn an_address_that_two_machines_have_is_nobodys() {
    let twin = |name, number, address: u8| {
        let mut machine = machine(name, number).runs("postgresql", &[5432]);
        machine.network.as_mut().unwrap().interfaces[0].addresses[0].address = ip(address);
        machine
    };
    let mut world = World::new();
    world.report(&twin("x", 1, 1));
    world.report(&twin("y", 2, 1));
    world.report(&machine("app", 3).runs("shop", &[]).calls("shop", ip(1), 5432).asks("10.0.0.1"));
    assert!(world.edges("connects_to").is_empty() && world.edges("resolves_names_with").is_empty());
    let realm = |machine: Machine, realm: &str| Machine { realm: realm.into(), ..machine };
    check(
        "in two realms",
        &[
            realm(twin("x", 1, 1), "a"),
            realm(twin("y", 2, 1), "b"),
            realm(machine("app", 3).runs("shop", &[]).calls("shop", ip(1), 5432), "b"),
        ],
        &["shop@app -> postgresql@y (app)"],
    );
}

#[test]
fn an_address_that_is_lent_is_with_who_is_there() {
    let at_5 = |name, number| {
        let mut machine = machine(name, number).runs("sync", &[7000]);
        machine.network.as_mut().unwrap().interfaces[0].addresses[0].address = ip(5);
        machine
    };
    let db = |flows: Machine| Machine { connections: flows.connections, ..db().partial() };
    let mut world = World::new();
    world.report(&super::connections::db());
    world.report(&at_5("yesterday", 11));
    world.wait(DAY).report(&db(machine("db", 1).called_by("postgresql", ip(5), 5432)));
    assert!(world.edges("connects_to").is_empty(), "who has it now is not known");
    world.report(&at_5("today", 12));
    world.report(&db(machine("db", 1).called_by("postgresql", ip(5), 5432).calls("postgresql", ip(5), 7000)));
    assert_eq!(world.edges("connects_to"), ["postgresql@db -> sync@today (db)", "today -> postgresql@db (db)"]);
}

#[test]
fn bridges_inside_a_machine_say_nothing_about_others() {
    let docker = |machine: Machine| {
        let mut machine = machine;
        let address = InterfaceAddress { address: "172.17.0.1".parse().unwrap(), prefix_length: 16 };
        let bridge =
            Interface { name: "docker0".into(), kind: "bridge".into(), up: true, addresses: vec![address], ..Interface::default() };
        machine.network.as_mut().unwrap().interfaces.push(bridge);
        machine
    };
    let container = "172.17.0.2".parse().unwrap();
    check(
        "a container on each",
        &[
            docker(db()).called_by("postgresql", container, 5432),
            docker(app()).calls("shop", container, 80),
            machine("c", 3).runs("x", &[]).calls("x", "172.17.0.1".parse().unwrap(), 1),
        ],
        &["x@c -> 172.17.0.1 (c)"],
    );
}

#[test]
fn a_host_that_gets_an_agent_takes_its_relationships_along() {
    let mut world = World::new();
    world.report(&app().calls("shop", ip(1), 5432).asks("10.0.0.1"));
    let host = world.ci("10.0.0.1").id;
    let app = world.ci("app").id;
    let need = NeedGroupValues { name: "names".into(), members: vec![host], min_up: MinUp::Count(1), hardness: Hardness::Hard };
    world.command(|estate, order| declare_need_group(estate, app, &need, order));
    world.report(&db());
    assert_eq!(world.edges("connects_to"), ["shop@app -> postgresql@db (app)"]);
    assert_eq!(world.edges("resolves_names_with"), ["app -> db (app)"]);
    assert_eq!(world.estate.need_groups_of(app).next().unwrap().members, [world.ci("db").id]);
    let host = world.estate.ci(host).unwrap();
    assert_eq!((host.lifecycle, host.merged_into), (Lifecycle::Retired, Some(world.ci("db").id)));
}

#[test]
fn a_service_that_appears_later_takes_over_from_its_machine() {
    let mut world = World::new();
    world.report(&machine("db", 1));
    world.report(&app().calls("shop", ip(1), 5432).calls("shop", ip(1), 22));
    assert_eq!(world.edges("connects_to"), ["shop@app -> db (app)"]);
    world.report(&Machine { services: db().services, listening: db().listening, ..machine("db", 1).partial() });
    assert_eq!(world.edges("connects_to"), ["shop@app -> db (app)", "shop@app -> postgresql@db (app)"]);
    world.report(&Machine { listening: db().runs("sshd", &[22]).listening, ..machine("db", 1).partial() });
    assert_eq!(world.edges("connects_to"), ["shop@app -> postgresql@db (app)", "shop@app -> sshd@db (app)"]);
}

#[test]
fn a_service_that_is_told_later_takes_over_from_its_own_machine() {
    let mut world = World::new();
    world.report(&db().called_by("postgresql", ip(2), 5432));
    let mut unknown = app();
    unknown = unknown.flow(Direction::Outgoing, None, ip(1), 5432);
    world.report(&unknown);
    assert_eq!(world.edges("connects_to"), ["app -> postgresql@db (app, db)"]);
    world.wait(HOUR);
    world.report(&app().calls("shop", ip(1), 5432));
    assert_eq!(world.edges("connects_to"), ["shop@app -> postgresql@db (app, db)"]);
    // Somebody else there calls it too.
    world.wait(HOUR);
    world.report(&app().calls("shop", ip(1), 5432).flow(Direction::Outgoing, None, ip(1), 5432));
    assert_eq!(world.edges("connects_to"), ["app -> postgresql@db (app, db)", "shop@app -> postgresql@db (app, db)"]);
}

#[test]
fn a_network_within_a_machine_is_not_the_machines() {
    let mut world = World::new();
    let mut host = machine("host", 1).runs("postgresql", &[5432]);
    let inside = |mut machine: Machine, address: &str| {
        let flow = machine.connections.as_mut().and_then(|it| it.flows.last_mut()).unwrap();
        flow.network = Some("container:shop".into());
        flow.local_address = address.parse().unwrap();
        machine
    };
    // A container's loopback is its own; what it listens on is not at the machine's addresses; whom it calls outside is who it is.
    host = inside(host.calls("shop", "127.0.0.1".parse().unwrap(), 5432), "127.0.0.1");
    host = inside(host.flow(Direction::Incoming, None, ip(2), 5432), "172.17.0.2");
    host = inside(host.calls("shop", ip(3), 6379), "172.17.0.2");
    host.listening.as_mut().unwrap().sockets.push(ListeningSocket {
        port: 5432,
        address: "0.0.0.0".parse().unwrap(),
        service: Some(unit("shop")),
        network: Some("container:shop".into()),
        ..ListeningSocket::default()
    });
    world.report(&machine("cache", 3).runs("redis", &[6379]));
    world.report(&host);
    world.report(&machine("client", 2).calls("batch", ip(1), 5432));
    assert_eq!(world.edges("connects_to"), ["batch@client -> postgresql@host (client)", "shop@host -> redis@cache (host)"]);
}

#[test]
fn connections_alone_are_joined_with_what_is_known() {
    let mut world = World::new();
    world.report(&db());
    world.report(&app());
    world.wait(HOUR);
    let flows = app().calls("shop", ip(1), 5432).calls("shop", ip(2), 8080);
    world.report(&Machine { connections: flows.connections, ..app().partial() });
    assert_eq!(world.edges("connects_to"), ["shop@app -> postgresql@db (app)"]);
    let flows = db().called_by("postgresql", ip(2), 5432);
    world.report(&Machine { connections: flows.connections, ..db().partial() });
    assert_eq!(world.edges("connects_to"), ["shop@app -> postgresql@db (app, db)"]);
}

#[test]
fn resolvers_gateways_and_mounts() {
    let mut world = World::new();
    let mut a = machine("a", 1).asks("10.0.0.53").asks("127.0.0.53").asks("fe80::1");
    a.network.as_mut().unwrap().gateways.push(Gateway { address: ip(254), interface: "eth0".into() });
    let mount = |server: &str| FileSystem { remote_server: Some(server.into()), ..FileSystem::default() };
    a.file_systems = Some(FileSystems { file_systems: vec![mount("10.0.0.8"), mount("nas")] });
    a = a.calls("app", ip(53), 53);
    world.report(&a);
    assert_eq!(world.edges("resolves_names_with"), ["a -> 10.0.0.53 (a)"]);
    assert_eq!(world.edges("routes_through"), ["a -> 10.0.0.254 (a)"]);
    assert_eq!(world.edges("mounts"), ["a -> 10.0.0.8 (a)"]);
    assert!(world.edges("connects_to").is_empty(), "asking for names is the resolver's edge");
    world.wait(HOUR).report(&Machine { network: machine("a", 1).asks("10.0.0.54").network, ..a.partial() });
    assert_eq!(world.edges("resolves_names_with"), ["a -> 10.0.0.54 (a)"]);
    assert!(world.edges("routes_through").is_empty());
    assert_eq!(world.edges("mounts").len(), 1, "nothing was said about mounts");
}

#[test]
fn how_hard_an_observed_connection_is() {
    let hardness = |machines: &[Machine]| {
        let mut world = World::new();
        machines.iter().for_each(|machine| drop(world.report(machine)));
        let mut found: Vec<_> = world.estate.relationships().filter(|it| it.kind == "connects_to").map(|it| it.hardness).collect();
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    assert_eq!(hardness(&[db(), app().calls("shop", ip(1), 5432)]), None, "a service needs what it connects to");
    assert_eq!(hardness(&[db(), app().flow(Direction::Outgoing, None, ip(1), 5432)]), Some(Hardness::Soft), "something on a machine");
    assert_eq!(hardness(&[db().called_by("postgresql", ip(7), 5432)]), Some(Hardness::Soft), "something on an unknown host");
    assert_eq!(hardness(&[db(), app().flow(Direction::Outgoing, None, ip(1), 22)]), Some(Hardness::None), "a person administers");
    assert_eq!(hardness(&[db(), app().calls("shop", ip(1), 22)]), Some(Hardness::Soft), "a service administers");
    assert_eq!(
        hardness(&[db().called_by("postgresql", ip(2), 5432), app().calls("shop", ip(1), 5432)]),
        None,
        "sharpened by the other end"
    );
}

#[test]
fn the_agents_own_reports_are_no_dependency() {
    let collector = machine("cmdb", 1).runs("rollcall", &[8444]).called_by("rollcall", ip(2), 8444);
    let app = machine("app", 2).calls("rollcall-agent", ip(1), 8444);
    check("reports", &[collector.clone(), app], &[]);
    let enrolled_a_moment_ago = machine("app", 2).flow(Direction::Outgoing, None, ip(1), 8444);
    check("enrollment", &[collector, enrolled_a_moment_ago], &[]);
}

#[test]
fn evidence_adds_up_without_a_version_for_every_window() {
    let mut world = World::new();
    let (db, app) = (db(), app().calls("shop", ip(1), 5432));
    world.report(&db);
    world.report(&app);
    let evidence = |world: &World| {
        let edge = world.estate.relationships().find(|it| it.kind == "connects_to").unwrap();
        (edge.version, edge.evidence[0].samples_seen, edge.evidence[0].samples_total)
    };
    assert_eq!(evidence(&world), (1, 4, 10));
    for _ in 0..23 {
        assert!(world.wait(HOUR).report(&app).is_empty());
    }
    world.wait(HOUR).report(&app);
    assert_eq!(evidence(&world), (2, 8, 20));
    let edge = world.estate.relationships().find(|it| it.kind == "connects_to").unwrap();
    assert_eq!(edge.evidence[0].detail, "tcp 10.0.0.1:5432, direction from the listener table");
}

#[test]
fn a_port_scan_does_not_fill_the_estate_at_once() {
    let mut world = World::new();
    world.policy.new_unmanaged_per_document = 5;
    let scanner = (100..200).fold(machine("scan", 1), |machine, number| machine.calls("nmap", ip(number), 80));
    let changes = world.plan(&scanner);
    world.apply(&changes);
    assert_eq!(world.estate.active_cis().filter(|ci| ci.class == "unmanaged_host").count(), 5);
}

#[test]
fn what_nobody_confirms_is_retired_in_time() {
    let mut world = World::new();
    let once = app().calls("shop", ip(1), 5432).calls("shop", ip(7), 443).asks("10.0.0.53");
    world.report(&db().called_by("postgresql", ip(2), 5432));
    world.report(&once);
    for day in 1..=40 {
        world.wait(DAY);
        let still = app().calls("shop", ip(7), 443);
        world.report(&Machine { connections: still.connections, ..app().partial() });
        let db = db().agent;
        world.estate.heard(db, world.now);
        let changes = world.keep_house();
        assert!(day > 29 || changes.is_empty(), "day {day}: {changes:#?}");
    }
    // The database still says it: its last report did, and it checks in unchanged.
    assert_eq!(world.edges("connects_to"), ["shop@app -> 10.0.0.7 (app)", "shop@app -> postgresql@db (db)"]);
    assert_eq!(world.edges("resolves_names_with"), ["app -> 10.0.0.53 (app)"], "configured, and its agent lives");
    world.wait(40 * DAY).keep_house();
    assert!(world.edges("connects_to").is_empty());
    assert_eq!(world.edges("runs_on").len(), 2, "a quiet machine is not gone, nor what runs on it");
    assert!(!world.cis().iter().any(|ci| ci.starts_with("unmanaged_host")));
}

//! Not attributed is acceptable, wrongly attributed is not: addresses that mean something else here, that mean something else now, and that
//! stand for somebody behind them.

use super::*;

fn at_address(mut machine: Machine, address: u8) -> Machine {
    machine.network.as_mut().unwrap().interfaces[0].addresses[0].address = ip(address);
    machine
}

fn via(mut machine: Machine, gateway: u8) -> Machine {
    machine.network.as_mut().unwrap().gateways.push(Gateway { address: ip(gateway), interface: "eth0".into() });
    machine
}

/// Only what it talked to, last seen so long before it was collected.
fn talk(machine: &Machine, ago: i64) -> Machine {
    let end = Timestamp::from_millis(1_600_000_000_000);
    let mut connections = machine.connections.clone().unwrap();
    connections.window_end = end;
    connections.flows.iter_mut().for_each(|flow| flow.last_seen = end.plus_millis(-ago));
    Machine { connections: Some(connections), ..machine.partial() }
}

#[test]
fn the_same_addresses_at_two_sites() {
    let site = |realm: &str, first: u8| {
        let place = |name: &str, number: u8, address: u8| {
            let named = at_address(machine(&format!("{name}-{realm}"), first + number), address);
            via(Machine { realm: realm.into(), ..named }, 254).asks("10.0.0.53")
        };
        [
            place("web", 1, 1).runs("nginx", &[80]).calls("nginx", ip(2), 8080).called_by("nginx", ip(77), 80),
            place("app", 2, 2).runs("shop", &[8080]).calls("shop", ip(3), 5432).called_by("shop", ip(1), 8080),
            place("db", 3, 3).runs("postgresql", &[5432]).called_by("postgresql", ip(2), 5432),
        ]
    };
    let both: Vec<Machine> = site("berlin", 10).into_iter().chain(site("lima", 20)).collect();
    for turn in 0..both.len() {
        let mut world = World::new();
        let mut order = both.clone();
        order.rotate_left(turn);
        for machine in order.iter().chain(&order) {
            world.wait(MINUTE).report(&Machine { collected_at: None, ..machine.clone() });
        }
        let of_site = |site: &str| {
            [
                format!("10.0.0.77 -> nginx@web-{site} (web-{site})"),
                format!("nginx@web-{site} -> shop@app-{site} (app-{site}, web-{site})"),
                format!("shop@app-{site} -> postgresql@db-{site} (app-{site}, db-{site})"),
            ]
        };
        let mut expected: Vec<String> = of_site("berlin").into_iter().chain(of_site("lima")).collect();
        expected.sort();
        assert_eq!(world.edges("connects_to"), expected, "turn {turn}");
        let strangers = world.estate.active_cis().filter(|ci| ci.class == "unmanaged_host").count();
        assert_eq!(strangers, 6, "a caller, a gateway and a name server for each site");
    }
}

/// Two machines with the same service; the address 10.0.0.5 goes from the first to the second at noon.
fn moved() -> (World, Machine, Machine, Machine) {
    let mut world = World::new();
    let old = at_address(machine("old", 11).runs("sync", &[7000]), 5);
    let new = at_address(machine("new", 12).runs("sync", &[7000]), 6);
    let client = machine("client", 3).runs("shop", &[]);
    for machine in [&old, &new, &client] {
        world.report(machine);
    }
    world.wait(HOUR);
    for machine in [&old, &new, &client] {
        world.estate.heard(machine.agent, world.now);
    }
    world.wait(HOUR).report(&at_address(old.clone(), 7));
    world.wait(MINUTE).report(&at_address(new.clone(), 5));
    (world, old, new, client)
}

#[test]
fn an_address_that_moved_between_two_reports() {
    let calls = |client: &Machine| client.clone().calls("shop", ip(5), 7000);
    for (ago, expected, what) in [
        (0, &["shop@client -> sync@new (client)"][..], "after the move"),
        (30 * MINUTE, &["shop@client -> sync@new (client)"], "since it was seen there"),
        (31 * MINUTE + 1, &[], "between the two reports it may have been anybody's"),
        (80 * MINUTE, &[], "the old owner was not heard so late"),
        (100 * MINUTE, &["shop@client -> sync@old (client)"], "while the old owner had it"),
    ] {
        let (mut world, _, _, client) = moved();
        world.wait(30 * MINUTE).report(&talk(&calls(&client), ago));
        assert_eq!(world.edges("connects_to"), expected, "{what}");
    }
}

#[test]
fn a_caller_from_an_address_that_moved() {
    for (ago, expected) in
        [(0, &["new -> sync@server (server)"][..]), (31 * MINUTE + 1, &[]), (100 * MINUTE, &["old -> sync@server (server)"])]
    {
        let (mut world, ..) = moved();
        let server = machine("server", 4).runs("sync", &[7000]);
        world.wait(30 * MINUTE).report(&server);
        world.report(&talk(&server.clone().called_by("sync", ip(5), 7000), ago));
        assert_eq!(world.edges("connects_to"), expected, "{ago}");
    }
}

#[test]
fn what_was_known_of_the_one_stays_with_the_one() {
    let mut world = World::new();
    let client = machine("client", 3).runs("shop", &[]).calls("shop", ip(5), 7000);
    let (old, new) = (at_address(machine("old", 11).runs("sync", &[7000]), 5), at_address(machine("new", 12).runs("sync", &[7000]), 6));
    for machine in [&old, &new, &client] {
        world.report(machine);
    }
    world.wait(DAY).report(&at_address(old, 7));
    world.report(&at_address(new, 5));
    assert_eq!(world.edges("connects_to"), ["shop@client -> sync@old (client)"]);
    // A laptop that gets the address of a printer is not the printer.
    world.report(&client.clone().calls("shop", ip(9), 9100));
    world.wait(HOUR).report(&at_address(machine("new", 12).runs("sync", &[7000]), 9));
    assert!(world.edges("connects_to").contains(&"shop@client -> 10.0.0.9 (client)".to_owned()), "{:?}", world.edges("connects_to"));
    let history = world.ci("new").value("address_history").unwrap().to_string();
    assert!(history.contains("10.0.0.5 ") && history.contains("10.0.0.9 "), "{history}");
}

#[test]
fn nat_between_client_and_server() {
    // The client sees the gateway's outer address, the server the gateway's inner one.
    let client = machine("client", 2).runs("shop", &[]).calls("shop", "203.0.113.5".parse().unwrap(), 443);
    let server = via(machine("server", 3), 1).runs("nginx", &[8443]).called_by("nginx", ip(1), 8443);
    let unmanaged = ["shop@client -> 203.0.113.5 (client)"];
    let mut gateway = machine("gateway", 1).runs("sshd", &[22]);
    let outer = InterfaceAddress { address: "203.0.113.5".parse().unwrap(), prefix_length: 24 };
    gateway.network.as_mut().unwrap().interfaces[0].addresses.push(outer);
    for (what, machines, expected) in [
        ("a gateway without an agent", vec![client.clone(), server.clone()], &unmanaged[..]),
        ("a gateway with an agent", vec![gateway.clone(), client.clone(), server.clone()], &[]),
        (
            "its own work is its own",
            vec![gateway.clone().runs("proxy", &[443]).calls("proxy", ip(3), 8443), client, server.clone()],
            &["proxy@gateway -> nginx@server (gateway, server)", "shop@client -> proxy@gateway (client)"],
        ),
    ] {
        let mut world = World::new();
        // Once more: what was taken for somebody's before the gateway was known as one is taken back.
        for machine in machines.iter().chain(&machines) {
            world.wait(MINUTE).report(machine);
        }
        assert_eq!(world.edges("connects_to"), expected, "{what}");
    }
    // Another server has reported the gateway's address before anybody named it as a gateway.
    let mut world = World::new();
    world.report(&gateway);
    world.report(&machine("other", 4).runs("redis", &[6379]).called_by("redis", ip(1), 6379));
    assert_eq!(world.edges("connects_to"), ["gateway -> redis@other (other)"]);
    world.wait(MINUTE).report(&server);
    assert!(world.edges("connects_to").is_empty(), "{:?}", world.edges("connects_to"));
}

/// At 10.0.0.ADDRESS behind a gateway with this MAC address.
fn behind(name: &str, number: u8, address: u8, gateway_mac: &str) -> Machine {
    let mut machine = via(at_address(machine(name, number), address), 254);
    let neighbour =
        Neighbour { address: ip(254), mac: gateway_mac.into(), interface: "eth0".into(), state: None, router: false, vendor: None };
    machine.neighbours = Some(Neighbours { neighbours: vec![neighbour], ..Neighbours::default() });
    machine
}

#[test]
fn two_sites_in_one_realm_are_told_apart_by_their_gateways() {
    const HERE: &str = "04:7b:cb:aa:00:01";
    const THERE: &str = "04:7b:cb:bb:00:02";
    let db = |name: &str, number: u8, gateway: &str| behind(name, number, 1, gateway).runs("postgresql", &[5432]);
    let app = |name: &str, number: u8, gateway: &str| behind(name, number, 2, gateway).runs("shop", &[8080]).calls("shop", ip(1), 5432);
    let (db_here, db_there) = (db("db-here", 1, HERE), db("db-there", 2, THERE));
    let app_here = app("app-here", 3, HERE);
    let own = ["shop@app-here -> postgresql@db-here (app-here)"];
    for (what, machines, expected) in [
        ("each has its own", vec![db_here.clone(), db_there.clone(), app_here.clone()], &own[..]),
        ("the other site's only", vec![db_there.clone(), app_here.clone()], &[]),
        (
            "a shared virtual router says nothing",
            vec![db("db", 1, "00:00:5e:00:01:01"), app("app", 3, HERE)],
            &["shop@app -> postgresql@db (app)"],
        ),
        ("an unknown gateway says nothing", vec![Machine { neighbours: None, ..db_here.clone() }, app_here.clone()], &own),
    ] {
        assert_eq!(World::of_reports(&machines).edges("connects_to"), expected, "{what}");
    }
    // It is not taken for the stranger of the other site either, whoever comes first.
    let world = World::of_reports(&[app_here.clone(), db_there.clone()]);
    assert_eq!(world.edges("connects_to"), ["shop@app-here -> 10.0.0.1 (app-here)"]);
    // Neither their gateways nor other strangers are one.
    let world = World::of_reports(&[app("a", 3, HERE), app("b", 4, THERE)]);
    assert_eq!(world.edges("connects_to"), ["shop@a -> 10.0.0.1 (a)", "shop@b -> 10.0.0.1 (b)"]);
    let strangers: Vec<_> = world.cis().into_iter().filter(|ci| ci.starts_with("unmanaged_host")).collect();
    assert_eq!(strangers.len(), 4, "{strangers:?}");
    // One that another inventory program describes has its place too.
    let mut world = World::new();
    world.imported(&db_there, "db-there-2026", false);
    world.report(&app_here);
    assert!(world.edges("connects_to").is_empty(), "imported: {:?}", world.edges("connects_to"));
    // A caller from the other site's numbers.
    let called = db_here.called_by("postgresql", ip(2), 5432);
    let world = World::of_reports(&[app("app-there", 4, THERE), called]);
    assert!(
        world.edges("connects_to").iter().all(|edge| !edge.starts_with("app-there") && !edge.contains("@app-there -> postgresql@db-here"))
    );
    // The gateway is replaced: all learn its new address from their neighbours alone.
    let mut world = World::of_reports(&[db("db-here", 1, HERE), app_here.clone()]);
    for (name, number, address) in [("db-here", 1, 1), ("app-here", 3, 2)] {
        let new = behind(name, number, address, "04:7b:cb:cc:00:03");
        world.wait(HOUR).report(&Machine { neighbours: new.neighbours.clone(), ..new.partial() });
    }
    world.report(&Machine { connections: app_here.clone().connections, ..app_here.partial() });
    assert_eq!(world.edges("connects_to"), own);
}

impl World {
    pub(super) fn of_reports(machines: &[Machine]) -> Self {
        let mut world = Self::new();
        machines.iter().for_each(|machine| drop(world.report(machine)));
        world
    }
}

/// With an outer address at 203.0.113.5 and these rules, tried in this order.
fn gateway(rules: &[ForwardingRule]) -> Machine {
    let mut gateway = machine("gateway", 1).runs("sshd", &[22]).runs("admin", &[8080]);
    let network = gateway.network.as_mut().unwrap();
    let address = InterfaceAddress { address: "203.0.113.5".parse().unwrap(), prefix_length: 24 };
    network.interfaces.push(Interface {
        name: "wan".into(),
        kind: "ethernet".into(),
        physical: true,
        up: true,
        addresses: vec![address],
        ..Interface::default()
    });
    network.gateways.push(Gateway { address: "203.0.113.1".parse().unwrap(), interface: "wan".into() });
    network.forwarding = Some(Forwarding { rules: rules.to_vec(), ..Forwarding::default() });
    gateway
}

/// `203.0.113.5:PORT` to `10.0.0.NUMBER:TO`.
fn forward(port: u16, number: u8, to: u16) -> ForwardingRule {
    let (protocol, addresses) = (Some(Protocol::Tcp), vec!["203.0.113.5".to_owned()]);
    ForwardingRule { protocol, addresses, port: Some(port), to_address: Some(ip(number)), to_port: Some(to), ..ForwardingRule::default() }
}

/// The same for what comes in by this interface, or by any other.
fn by(interface: &str, other_interfaces: bool, rule: ForwardingRule) -> ForwardingRule {
    ForwardingRule { interfaces: vec![interface.to_owned()], other_interfaces, ..rule }
}

#[test]
fn a_gateway_s_own_rules_say_who_is_called() {
    let outer: IpAddr = "203.0.113.5".parse().unwrap();
    let call = |port| machine("client", 2).runs("shop", &[]).calls("shop", outer, port);
    let server = || machine("server", 3).runs("nginx", &[8443]);
    let known = "shop@client -> nginx@server (client)";
    for (what, rules, called, expected) in [
        ("one rule", vec![forward(443, 3, 8443)], 443, &[known][..]),
        ("another port", vec![forward(443, 3, 8443)], 444, &[]),
        ("a service of its own that no rule is about", vec![forward(443, 3, 8443)], 22, &["shop@client -> sshd@gateway (client)"]),
        ("one that a rule is about", vec![forward(22, 3, 8443)], 22, &[known]),
        ("the first decides", vec![forward(443, 3, 8443), forward(443, 4, 80)], 443, &[known]),
        (
            "several ports",
            vec![ForwardingRule { last_port: Some(450), to_port: None, ..forward(440, 3, 0) }],
            443,
            &["shop@client -> server (client)"],
        ),
        (
            "another protocol",
            vec![ForwardingRule { protocol: Some(Protocol::Udp), ..forward(22, 3, 8443) }],
            22,
            &["shop@client -> sshd@gateway (client)"],
        ),
        ("to itself", vec![ForwardingRule { to_address: None, ..forward(80, 3, 8080) }], 80, &["shop@client -> admin@gateway (client)"]),
        ("sometimes", vec![ForwardingRule { sometimes: true, ..forward(443, 3, 8443) }], 443, &[]),
        (
            "sometimes, and else the same",
            vec![ForwardingRule { sometimes: true, ..forward(443, 3, 8443) }, forward(443, 3, 8443)],
            443,
            &[known],
        ),
        ("sometimes, and else another", vec![ForwardingRule { sometimes: true, ..forward(443, 4, 8443) }, forward(443, 3, 8443)], 443, &[]),
        ("sometimes its own service", vec![ForwardingRule { sometimes: true, ..forward(22, 3, 8443) }], 22, &[]),
        (
            "what stays is excepted",
            vec![ForwardingRule { to_address: None, to_port: None, ..forward(22, 3, 0) }, forward(22, 3, 8443)],
            22,
            &["shop@client -> sshd@gateway (client)"],
        ),
        ("by the interface that the client comes by", vec![by("eth0", false, forward(443, 3, 8443))], 443, &[known]),
        (
            "by another interface",
            vec![by("wan", false, forward(443, 3, 8443)), forward(443, 4, 80)],
            443,
            &["shop@client -> 10.0.0.4 (client)"],
        ),
        ("by none but that interface", vec![by("wan", true, forward(443, 3, 8443))], 443, &[known]),
        ("from where the client is", vec![ForwardingRule { sources: vec!["10.0.0.0/24".into()], ..forward(443, 3, 8443) }], 443, &[known]),
        (
            "from elsewhere",
            vec![ForwardingRule { sources: vec!["10.9.0.0/24".into()], ..forward(22, 3, 8443) }],
            22,
            &["shop@client -> sshd@gateway (client)"],
        ),
        ("to whom no agent speaks for", vec![forward(443, 77, 8443)], 443, &["shop@client -> 10.0.0.77 (client)"]),
        ("rules of another's making", vec![ForwardingRule { addresses: vec!["<x>".into()], ..forward(443, 3, 8443) }], 443, &[]),
    ] {
        let mut world = World::new();
        let machines = [gateway(&rules), server(), call(called)];
        for machine in machines.iter().chain(&machines) {
            world.wait(MINUTE).report(machine);
        }
        assert_eq!(world.edges("connects_to"), expected, "{what}");
        let is_passed_on = expected.iter().any(|edge| !edge.contains("gateway"));
        assert_eq!(
            world.edges("routes_through").contains(&"shop@client -> gateway (client)".to_owned()),
            is_passed_on,
            "{what}: {:?}",
            world.edges("routes_through")
        );
    }
}

#[test]
fn forwarding_in_any_order_and_with_both_ends() {
    let outer: IpAddr = "203.0.113.5".parse().unwrap();
    let machines = [
        gateway(&[forward(443, 3, 8443)]),
        machine("server", 3).runs("nginx", &[8443]).called_by("nginx", ip(2), 8443),
        machine("client", 2).runs("shop", &[]).calls("shop", outer, 443),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut world = World::new();
        for at in order.iter().chain(&order) {
            world.wait(MINUTE).report(&machines[*at]);
        }
        assert_eq!(world.edges("connects_to"), ["shop@client -> nginx@server (client, server)"], "{order:?}");
        assert_eq!(world.edges("routes_through").iter().filter(|edge| edge.starts_with("shop@client -> gateway")).count(), 1, "{order:?}");
        let evidence: Vec<String> = world
            .estate
            .relationships()
            .filter(|it| it.kind == "connects_to")
            .flat_map(|it| &it.evidence)
            .map(|it| it.detail.clone())
            .collect();
        assert!(evidence.iter().any(|detail| detail.contains("passed on there by the rules of gateway")), "{evidence:?}");
    }
}

#[test]
fn who_calls_under_a_gateway_s_address_is_not_known() {
    let mut hides = gateway(&[]);
    hides.network.as_mut().unwrap().forwarding = Some(Forwarding { hides: vec!["10.0.0.0/24".into()], ..Forwarding::default() });
    let server = machine("server", 3).runs("nginx", &[8443]).called_by("nginx", ip(1), 8443);
    for order in [[&hides, &server], [&server, &hides]] {
        let mut world = World::new();
        for machine in order.iter().chain(&order) {
            world.wait(MINUTE).report(machine);
        }
        assert!(world.edges("connects_to").is_empty(), "{:?}", world.edges("connects_to"));
    }
    // Its own containers are its own.
    let mut docker = machine("docker", 1);
    let network = docker.network.as_mut().unwrap();
    let address = InterfaceAddress { address: "172.17.0.1".parse().unwrap(), prefix_length: 16 };
    network.interfaces.push(Interface {
        name: "docker0".into(),
        kind: "bridge".into(),
        up: true,
        addresses: vec![address],
        ..Interface::default()
    });
    network.forwarding = Some(Forwarding { hides: vec!["172.17.0.0/16".into()], ..Forwarding::default() });
    let world = World::of_reports(&[docker, server]);
    assert_eq!(world.edges("connects_to"), ["docker -> nginx@server (server)"]);
}

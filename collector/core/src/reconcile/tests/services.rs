use super::*;

#[test]
fn the_handful_that_matters_gets_an_item() {
    let mut world = World::new();
    let mut a = machine("a", 1).runs("sshd", &[22]).runs("cron", &[]).calls("backup", ip(9), 9103).listens(Some("odd"), "127.0.0.1", 7000);
    for one_shot in 0..80 {
        let key = unit(&format!("one-shot-{one_shot}"));
        let service = Service { key, name: "x".into(), ..Service::default() };
        a.services.as_mut().unwrap().services.push(service);
    }
    world.report(&a);
    assert_eq!(
        world.cis(),
        [
            "server a",
            "service_instance backup@a",
            "service_instance cron@a",
            "service_instance odd@a",
            "service_instance sshd@a",
            "unmanaged_host 10.0.0.9"
        ]
    );
    assert_eq!(world.edges("runs_on").len(), 4);
}

#[test]
fn classes_names_and_endpoints() {
    let mut world = World::new();
    let mut a = machine("a", 1).runs("postgresql", &[5432]).runs("nginx", &[80, 443]);
    a.listening.as_mut().unwrap().sockets.push(ListeningSocket {
        protocol: Protocol::Udp,
        address: "::".parse().unwrap(),
        port: 53,
        service: Some(ServiceKey::process("/usr/sbin/dnsmasq", "nobody")),
        ..ListeningSocket::default()
    });
    world.report(&a);
    assert_eq!(world.cis(), ["database postgresql@a", "server a", "service_instance dnsmasq@a", "web_server nginx@a"]);
    assert_eq!(world.ci("nginx@a").value("endpoints").unwrap(), &serde_json::json!(["tcp 0.0.0.0:443", "tcp 0.0.0.0:80"]));
    assert_eq!(world.ci("dnsmasq@a").value("endpoints").unwrap(), &serde_json::json!(["udp [::]:53"]));
    assert_eq!(world.ci("postgresql@a").text("unit"), Some("postgresql.service"));
}

/// What is left of `nginx` (listed, listening) after a second document.
fn check(what: &str, second: impl FnOnce(&Machine) -> Machine, left: bool) {
    let mut world = World::new();
    let first = machine("a", 1).runs("nginx", &[80]);
    world.report(&first);
    world.wait(HOUR).report(&second(&first));
    let expected: &[&str] = if left { &["server a", "web_server nginx@a"] } else { &["server a"] };
    assert_eq!(world.cis(), expected, "{what}");
    assert_eq!(world.edges("runs_on").len(), usize::from(left), "{what}");
}

#[test]
fn only_what_was_read_in_full_retires() {
    check(
        "neither lists it",
        |a| Machine { services: Some(Services::default()), listening: Some(Listening::default()), ..a.partial() },
        false,
    );
    check("not listed, still listening", |a| Machine { services: Some(Services::default()), ..a.clone() }, true);
    check("not listed, nothing said about listening", |a| Machine { services: Some(Services::default()), ..a.partial() }, true);
    check("no longer listening, still listed", |a| Machine { listening: Some(Listening::default()), ..a.clone() }, true);
    check("no longer listening, nothing else said", |a| Machine { listening: Some(Listening::default()), ..a.partial() }, true);
    let failed = SectionStatus::Failed { reason: "x".into() };
    check(
        "failed",
        |a| Machine { status: failed, services: Some(Services::default()), listening: Some(Listening::default()), ..a.partial() },
        true,
    );
    let absent = SectionStatus::Absent { reason: "x".into() };
    check(
        "no such thing here",
        |a| Machine { status: absent, services: Some(Services::default()), listening: Some(Listening::default()), ..a.partial() },
        false,
    );
}

#[test]
fn a_client_that_nothing_but_its_connections_shows() {
    let mut world = World::new();
    let a = machine("a", 1);
    world.report(&a.clone().calls("sync", ip(9), 873).called_by("odd", "9.9.9.9".parse().unwrap(), 70));
    let all = ["server a", "service_instance odd@a", "service_instance sync@a", "unmanaged_host 10.0.0.9"];
    world.wait(HOUR).report(&Machine { connections: a.connections.clone(), ..a.partial() });
    assert_eq!(world.cis(), all, "a quiet window says nothing");
    world.wait(HOUR).report(&Machine { listening: Some(Listening::default()), ..a.partial() });
    assert_eq!(world.cis(), [all[0], all[2], all[3]], "what talks need not listen");
    world.wait(HOUR).report(&Machine { services: Some(Services::default()), ..a.partial() });
    assert_eq!(world.cis(), [all[0], all[3]], "all that keep talking would be listed");
}

#[test]
fn a_service_that_stops_and_starts_is_the_same_one_with_its_connections() {
    let mut world = World::new();
    let db = machine("db", 1).runs("postgresql", &[5432]);
    let app = machine("app", 2).runs("app", &[]).calls("app", ip(1), 5432);
    world.report(&db);
    world.report(&app);
    let id = world.ci("postgresql@db").id;
    world.wait(HOUR).report(&machine("db", 1));
    assert_eq!(world.cis(), ["server app", "server db", "service_instance app@app"]);
    world.wait(HOUR).report(&db);
    assert_eq!(world.ci("postgresql@db").id, id);
    assert_eq!(world.edges("connects_to"), ["app@app -> postgresql@db (app)"]);
}

#[test]
fn a_service_that_should_run_and_does_not_says_so_and_stays() {
    let mut world = World::new();
    let db = machine("db", 1).runs("postgresql", &[5432]);
    let mut stopped = Machine { listening: machine("db", 1).listening, ..db.clone() };
    stopped.services.as_mut().unwrap().services.iter_mut().for_each(|service| service.running = Some(false));
    world.report(&db);
    let id = world.ci("postgresql@db").id;
    for (machine, running, endpoints) in [(&db, None, true), (&stopped, Some(false), false), (&db, None, true)] {
        world.wait(HOUR).report(machine);
        let ci = world.ci("postgresql@db");
        assert_eq!((ci.id, ci.lifecycle), (id, Lifecycle::Active));
        assert_eq!((ci.value("running").and_then(|it| it.as_bool()), ci.value("endpoints").is_some()), (running, endpoints));
    }
}

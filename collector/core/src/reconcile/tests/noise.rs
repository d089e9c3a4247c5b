use rollcall_shared::catalogue::Hardness;

use super::{super::commands::set_hardness, *};

/// What the one connection of these machines is for, how hard it is (absent: as its type), and who says so.
fn judged(machines: &[Machine]) -> String {
    let mut world = World::new();
    machines.iter().for_each(|machine| drop(world.report(machine)));
    one(&world)
}

fn one(world: &World) -> String {
    let found: Vec<_> = world.estate.relationships().filter(|it| it.kind == "connects_to").collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    let hardness = found[0].hardness.map_or("type", |hardness| match hardness {
        Hardness::Hard => "hard",
        Hardness::Soft => "soft",
        Hardness::None => "none",
    });
    match &found[0].judgement {
        Some(judgement) => {
            assert!(!judgement.reason.is_empty());
            format!("{hardness} {} {}", judgement.purpose.as_str(), judgement.by)
        }
        None => hardness.to_owned(),
    }
}

/// `client` on one machine calls `server` (nobody, if empty) on another at a port.
fn between(client: &str, server: &str, port: u16) -> String {
    let target = machine("target", 1);
    let target = if server.is_empty() { target } else { target.runs(server, &[port]) };
    judged(&[target, machine("source", 2).runs(client, &[]).calls(client, ip(1), port)])
}

#[test]
fn looking_after_machines_is_told_from_work() {
    for (client, server, port, expected) in [
        ("shop", "postgresql", 5432, "type"),
        ("shop", "", 9999, "type"),
        ("shop", "node_exporter", 9100, "none monitoring signature"),
        ("poll", "nginx-exporter", 9113, "none monitoring signature"),
        ("prometheus", "shop", 8080, "none monitoring signature"),
        ("prometheus", "", 8080, "none monitoring signature"),
        ("zabbix-server", "postgresql", 5432, "soft monitoring signature"),
        ("grafana", "prometheus", 9090, "type"),
        ("rsyslogd", "rsyslog", 514, "none logging signature"),
        ("bacula-dir", "shop", 9102, "none backup signature"),
        ("shop", "sshd", 2222, "soft administration signature"),
        ("shop", "", 22, "soft administration signature"),
        ("ansible-pull", "gitea", 443, "none configuration_management signature"),
        ("shop", "openldap", 389, "soft directory signature"),
        ("shop", "", 636, "soft directory signature"),
        ("shop", "bind", 53, "soft name_service signature"),
        ("unattended-upgrade", "nginx", 80, "none updates signature"),
        // A port says nothing where the service is known, but for ssh and the like.
        ("shop", "redis", 5666, "type"),
        ("shop", "", 5666, "none monitoring signature"),
    ] {
        assert_eq!(between(client, server, port), expected, "{client} -> {server}:{port}");
    }
    let unknown = machine("source", 2).flow(Direction::Outgoing, None, ip(1), 5432);
    assert_eq!(judged(&[machine("target", 1).runs("postgresql", &[5432]), unknown]), "soft unattributed signature");
}

#[test]
fn a_person_reverses_it_and_gives_it_back() {
    let mut world = World::new();
    let target = machine("target", 1).runs("node_exporter", &[9100]);
    let source = machine("source", 2).runs("prometheus", &[]).calls("prometheus", ip(1), 9100);
    world.report(&target);
    world.report(&source);
    let id = world.estate.relationships().find(|it| it.kind == "connects_to").unwrap().id;
    for (wanted, expected) in [
        (Hardness::Hard, "hard monitoring user:ada"),
        (Hardness::None, "none monitoring user:ada"),
        (Hardness::Soft, "soft monitoring user:ada"),
    ] {
        world.wait(MINUTE).command(|e, o| set_hardness(e, id, Some(wanted), o));
        assert_eq!(one(&world), expected);
        // New evidence and another end leave a person's word alone, also where it is what the signature says.
        world.wait(2 * DAY).report(&target.clone().called_by("node_exporter", ip(2), 9100));
        world.wait(2 * DAY).report(&source);
        let edge = world.estate.relationship(id).unwrap();
        assert_eq!(edge.hardness, Some(wanted));
    }
    world.command(|e, o| set_hardness(e, id, None, o));
    let edge = world.estate.relationship(id).unwrap();
    assert_eq!((edge.hardness, edge.judgement.as_ref().unwrap().by.clone()), (Some(Hardness::None), Judge::Signature));
}

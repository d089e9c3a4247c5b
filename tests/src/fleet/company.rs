//! Nordwind Logistics, a company that does not exist: about 300 machines at four sites, what they run, and who needs what.
//!
//! Three tables say it all: [`SITES`], [`ROLES`] and [`SERVICES`].

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use rollcall_shared::{
    Timestamp,
    wire::v1::{FileSystem, Protocol},
};

use super::{
    hardware::Kind,
    machine::{Machine, Plan},
    quirks,
    software::{Daemon, daemon_named},
    wiring::{self, Link},
};

/// A place with machines.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Short name, in host names.
    pub code: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Second byte of its addresses: `10.BYTE.0.0/16`.
    pub network: u8,
}

/// Every site.
pub const SITES: &[Site] = &[
    Site { code: "ham", name: "Hamburg data centre", network: 10 },
    Site { code: "rtm", name: "Rotterdam data centre", network: 20 },
    Site { code: "lyo", name: "Lyon office", network: 30 },
    Site { code: "gdn", name: "Gdańsk warehouse", network: 40 },
];

/// Machines that are alike.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Name, in host names.
    pub name: &'static str,
    /// Kind of machine.
    pub kind: Kind,
    /// How many at each site, in the order of [`SITES`].
    pub count: [usize; 4],
    /// What they run, besides what every machine runs.
    pub daemons: &'static [&'static str],
    /// Whom they connect to.
    pub calls: &'static [Call],
}

/// A service of a role connects to a port of the machines of another.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    from: &'static str,
    to: &'static str,
    port: u16,
    which: Which,
}

/// Which machines of the other role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// The first one: a primary.
    First,
    /// The second one: a replica.
    Second,
    /// Every one.
    All,
    /// Those at the same site; all if there are none.
    Near,
}

const fn call(from: &'static str, to: &'static str, port: u16, which: Which) -> Call {
    Call { from, to, port, which }
}

use Kind::{Desktop, Laptop, Server, VirtualMachine};
use Which::{All, First, Near, Second};

const fn role(name: &'static str, kind: Kind, count: [usize; 4], daemons: &'static [&'static str], calls: &'static [Call]) -> Role {
    Role { name, kind, count, daemons, calls }
}

/// Every role.
pub const ROLES: &[Role] = &[
    role("host", Server, [8, 6, 1, 1], &["libvirtd"], &[]),
    role("dns", VirtualMachine, [1, 1, 0, 0], &["named"], &[]),
    role("ldap", VirtualMachine, [1, 1, 0, 0], &["slapd"], &[]),
    role("mail", VirtualMachine, [2, 0, 0, 0], &["postfix", "dovecot"], &[call("dovecot", "ldap", 636, Near)]),
    role("files", Server, [1, 0, 1, 1], &["smbd"], &[]),
    role("shop-lb", VirtualMachine, [1, 1, 0, 0], &["haproxy"], &[call("haproxy", "shop-web", 443, Near)]),
    role("shop-web", VirtualMachine, [3, 3, 0, 0], &["nginx"], &[call("nginx", "shop-app", 8080, Near)]),
    role(
        "shop-app",
        VirtualMachine,
        [3, 3, 0, 0],
        &["shop-api"],
        &[
            call("shop-api", "shop-db", 5432, First),
            call("shop-api", "shop-cache", 6379, All),
            call("shop-api", "orders-app", 8443, Near),
            call("shop-api", "queue", 5672, First),
        ],
    ),
    role("shop-cache", VirtualMachine, [2, 0, 0, 0], &["redis-server"], &[]),
    role("shop-db", VirtualMachine, [1, 1, 0, 0], &["postgresql@15-main"], &[]),
    role(
        "orders-app",
        VirtualMachine,
        [2, 2, 0, 0],
        &["orders"],
        &[call("orders", "orders-db", 5432, First), call("orders", "queue", 5672, All), call("orders", "wms-app", 9000, All)],
    ),
    role("orders-db", VirtualMachine, [1, 1, 0, 0], &["postgresql@15-main"], &[]),
    role("queue", VirtualMachine, [3, 0, 0, 0], &["rabbitmq-server"], &[]),
    role(
        "wms-app",
        VirtualMachine,
        [0, 0, 0, 2],
        &["warehouse"],
        &[call("warehouse", "wms-db", 3306, First), call("warehouse", "queue", 5672, First)],
    ),
    role("wms-db", VirtualMachine, [0, 0, 0, 1], &["mariadb"], &[]),
    role("erp-app", VirtualMachine, [2, 0, 0, 0], &["tomcat10"], &[call("tomcat10", "erp-db", 3306, First)]),
    role("erp-db", VirtualMachine, [1, 0, 0, 0], &["mariadb"], &[]),
    role("crm-app", VirtualMachine, [0, 2, 0, 0], &["crm"], &[call("crm", "crm-db", 5432, First), call("crm", "mail", 587, First)]),
    role("crm-db", VirtualMachine, [0, 1, 0, 0], &["postgresql@15-main"], &[]),
    role(
        "bi-app",
        VirtualMachine,
        [0, 1, 0, 0],
        &["reports"],
        &[call("reports", "bi-db", 8123, First), call("reports", "orders-db", 5432, Second)],
    ),
    role("bi-db", Server, [0, 1, 0, 0], &["clickhouse-server"], &[]),
    role("git", VirtualMachine, [1, 0, 0, 0], &["gitea"], &[call("gitea", "ldap", 636, Near)]),
    role(
        "build",
        VirtualMachine,
        [4, 0, 0, 0],
        &["build-runner"],
        &[call("build-runner", "git", 3000, First), call("build-runner", "registry", 5000, First)],
    ),
    role("registry", VirtualMachine, [1, 0, 0, 0], &["docker-registry"], &[]),
    role("monitor", VirtualMachine, [1, 0, 0, 0], &["prometheus", "grafana-server"], &[call("grafana-server", "monitor", 9090, First)]),
    role("backup", Server, [0, 1, 0, 0], &["bacula-sd"], &[]),
    role("vpn", VirtualMachine, [1, 0, 0, 0], &["openvpn"], &[call("openvpn", "ldap", 636, Near)]),
    role("print", VirtualMachine, [1, 0, 1, 1], &["cups"], &[]),
    role(
        "intranet",
        VirtualMachine,
        [2, 0, 0, 0],
        &["nginx"],
        &[call("nginx", "intranet-db", 3306, First), call("nginx", "ldap", 636, Near)],
    ),
    role("intranet-db", VirtualMachine, [1, 0, 0, 0], &["mariadb"], &[]),
    role("laptop", Laptop, [68, 40, 30, 20], &[], &[call("sssd", "ldap", 636, All)]),
    role("desk", Desktop, [16, 10, 0, 0], &[], &[call("sssd", "ldap", 636, All)]),
    role("scan", Desktop, [0, 0, 0, 36], &["scanner-gateway"], &[call("scanner-gateway", "wms-app", 9000, All)]),
];

/// Something the company sells or lives by, declared by people.
#[derive(Clone, Copy, Debug)]
pub struct BusinessService {
    /// Name.
    pub name: &'static str,
    /// The team that answers for it.
    pub owner: &'static str,
    /// `critical`, `high`, `normal`.
    pub criticality: &'static str,
    /// What it is made of.
    pub needs: &'static [Need],
}

/// One need of a business service: services on the machines of a role.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What people call it.
    pub name: &'static str,
    /// The role.
    pub role: &'static str,
    /// The daemon there.
    pub daemon: &'static str,
    /// How many of them must serve.
    pub min_up: u32,
    /// Whether it serves at all without them.
    pub soft: bool,
}

const fn need(name: &'static str, role: &'static str, daemon: &'static str, min_up: u32) -> Need {
    Need { name, role, daemon, min_up, soft: false }
}

const fn soft(need: Need) -> Need {
    Need { soft: true, ..need }
}

/// Every business service.
pub const SERVICES: &[BusinessService] = &[
    BusinessService {
        name: "Online shop",
        owner: "Shop team",
        criticality: "critical",
        needs: &[
            need("Load balancers", "shop-lb", "haproxy", 1),
            need("Web servers", "shop-web", "nginx", 3),
            need("Application servers", "shop-app", "shop-api", 3),
            soft(need("Caches", "shop-cache", "redis-server", 1)),
        ],
    },
    BusinessService {
        name: "Order processing",
        owner: "Orders team",
        criticality: "critical",
        needs: &[need("Order services", "orders-app", "orders", 2), need("Message queue", "queue", "rabbitmq-server", 2)],
    },
    BusinessService {
        name: "Warehouse management",
        owner: "Logistics IT",
        criticality: "critical",
        needs: &[need("Warehouse services", "wms-app", "warehouse", 1)],
    },
    BusinessService {
        name: "Accounting",
        owner: "Finance IT",
        criticality: "high",
        needs: &[need("ERP servers", "erp-app", "tomcat10", 1)],
    },
    BusinessService { name: "Customer care", owner: "CRM team", criticality: "high", needs: &[need("CRM servers", "crm-app", "crm", 1)] },
    BusinessService { name: "Email", owner: "Workplace team", criticality: "high", needs: &[need("Mail servers", "mail", "dovecot", 1)] },
    BusinessService {
        name: "Directory and sign-in",
        owner: "Platform team",
        criticality: "critical",
        needs: &[need("Directory servers", "ldap", "slapd", 1)],
    },
    BusinessService {
        name: "Reporting",
        owner: "Data team",
        criticality: "normal",
        needs: &[need("Report servers", "bi-app", "reports", 1)],
    },
    BusinessService {
        name: "Software delivery",
        owner: "Platform team",
        criticality: "normal",
        needs: &[need("Source code", "git", "gitea", 1), need("Build runners", "build", "build-runner", 2)],
    },
    BusinessService {
        name: "Intranet",
        owner: "Workplace team",
        criticality: "normal",
        needs: &[need("Intranet servers", "intranet", "nginx", 1)],
    },
    BusinessService {
        name: "Remote access",
        owner: "Workplace team",
        criticality: "high",
        needs: &[need("VPN gateway", "vpn", "openvpn", 1)],
    },
];

/// What a company is made with.
#[derive(Clone, Copy, Debug)]
pub struct CompanyOptions {
    /// Decides everything random.
    pub seed: u64,
    /// The time that "now" is.
    pub now: Timestamp,
    /// Machines get placeholder serials and shared docking stations, as in life.
    pub quirks: bool,
    /// How many machines are clones of another.
    pub clones: usize,
}

impl CompanyOptions {
    /// The demo: quirks, one clone.
    pub fn demo(now: Timestamp) -> Self {
        Self { seed: 1, now, quirks: true, clones: 1 }
    }
}

/// A whole company.
#[derive(Clone, Debug)]
pub struct Company {
    /// Its machines, in the order of [`ROLES`] and [`SITES`]; clones last.
    pub machines: Vec<Machine>,
}

impl Company {
    /// The company for these options: always the same one for the same options.
    pub fn build(options: &CompanyOptions) -> Self {
        let mut machines = Vec::new();
        let mut roles = Vec::new();
        let resolvers = [address(SITES[0].network, 200, 53), address(SITES[1].network, 200, 53)];
        for (role_index, role) in ROLES.iter().enumerate() {
            let mut daemons: Vec<Daemon> = role.daemons.iter().map(|name| daemon_named(name)).collect();
            if matches!(role.kind, Server | VirtualMachine) {
                daemons.push(daemon_named("node-exporter"));
            }
            let mut number = 0;
            for (site, &count) in SITES.iter().zip(&role.count) {
                for _ in 0..count {
                    number += 1;
                    let index = machines.len();
                    let address = if role.name == "dns" {
                        resolvers[number - 1]
                    } else {
                        address(site.network, u8::try_from(role_index + 1).unwrap_or(0), u8::try_from(number + 9).unwrap_or(0))
                    };
                    machines.push(Machine::build(&Plan {
                        seed: options.seed.wrapping_mul(1_000_003).wrapping_add(index as u64),
                        hostname: format!("{}-{}{number:02}", site.code, role.name),
                        role: role.name,
                        site: site.code,
                        kind: role.kind,
                        address,
                        resolvers: resolvers.map(IpAddr::V4).to_vec(),
                        daemons: &daemons,
                        now: options.now,
                    }));
                    roles.push(role);
                }
            }
        }
        let links = links(&machines, &roles);
        wiring::wire(&mut machines, &links, options.seed);
        mount_files(&mut machines);
        if options.quirks {
            quirks::placeholder_serials(&mut machines, 3);
            quirks::docking_stations(&mut machines, 4, options.seed);
        }
        let originals = machines.iter().filter(|machine| machine.role == "build").take(options.clones);
        let clones: Vec<Machine> =
            originals.enumerate().map(|(index, machine)| quirks::clone_of(machine, &format!("ham-build-copy{:02}", index + 1))).collect();
        machines.extend(clones);
        Self { machines }
    }

    /// The machines of a role, in order.
    pub fn role(&self, name: &str) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(move |machine| machine.role == name)
    }
}

fn address(network: u8, third: u8, fourth: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, network, third, fourth)
}

fn links(machines: &[Machine], roles: &[&Role]) -> BTreeSet<Link> {
    let of_role = |name: &str| -> Vec<usize> { (0..machines.len()).filter(|&index| machines[index].role == name).collect() };
    let mut links = BTreeSet::new();
    for (client, (machine, role)) in machines.iter().zip(roles).enumerate() {
        for call in role.calls {
            let all = of_role(call.to);
            let near: Vec<usize> = all.iter().copied().filter(|&index| machines[index].site == machine.site).collect();
            let chosen = match call.which {
                First => all[..1].to_vec(),
                Second => all[1..2].to_vec(),
                Near if !near.is_empty() => near,
                All | Near => all,
            };
            let client_service = daemon_named(call.from).key();
            links.extend(chosen.into_iter().map(|server| Link { client, client_service: client_service.clone(), server, port: call.port }));
        }
        // A standby reads from the primary.
        for database in ["shop-db", "orders-db"] {
            let all = of_role(database);
            if client == all[1] {
                links.insert(Link { client, client_service: daemon_named("postgresql@15-main").key(), server: all[0], port: 5432 });
            }
        }
    }
    // Monitoring looks at every machine that answers.
    let monitor = of_role("monitor")[0];
    let watched = (0..machines.len()).filter(|&server| server != monitor && machines[server].listener(Protocol::Tcp, 9100).is_some());
    let prometheus = daemon_named("prometheus").key();
    links.extend(watched.map(|server| Link { client: monitor, client_service: prometheus.clone(), server, port: 9100 }));
    links
}

/// The machines of an office mount its file server; those of data centres the first one.
fn mount_files(machines: &mut [Machine]) {
    let servers: Vec<(String, IpAddr)> =
        machines.iter().filter(|machine| machine.role == "files").map(|machine| (machine.site.clone(), machine.address())).collect();
    for machine in machines.iter_mut().filter(|machine| matches!(machine.role.as_str(), "laptop" | "desk")) {
        let Some((_, server)) = servers.iter().find(|(site, _)| *site == machine.site).or(servers.first()) else { continue };
        machine.file_systems.file_systems.push(FileSystem {
            mount_point: "/srv/shared".into(),
            device: format!("//{server}/shared"),
            kind: "cifs".into(),
            remote_server: Some(server.to_string()),
            ..FileSystem::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rollcall_shared::wire::{limits, v1::Direction};

    use super::*;

    fn demo() -> Company {
        Company::build(&CompanyOptions::demo(Timestamp::from_millis(1_772_366_400_000)))
    }

    #[test]
    fn the_same_options_give_the_same_company() {
        // Every ninth: digesting them all takes seconds without optimisation.
        let digests = |company: &Company| company.machines.iter().step_by(9).map(|m| m.digests(Timestamp::default())).collect::<Vec<_>>();
        assert_eq!(digests(&demo()), digests(&demo()));
        let other = Company::build(&CompanyOptions { seed: 2, ..CompanyOptions::demo(Timestamp::from_millis(1_772_366_400_000)) });
        assert_ne!(digests(&demo()), digests(&other));
    }

    #[test]
    fn it_has_about_300_machines_with_their_own_names_and_addresses() {
        let company = demo();
        let count = company.machines.len();
        assert!((290..=320).contains(&count), "{count}");
        let names: BTreeSet<_> = company.machines.iter().map(|m| &m.identity.hostname).collect();
        assert_eq!(names.len(), count);
        let addresses: BTreeSet<_> = company.machines.iter().map(Machine::address).collect();
        assert_eq!(addresses.len(), count - 1, "only the clone shares its original's address");
    }

    #[test]
    fn every_connection_is_seen_from_both_ends() {
        let company = demo();
        let mut outgoing = BTreeMap::new();
        let mut incoming = BTreeSet::new();
        for machine in &company.machines {
            for flow in &machine.connections.flows {
                match flow.direction {
                    Direction::Outgoing => {
                        outgoing.insert((flow.local_address, flow.peer_address, flow.peer_port), machine.identity.hostname.clone());
                    }
                    Direction::Incoming => {
                        assert!(flow.service.is_some(), "{}: nothing listens for {flow:?}", machine.identity.hostname);
                        incoming.insert((flow.peer_address, flow.local_address, flow.local_port));
                    }
                }
            }
        }
        assert!(outgoing.len() > 300);
        let seen: BTreeSet<_> = outgoing.into_keys().collect();
        assert_eq!(seen, incoming);
    }

    #[test]
    fn every_document_keeps_to_the_wire_limits_and_is_as_big_as_real_ones() {
        let company = demo();
        let exchange = rollcall_shared::wire::v1::Exchange { counter: 1, nonce: uuid::Uuid::nil() };
        for machine in company.machines.iter().step_by(9) {
            let json = serde_json::to_vec(&machine.document(exchange, Timestamp::default(), None)).unwrap();
            limits::check(&json, &limits::INVENTORY).unwrap();
            let packages = machine.packages.packages.len();
            assert!((200..=950).contains(&packages), "{}: {packages}", machine.identity.hostname);
        }
    }

    #[test]
    fn every_need_of_a_business_service_can_be_met() {
        let company = demo();
        for need in SERVICES.iter().flat_map(|service| service.needs) {
            let machines: Vec<_> = company.role(need.role).collect();
            assert!(machines.len() >= need.min_up as usize, "{}", need.name);
            let key = daemon_named(need.daemon).key();
            assert!(machines.iter().all(|m| m.services.services.iter().any(|s| s.key == key)), "{}", need.name);
        }
    }
}

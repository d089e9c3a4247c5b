//! Software: a catalogue of packages that the whole fleet shares, and the daemons that machines run.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall_shared::{
    Timestamp,
    wire::v1::{ListeningSocket, Package, Protocol, Service, ServiceKey},
};

use super::hardware::Kind;

/// Something that runs as a service.
#[derive(Clone, Copy, Debug)]
pub struct Daemon {
    /// Short name; its unit is `NAME.service`.
    pub name: &'static str,
    /// Main executable.
    pub executable: &'static str,
    /// Package it comes from; empty: the company's own software, without a package.
    pub package: &'static str,
    /// The well-known daemon it is; empty: none.
    pub daemon: &'static str,
    /// User it runs as.
    pub user: &'static str,
    /// What it listens on.
    pub ports: &'static [(Protocol, u16)],
}

const fn daemon(
    name: &'static str,
    executable: &'static str,
    package: &'static str,
    well_known: &'static str,
    user: &'static str,
    ports: &'static [(Protocol, u16)],
) -> Daemon {
    Daemon { name, executable, package, daemon: well_known, user, ports }
}

use Protocol::{Tcp, Udp};

/// What every machine runs.
pub const EVERY_MACHINE: &[Daemon] = &[
    daemon("ssh", "/usr/sbin/sshd", "openssh-server", "sshd", "root", &[(Tcp, 22)]),
    daemon("cron", "/usr/sbin/cron", "cron", "", "root", &[]),
    daemon("chrony", "/usr/sbin/chronyd", "chrony", "chronyd", "_chrony", &[]),
    daemon("dbus", "/usr/bin/dbus-daemon", "dbus", "", "messagebus", &[]),
    daemon("sssd", "/usr/sbin/sssd", "sssd-common", "sssd", "root", &[]),
];

/// Every other daemon, by name.
pub const DAEMONS: &[Daemon] = &[
    daemon("node-exporter", "/usr/bin/prometheus-node-exporter", "prometheus-node-exporter", "", "prometheus", &[(Tcp, 9100)]),
    daemon("libvirtd", "/usr/sbin/libvirtd", "libvirt-daemon", "libvirtd", "root", &[(Tcp, 16509)]),
    daemon("named", "/usr/sbin/named", "bind9", "named", "bind", &[(Tcp, 53), (Udp, 53)]),
    daemon("slapd", "/usr/sbin/slapd", "slapd", "slapd", "openldap", &[(Tcp, 636)]),
    daemon("postfix", "/usr/lib/postfix/sbin/master", "postfix", "postfix", "root", &[(Tcp, 25), (Tcp, 587)]),
    daemon("dovecot", "/usr/sbin/dovecot", "dovecot-core", "dovecot", "root", &[(Tcp, 993)]),
    daemon("smbd", "/usr/sbin/smbd", "samba", "smbd", "root", &[(Tcp, 445)]),
    daemon("haproxy", "/usr/sbin/haproxy", "haproxy", "haproxy", "haproxy", &[(Tcp, 443)]),
    daemon("nginx", "/usr/sbin/nginx", "nginx", "nginx", "root", &[(Tcp, 80), (Tcp, 443)]),
    daemon("redis-server", "/usr/bin/redis-check-rdb", "redis-server", "redis", "redis", &[(Tcp, 6379)]),
    daemon("postgresql@15-main", "/usr/lib/postgresql/15/bin/postgres", "postgresql-15", "postgresql", "postgres", &[(Tcp, 5432)]),
    daemon("mariadb", "/usr/sbin/mariadbd", "mariadb-server", "mariadb", "mysql", &[(Tcp, 3306)]),
    daemon("rabbitmq-server", "/usr/lib/erlang/bin/beam.smp", "rabbitmq-server", "rabbitmq", "rabbitmq", &[(Tcp, 5672), (Tcp, 25672)]),
    daemon("clickhouse-server", "/usr/bin/clickhouse", "clickhouse-server", "clickhouse", "clickhouse", &[(Tcp, 8123)]),
    daemon("tomcat10", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "openjdk-17-jre-headless", "tomcat", "tomcat", &[(Tcp, 8080)]),
    daemon("shop-api", "/opt/shop/bin/shop-api", "", "", "shop", &[(Tcp, 8080)]),
    daemon("orders", "/opt/orders/bin/orders", "", "", "orders", &[(Tcp, 8443)]),
    daemon("warehouse", "/opt/warehouse/bin/warehouse", "", "", "warehouse", &[(Tcp, 9000)]),
    daemon("crm", "/opt/crm/bin/crm", "", "", "crm", &[(Tcp, 8090)]),
    daemon("reports", "/opt/reports/bin/reports", "", "", "reports", &[(Tcp, 8070)]),
    daemon("scanner-gateway", "/opt/scanner/bin/scanner-gateway", "", "", "scanner", &[]),
    daemon("gitea", "/usr/local/bin/gitea", "", "gitea", "git", &[(Tcp, 3000)]),
    daemon("docker-registry", "/usr/bin/docker-registry", "docker-registry", "", "docker-registry", &[(Tcp, 5000)]),
    daemon("build-runner", "/opt/runner/bin/build-runner", "", "", "runner", &[]),
    daemon("prometheus", "/usr/bin/prometheus", "prometheus", "prometheus", "prometheus", &[(Tcp, 9090)]),
    daemon("grafana-server", "/usr/sbin/grafana-server", "grafana", "grafana", "grafana", &[(Tcp, 3001)]),
    daemon("bacula-sd", "/usr/sbin/bacula-sd", "bacula-sd", "bacula", "bacula", &[(Tcp, 9103)]),
    daemon("openvpn", "/usr/sbin/openvpn", "openvpn", "openvpn", "root", &[(Tcp, 1194)]),
    daemon("cups", "/usr/sbin/cupsd", "cups-daemon", "cupsd", "root", &[(Tcp, 631)]),
];

/// The daemon of that name.
///
/// # Panics
/// If the table has none: the company's table is wrong.
pub fn daemon_named(name: &str) -> Daemon {
    let all = EVERY_MACHINE.iter().chain(DAEMONS);
    *all.into_iter().find(|daemon| daemon.name == name).unwrap_or_else(|| panic!("no daemon {name:?} in the table"))
}

impl Daemon {
    /// What it is known by on its machine.
    pub fn key(&self) -> ServiceKey {
        ServiceKey::unit(&format!("{}.service", self.name))
    }

    /// Its entry in the services section.
    pub fn service(&self, packages: &[Package]) -> Service {
        let package = packages.iter().find(|package| package.name == self.package);
        Service {
            key: self.key(),
            name: self.name.into(),
            executable: Some(self.executable.into()),
            package: package.map(|package| package.name.clone()),
            version: package.map(|package| package.version.clone()),
            user: Some(self.user.into()),
            daemon: (!self.daemon.is_empty()).then(|| self.daemon.to_owned()),
            enabled: Some(true),
            ..Service::default()
        }
    }

    /// What it listens on.
    pub fn sockets(&self) -> impl Iterator<Item = ListeningSocket> + use<'_> {
        self.ports.iter().map(|&(protocol, port)| ListeningSocket {
            protocol,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port,
            service: Some(self.key()),
            network: None,
            process: self.executable.rsplit('/').next().map(str::to_owned),
            ..ListeningSocket::default()
        })
    }
}

/// Packages of the whole fleet: names and versions that many machines share.
const CATALOGUE_SIZE: u64 = 3_000;

/// The packages of one machine: a base, those of its daemons, and a selection of the shared catalogue.
pub fn packages<'a>(kind: Kind, daemons: impl Iterator<Item = &'a Daemon>, now: Timestamp, rng: &mut StdRng) -> Vec<Package> {
    let more = match kind {
        Kind::Laptop | Kind::Desktop => rng.random_range(550..850_u64),
        Kind::Server => rng.random_range(250..450),
        Kind::VirtualMachine => rng.random_range(150..350),
    };
    let mut names: BTreeMap<String, u64> = (0..120).map(|number| (catalogue_name(number), number)).collect();
    names.extend((0..more).map(|_| rng.random_range(120..CATALOGUE_SIZE)).map(|number| (catalogue_name(number), number)));
    names.extend(daemons.filter(|daemon| !daemon.package.is_empty()).map(|daemon| (daemon.package.to_owned(), 7)));
    // How far behind with upgrades this machine is.
    let lag = rng.random_range(0..3_u64);
    let installed = now.as_millis() - rng.random_range(1..600_i64) * 86_400_000;
    let installed = Timestamp::from_millis(installed - installed.rem_euclid(1_000));
    let package = |(name, number): (String, u64)| Package {
        kind: "deb".into(),
        version: format!("{}.{}.{}-{}", number % 5, number % 17, number % 9, 4 - lag.min(number % 3)),
        architecture: Some(if number.is_multiple_of(4) { "all" } else { "amd64" }.into()),
        publisher: Some("Debian".into()),
        size_bytes: Some((number + 3) * 11_264),
        installed_at: Some(installed),
        name,
        ..Package::default()
    };
    names.into_iter().map(package).collect()
}

/// The name of a catalogue entry: always the same for the same number.
fn catalogue_name(number: u64) -> String {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..CATALOGUE_SIZE).map(pronounceable).collect());
    usize::try_from(number).ok().and_then(|index| NAMES.get(index)).cloned().unwrap_or_else(|| pronounceable(number))
}

fn pronounceable(number: u64) -> String {
    const PREFIXES: [&str; 6] = ["lib", "python3-", "", "node-", "fonts-", "lib"];
    const SYLLABLES: [&str; 16] =
        ["ba", "cor", "del", "fi", "gra", "ko", "lum", "mer", "nox", "pol", "qua", "ris", "sta", "tel", "vin", "zet"];
    let mut rng = StdRng::seed_from_u64(number);
    let stem: String = (0..3).map(|_| SYLLABLES[rng.random_range(0..SYLLABLES.len())]).collect();
    format!("{}{stem}{}", PREFIXES[rng.random_range(0..PREFIXES.len())], number % 10)
}

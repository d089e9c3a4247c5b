//! Well-known daemons: how they are recognised, and what their own files say about them.
//!
//! One line each in [`EXECUTABLES`] (or [`PROGRAMS`], for what an interpreter runs), and one in [`READERS`] where the
//! configuration is read.

mod apache;
mod applications;
mod clocks;
mod directories;
mod files;
mod found;
mod haproxy;
mod keepalived;
mod mysql;
mod nginx;
mod others;
mod postgresql;
mod proxies;
mod redis;
#[cfg(test)]
mod stock;
mod stores;
#[cfg(test)]
mod tests;

pub(super) use self::{
    applications::{Place, application},
    files::Files,
    found::{Found, Said},
};
use crate::{parse::config::words, processes::Process};

/// Executable, daemon; sorted.
const EXECUTABLES: &[(&str, &str)] = &[
    ("alertmanager", "alertmanager"),
    ("apache2", "apache"),
    ("asterisk", "asterisk"),
    ("avahi-daemon", "avahi"),
    ("beam.smp", "erlang"),
    ("caddy", "caddy"),
    ("ceph-mon", "ceph"),
    ("ceph-osd", "ceph"),
    ("charon", "strongswan"),
    ("chronyd", "chrony"),
    ("clamd", "clamav"),
    ("clickhouse-server", "clickhouse"),
    ("collectd", "collectd"),
    ("consul", "consul"),
    ("containerd", "containerd"),
    ("coredns", "coredns"),
    ("corosync", "corosync"),
    ("couchbase", "couchbase"),
    ("crio", "crio"),
    ("cron", "cron"),
    ("cupsd", "cups"),
    ("db2sysc", "db2"),
    ("dhclient", "dhclient"),
    ("dhcpd", "dhcpd"),
    ("dnsmasq", "dnsmasq"),
    ("docker-proxy", "docker-proxy"),
    ("dockerd", "docker"),
    ("dovecot", "dovecot"),
    ("envoy", "envoy"),
    ("etcd", "etcd"),
    ("exim4", "exim"),
    ("fluent-bit", "fluent-bit"),
    ("freeradius", "freeradius"),
    ("gitea", "gitea"),
    ("glusterd", "gluster"),
    ("grafana", "grafana"),
    ("grafana-server", "grafana"),
    ("haproxy", "haproxy"),
    ("httpd", "apache"),
    ("icinga2", "icinga"),
    ("influxd", "influxdb"),
    ("k3s", "k3s"),
    ("kea-dhcp4", "kea"),
    ("kea-dhcp6", "kea"),
    ("keepalived", "keepalived"),
    ("krb5kdc", "kerberos"),
    ("kube-apiserver", "kube-apiserver"),
    ("kubelet", "kubelet"),
    ("libvirtd", "libvirt"),
    ("lighttpd", "lighttpd"),
    ("loki", "loki"),
    ("mariadbd", "mariadb"),
    ("master", "postfix"),
    ("memcached", "memcached"),
    ("minio", "minio"),
    ("mongod", "mongodb"),
    ("mongos", "mongos"),
    ("mosquitto", "mosquitto"),
    ("mysqld", "mysql"),
    ("named", "bind"),
    ("nats-server", "nats"),
    ("nfsd", "nfs"),
    ("nginx", "nginx"),
    ("nmbd", "samba"),
    ("node_exporter", "node_exporter"),
    ("nscd", "nscd"),
    ("nslcd", "nslcd"),
    ("ntpd", "ntp"),
    ("opendkim", "opendkim"),
    ("openvpn", "openvpn"),
    ("oracle", "oracle"),
    ("pacemakerd", "pacemaker"),
    ("pdns_recursor", "powerdns-recursor"),
    ("pdns_server", "powerdns"),
    ("pgbouncer", "pgbouncer"),
    ("postgres", "postgresql"),
    ("proftpd", "proftpd"),
    ("prometheus", "prometheus"),
    ("prometheus-alertmanager", "alertmanager"),
    ("prometheus-node-exporter", "node_exporter"),
    ("proxysql", "proxysql"),
    ("pure-ftpd", "pure-ftpd"),
    ("redis-sentinel", "redis-sentinel"),
    ("redis-server", "redis"),
    ("rollcall", "rollcall"),
    ("rollcall-agent", "rollcall-agent"),
    ("rpcbind", "rpcbind"),
    ("rspamd", "rspamd"),
    ("rsync", "rsync"),
    ("rsyslogd", "rsyslog"),
    ("samba", "samba"),
    ("slapd", "openldap"),
    ("smbd", "samba"),
    ("snmpd", "snmpd"),
    ("sqlservr", "mssql"),
    ("squid", "squid"),
    ("sshd", "sshd"),
    ("sssd", "sssd"),
    ("systemd-networkd", "systemd-networkd"),
    ("systemd-resolved", "systemd-resolved"),
    ("systemd-timesyncd", "systemd-timesyncd"),
    ("telegraf", "telegraf"),
    ("tinyproxy", "tinyproxy"),
    ("tor", "tor"),
    ("traefik", "traefik"),
    ("unbound", "unbound"),
    ("valkey-sentinel", "redis-sentinel"),
    ("valkey-server", "valkey"),
    ("varnishd", "varnish"),
    ("vault", "vault"),
    ("vsftpd", "vsftpd"),
    ("winbindd", "samba"),
    ("zabbix_agentd", "zabbix-agent"),
    ("zabbix_server", "zabbix-server"),
];
/// What an interpreter is given to run, daemon; sorted.
const PROGRAMS: &[(&str, &str)] = &[
    ("activemq.jar", "activemq"),
    ("fail2ban-server", "fail2ban"),
    ("firewalld", "firewalld"),
    ("jboss-modules.jar", "wildfly"),
    ("jenkins.war", "jenkins"),
    ("kafka.Kafka", "kafka"),
    ("nexus-main.jar", "nexus"),
    ("org.apache.activemq.artemis.boot.Artemis", "artemis"),
    ("org.apache.cassandra.service.CassandraDaemon", "cassandra"),
    ("org.apache.catalina.startup.Bootstrap", "tomcat"),
    ("org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper"),
    ("org.elasticsearch.bootstrap.Elasticsearch", "elasticsearch"),
    ("org.logstash.Logstash", "logstash"),
    ("org.neo4j.server.CommunityEntryPoint", "neo4j"),
    ("org.opensearch.bootstrap.OpenSearch", "opensearch"),
    ("salt-master", "salt-master"),
    ("salt-minion", "salt-minion"),
    ("start.jar", "jetty"),
];

type Reader = fn(&Subject) -> Found;

/// Daemon, what reads its configuration; sorted.
const READERS: &[(&str, Reader)] = &[
    ("apache", apache::read),
    ("bind", others::bind),
    ("caddy", proxies::caddy),
    ("chrony", clocks::chrony),
    ("consul", stores::consul),
    ("dnsmasq", others::dnsmasq),
    ("docker", others::docker),
    ("elasticsearch", stores::elasticsearch),
    ("etcd", stores::etcd),
    ("grafana", others::grafana),
    ("haproxy", haproxy::read),
    ("kafka", stores::kafka),
    ("keepalived", keepalived::read),
    ("kube-apiserver", others::kubernetes_api),
    ("kubelet", others::kubelet),
    ("mariadb", mysql::read),
    ("memcached", stores::memcached),
    ("mongodb", stores::mongodb),
    ("mongos", stores::mongodb),
    ("mysql", mysql::read),
    ("nginx", nginx::read),
    ("nslcd", directories::nslcd),
    ("ntp", clocks::ntp),
    ("openldap", others::openldap),
    ("opensearch", stores::elasticsearch),
    ("pgbouncer", proxies::pgbouncer),
    ("postfix", others::postfix),
    ("postgresql", postgresql::read),
    ("prometheus", others::prometheus),
    ("rabbitmq", stores::rabbitmq),
    ("redis", redis::read),
    ("redis-sentinel", redis::sentinel),
    ("samba", others::samba),
    ("squid", proxies::squid),
    ("sssd", directories::sssd),
    ("systemd-timesyncd", clocks::timesyncd),
    ("tomcat", stores::tomcat),
    ("traefik", proxies::traefik),
    ("unbound", others::unbound),
    ("valkey", redis::read),
    ("varnish", proxies::varnish),
    ("zookeeper", stores::zookeeper),
];

/// Daemon, its configuration file, its data directory: for those whose configuration is not read. Sorted.
const PLACES: &[(&str, &str, &str)] = &[
    ("alertmanager", "/etc/prometheus/alertmanager.yml", "/var/lib/prometheus/alertmanager"),
    ("asterisk", "/etc/asterisk/asterisk.conf", "/var/lib/asterisk"),
    ("cassandra", "/etc/cassandra/cassandra.yaml", "/var/lib/cassandra"),
    ("clickhouse", "/etc/clickhouse-server/config.xml", "/var/lib/clickhouse"),
    ("containerd", "/etc/containerd/config.toml", "/var/lib/containerd"),
    ("cups", "/etc/cups/cupsd.conf", "/var/spool/cups"),
    ("dovecot", "/etc/dovecot/dovecot.conf", "/var/mail"),
    ("exim", "/etc/exim4/exim4.conf.template", "/var/spool/exim4"),
    ("influxdb", "/etc/influxdb/influxdb.conf", "/var/lib/influxdb"),
    ("jenkins", "/etc/default/jenkins", "/var/lib/jenkins"),
    ("libvirt", "/etc/libvirt/libvirtd.conf", "/var/lib/libvirt"),
    ("lighttpd", "/etc/lighttpd/lighttpd.conf", "/var/www"),
    ("mosquitto", "/etc/mosquitto/mosquitto.conf", "/var/lib/mosquitto"),
    ("neo4j", "/etc/neo4j/neo4j.conf", "/var/lib/neo4j"),
    ("rsyslog", "/etc/rsyslog.conf", "/var/spool/rsyslog"),
    ("sshd", "/etc/ssh/sshd_config", ""),
    ("vault", "/etc/vault.d/vault.hcl", "/opt/vault/data"),
    ("vsftpd", "/etc/vsftpd.conf", "/srv/ftp"),
    ("zabbix-server", "/etc/zabbix/zabbix_server.conf", "/var/lib/zabbix"),
];

/// A service whose files are read: where they are, how it was started.
pub(super) struct Subject {
    pub(super) files: Files,
    /// The main process's, then those that its unit gives it.
    pub(super) arguments: Vec<String>,
    /// The main process's environment, or its unit's.
    pub(super) environment: Vec<(String, String)>,
}

impl Subject {
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The daemon that a process is, by its executable or by what its interpreter runs.
pub(super) fn daemon_of(process: &Process, arguments: &[String]) -> Option<&'static str> {
    let executable = process.executable.as_deref()?;
    // A broker of its own that runs on a machine of its own.
    if executable.ends_with("/beam.smp") && arguments.iter().any(|argument| argument.contains("rabbitmq_server-") || argument == "rabbit") {
        return Some("rabbitmq");
    }
    let program = process.program.as_deref().filter(|program| *program != executable);
    let runs = |name: &str| program.and_then(|program| program.strip_suffix(name)).is_some_and(|rest| rest.ends_with(['/', ':']));
    PROGRAMS.iter().find(|(name, _)| runs(name)).map(|(_, daemon)| *daemon).or_else(|| daemon(executable))
}

/// The daemon that an executable is, by its path.
pub(super) fn daemon(executable: &str) -> Option<&'static str> {
    let (directory, name) = executable.rsplit_once('/')?;
    // Postfix's main process has a name that many programs could have.
    if name == "master" && !directory.ends_with("/postfix/sbin") {
        return None;
    }
    // One executable for each version.
    if name.starts_with("php-fpm") {
        return Some("php-fpm");
    }
    EXECUTABLES.iter().find(|(known, _)| *known == name).map(|(_, daemon)| *daemon)
}

/// What the files of a daemon say.
pub(super) fn read(daemon: &str, subject: &Subject) -> Found {
    // What its environment comes from was read before.
    let before = subject.files.names_read().len();
    let mut found = match READERS.iter().find(|(name, _)| *name == daemon) {
        Some((_, read)) => read(subject),
        None => place(daemon, subject),
    };
    if found.details.configuration.is_empty() {
        let is_configuration =
            |path: &String| !path.ends_with("/PG_VERSION") && !path.ends_with("RELEASE-NOTES") && !path.ends_with("/master.info");
        found.details.configuration = subject.files.names_read().into_iter().skip(before).filter(is_configuration).collect();
    }
    found
}

fn place(daemon: &str, subject: &Subject) -> Found {
    let mut found = Found::default();
    if let Some((_, configuration, data)) = PLACES.iter().find(|(name, ..)| *name == daemon) {
        let named = ["--config", "--config.file", "-c", "-f"].iter().find_map(|option| words::option(&subject.arguments, option));
        let path = named.filter(|path| path.starts_with('/')).unwrap_or(configuration);
        found.details.configuration = Some(path).filter(|path| subject.files.exists(path)).map(str::to_owned).into_iter().collect();
        found.details.data_directory = Some(*data).filter(|path| !path.is_empty() && subject.files.exists(path)).map(str::to_owned);
    }
    found
}

//! Well-known daemons by the name of their executable.

/// Executable, daemon.
const DAEMONS: &[(&str, &str)] = &[
    ("apache2", "apache"),
    ("avahi-daemon", "avahi"),
    ("beam.smp", "erlang"),
    ("caddy", "caddy"),
    ("chronyd", "chrony"),
    ("clickhouse-server", "clickhouse"),
    ("containerd", "containerd"),
    ("coredns", "coredns"),
    ("cron", "cron"),
    ("cupsd", "cups"),
    ("dhclient", "dhclient"),
    ("dnsmasq", "dnsmasq"),
    ("dockerd", "docker"),
    ("dovecot", "dovecot"),
    ("envoy", "envoy"),
    ("etcd", "etcd"),
    ("exim4", "exim"),
    ("grafana", "grafana"),
    ("grafana-server", "grafana"),
    ("haproxy", "haproxy"),
    ("httpd", "apache"),
    ("influxd", "influxdb"),
    ("keepalived", "keepalived"),
    ("kubelet", "kubelet"),
    ("libvirtd", "libvirt"),
    ("lighttpd", "lighttpd"),
    ("mariadbd", "mariadb"),
    ("master", "postfix"),
    ("memcached", "memcached"),
    ("mongod", "mongodb"),
    ("mysqld", "mysql"),
    ("named", "bind"),
    ("nfsd", "nfs"),
    ("nginx", "nginx"),
    ("nmbd", "samba"),
    ("node_exporter", "node_exporter"),
    ("nscd", "nscd"),
    ("ntpd", "ntp"),
    ("postgres", "postgresql"),
    ("prometheus", "prometheus"),
    ("prometheus-node-exporter", "node_exporter"),
    ("proftpd", "proftpd"),
    ("redis-server", "redis"),
    ("rpcbind", "rpcbind"),
    ("rsyslogd", "rsyslog"),
    ("slapd", "openldap"),
    ("smbd", "samba"),
    ("squid", "squid"),
    ("sshd", "sshd"),
    ("systemd-resolved", "systemd-resolved"),
    ("systemd-timesyncd", "systemd-timesyncd"),
    ("traefik", "traefik"),
    ("unbound", "unbound"),
    ("valkey-server", "valkey"),
    ("varnishd", "varnish"),
    ("vault", "vault"),
    ("vsftpd", "vsftpd"),
    ("zabbix_agentd", "zabbix-agent"),
    ("zabbix_server", "zabbix-server"),
    ("rollcall", "rollcall"),
    ("rollcall-agent", "rollcall-agent"),
];

/// The daemon that an executable is, by its path.
pub(super) fn daemon(executable: &str) -> Option<&'static str> {
    let (directory, name) = executable.rsplit_once('/')?;
    // Postfix's main process has a name that many programs could have.
    if name == "master" && !directory.ends_with("/postfix/sbin") {
        return None;
    }
    DAEMONS.iter().find(|(known, _)| *known == name).map(|(_, daemon)| *daemon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_known_by_their_executable() {
        assert_eq!(daemon("/usr/lib/postgresql/15/bin/postgres"), Some("postgresql"));
        assert_eq!(daemon("/usr/lib/postfix/sbin/master"), Some("postfix"));
        assert_eq!((daemon("/opt/app/master"), daemon("nginx"), daemon("/usr/bin/myapp")), (None, None, None));
    }
}

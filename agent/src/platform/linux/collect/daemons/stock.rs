//! What is read of each daemon as Debian 12 installs it: `tests/fixtures/stock`, made by installing the packages and taking the
//! remarks out. Nothing there points anywhere, so a host that is found would be invented.

use super::*;
use crate::files::Root;

/// Daemon, how its unit starts it, ports, data directory, files of its configuration.
type Stock = (&'static str, &'static str, &'static [u16], Option<&'static str>, &'static [&'static str]);

const STOCK: &[Stock] = &[
    ("apache", "/usr/sbin/apache2 -k start", &[80, 443], None, &["/etc/apache2/apache2.conf"]),
    ("bind", "/usr/sbin/named -f -u bind", &[53], Some("/var/cache/bind"), &["/etc/bind/named.conf"]),
    ("haproxy", "/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid", &[], None, &["/etc/haproxy/haproxy.cfg"]),
    ("mariadb", "/usr/sbin/mariadbd", &[3_306], Some("/var/lib/mysql"), &["/etc/mysql/my.cnf"]),
    ("mosquitto", "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf", &[], None, &["/etc/mosquitto/mosquitto.conf"]),
    ("nginx", "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;", &[80], None, &["/etc/nginx/nginx.conf"]),
    (
        "postgresql",
        "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf",
        &[5_432],
        Some("/var/lib/postgresql/15/main"),
        &["/etc/postgresql/15/main/postgresql.conf"],
    ),
    ("redis", "/usr/bin/redis-server 127.0.0.1:6379", &[6_379], Some("/var/lib/redis"), &["/etc/redis/redis.conf"]),
    ("samba", "/usr/sbin/smbd --foreground --no-process-group", &[139, 445], None, &["/etc/samba/smb.conf"]),
    ("squid", "/usr/sbin/squid --foreground -sYC", &[3_128], None, &["/etc/squid/squid.conf"]),
];

#[test]
fn daemons_as_they_are_installed() {
    let root = Root::new(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stock"));
    let mut wrong = Vec::new();
    for (daemon, command, ports, data_directory, configuration) in STOCK {
        let subject = Subject { files: Files::new(&root, "/"), arguments: words::words(command), environment: Vec::new() };
        let found = read(daemon, &subject).tidied();
        let seen =
            (&found.details.ports[..], found.details.data_directory.as_deref(), found.details.configuration.first().map(String::as_str));
        if seen != (*ports, *data_directory, configuration.first().copied()) {
            wrong.push(format!("{daemon}: {seen:?}"));
        }
        if !found.upstreams.is_empty()
            || !found.details.replication.iter().all(|known| known.sources.is_empty() && known.members.is_empty())
        {
            wrong.push(format!("{daemon} points to {:?} and {:?}", found.upstreams, found.details.replication));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

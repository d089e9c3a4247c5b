//! What the configuration of each daemon says, from files as people write them. Every file holds a secret, and none may come out.

use rollcall_shared::wire::v1::{ReplicationRole, UpstreamRole};

use super::*;
use crate::files::Root;

const SECRET: &str = "c4nary-s3cret";

/// What is read of `daemon`, started with these words, with these files.
fn found(daemon: &str, command: &str, files: &[(&str, &str)]) -> Found {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, content.replace("SECRET", SECRET)).unwrap(),
        }
    }
    let root = Root::new(directory.path());
    let environment = vec![("SOME_PASSWORD".to_owned(), SECRET.to_owned())];
    let subject = Subject { files: Files::new(&root, "/"), arguments: words::words(command), environment };
    let found = read(daemon, &subject).tidied();
    assert!(!format!("{found:?}").contains(SECRET), "{found:?}");
    found
}

/// `kind host:port/database [group role] directive`, one each, sorted.
fn upstreams(found: &Found) -> Vec<String> {
    let one = |upstream: &rollcall_shared::wire::v1::Upstream| {
        let port = upstream.port.map(|port| format!(":{port}")).unwrap_or_default();
        let database = upstream.database.as_deref().map(|name| format!("/{name}")).unwrap_or_default();
        let group = upstream.group.as_deref().map(|name| format!(" [{name}]")).unwrap_or_default();
        let role = match upstream.role {
            UpstreamRole::Active => "",
            UpstreamRole::Backup => " backup",
            UpstreamRole::Disabled => " disabled",
        };
        format!("{} {}{port}{database}{group}{role} {}", upstream.kind, upstream.host, upstream.directive)
    };
    found.upstreams.iter().map(one).collect()
}

/// Role, group, sources, members.
type Known<'a> = (Option<ReplicationRole>, Option<&'a str>, Vec<String>, Vec<String>);
/// Daemon, command line, files, upstreams.
type Reading<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

fn replication(found: &Found) -> Vec<Known<'_>> {
    let hosts = |list: &[rollcall_shared::wire::v1::HostPort]| {
        list.iter().map(|peer| format!("{}:{}", peer.host, peer.port.unwrap_or_default())).collect::<Vec<_>>()
    };
    let one = |known: &'_ rollcall_shared::wire::v1::Replication| (known.role, hosts(&known.sources), hosts(&known.members));
    found
        .details
        .replication
        .iter()
        .map(|known| {
            let (role, sources, members) = one(known);
            (role, known.group.as_deref(), sources, members)
        })
        .collect()
}

#[test]
fn the_tables_are_sorted_and_every_reader_has_its_daemon() {
    assert!(EXECUTABLES.is_sorted() && PROGRAMS.is_sorted() && READERS.is_sorted_by_key(|(name, _)| *name) && PLACES.is_sorted());
    for name in READERS.iter().map(|(name, _)| name).chain(PLACES.iter().map(|(name, ..)| name)) {
        let is_known = EXECUTABLES.iter().chain(PROGRAMS).any(|(_, daemon)| daemon == name) || *name == "rabbitmq";
        assert!(is_known, "nothing is recognised as {name}");
    }
}

#[test]
fn daemons_are_known_by_their_executable() {
    assert_eq!(daemon("/usr/lib/postgresql/15/bin/postgres"), Some("postgresql"));
    assert_eq!(daemon("/usr/lib/postfix/sbin/master"), Some("postfix"));
    assert_eq!(daemon("/usr/sbin/php-fpm8.2"), Some("php-fpm"));
    assert_eq!((daemon("/opt/app/master"), daemon("nginx"), daemon("/usr/bin/myapp")), (None, None, None));
}

#[test]
fn nginx() {
    let main = "user www-data;\nhttp {\n  include /etc/nginx/conf.d/*.conf;\n  include sites-enabled/*;\n  include nginx.conf;\n}\n\
                stream { upstream pg { server 10.0.0.5:5432; } server { listen 127.0.0.1:15432; proxy_pass pg; } }\n";
    let site = "upstream app { least_conn; server app1.example.org:8080 weight=2; server 10.0.0.12:8080 backup; server [fd00::1]:80 down; server unix:/run/app.sock; }\n\
        map $a $b { default SECRET; }\n\
        server { listen 80 default_server; listen [::]:443 ssl; server_name www.example.org *.example.net _;\n\
          location / { proxy_set_header Authorization \"Basic SECRET\"; proxy_pass http://app/api?key=SECRET; }\n\
          location /x { proxy_pass https://other.example.org:8443/SECRET; } location /v { proxy_pass http://$backend; }\n\
          location /u { proxy_pass http://u:SECRET@h/; }\n\
          location ~ \\.php$ { fastcgi_pass unix:/run/php/php8.2-fpm.sock; } location /g { grpc_pass grpcs://10.0.0.20; } location /w { uwsgi_pass 10.0.0.21:3031; } }\n";
    let files = [
        ("/etc/nginx/nginx.conf", main),
        ("/etc/nginx/sites-available/app", site),
        ("/etc/nginx/sites-enabled/app", "-> /etc/nginx/sites-available/app"),
        ("/etc/nginx/conf.d/dns.conf", "resolver 10.0.0.53 valid=10s;"),
    ];
    let found = found("nginx", "nginx: master process nginx", &files);
    let expected = [
        "dns 10.0.0.53:53 resolver",
        "fastcgi /run/php/php8.2-fpm.sock fastcgi_pass",
        "grpc 10.0.0.20:443 grpc_pass",
        "http /run/app.sock [app] upstream",
        "http 10.0.0.12:8080 [app] backup upstream",
        "http app1.example.org:8080 [app] upstream",
        "http fd00::1:80 [app] disabled upstream",
        "https other.example.org:8443 proxy_pass",
        "tcp 10.0.0.5:5432 [pg] upstream",
        "uwsgi 10.0.0.21:3031 uwsgi_pass",
    ];
    assert_eq!(upstreams(&found), expected);
    assert_eq!(found.details.ports, [80, 443, 15_432]);
    let frontends: Vec<_> =
        found.details.frontends.iter().map(|frontend| (frontend.port, &frontend.server_names[..], &frontend.groups[..])).collect();
    let names = ["*.example.net".to_owned(), "www.example.org".to_owned()];
    let (app, pg) = (["app".to_owned()], ["pg".to_owned()]);
    assert_eq!(frontends, [(80, &names[..], &app[..]), (443, &names, &app), (15_432, &[], &pg)]);
    assert_eq!(found.details.configuration[0], "/etc/nginx/nginx.conf");
}

#[test]
fn haproxy() {
    let text = "global\n stats socket /run/admin.sock\ndefaults\n mode http\n default-server check\nfrontend www\n bind *:80,10.0.0.1:8080\n bind [::]:443 ssl crt /x\n\
        use_backend api if { path_beg /api }\n default_backend web\nbackend web\n balance roundrobin\n server a 10.0.0.11:80 check weight 1\n server b app2.example.org:80 backup no-check\n\
        backend api\n server a 10.0.0.12:443 ssl verify none\n server old 10.0.0.13:80 disabled\n server env ${X}:80\nlisten pg\n bind :5432\n mode tcp\n server p1 ipv4@10.0.0.5 check\n\
        userlist u\n user a password SECRET\npeers cluster\n peer lb1 10.0.0.1:1024\n peer lb2 10.0.0.2:1024\nresolvers dns\n nameserver d1 10.0.0.53:53\n";
    let found = found("haproxy", "haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/h.pid", &[("/etc/haproxy/haproxy.cfg", text)]);
    let expected = [
        "dns 10.0.0.53:53 nameserver",
        "http 10.0.0.11:80 [web] server",
        "http 10.0.0.13:80 [api] disabled server",
        "http app2.example.org:80 [web] backup server",
        "https 10.0.0.12:443 [api] server",
        "tcp 10.0.0.5:5432 [pg] server",
    ];
    assert_eq!(upstreams(&found), expected);
    let checked: Vec<_> = found.upstreams.iter().map(|upstream| upstream.checked).collect();
    assert_eq!(checked, [None, Some(true), Some(true), Some(false), Some(true), Some(true)]);
    let frontends: Vec<_> = found.details.frontends.iter().map(|f| (f.name.as_deref(), f.port, f.groups.join(" "))).collect();
    let expected = [("pg", 5_432, "pg"), ("www", 80, "api web"), ("www", 443, "api web"), ("www", 8_080, "api web")];
    assert_eq!(frontends, expected.map(|(name, port, groups)| (Some(name), port, groups.to_owned())));
    assert_eq!(replication(&found), [(None, None, vec![], vec!["10.0.0.1:1024".into(), "10.0.0.2:1024".into()])]);
}

#[test]
fn apache() {
    let main = "ServerRoot \"/etc/apache2\"\nInclude ports.conf\nIncludeOptional sites-enabled/*.conf\nInclude apache2.conf\n";
    let site = "<VirtualHost *:443>\n ServerName Shop.example.org\n ServerAlias www.example.org\n <Proxy balancer://app>\n  BalancerMember http://10.0.0.11:8080 route=a\n  BalancerMember ajp://10.0.0.12:8009 status=+H\n </Proxy>\n\
        ProxyPass /static !\n ProxyPass / balancer://app/ stickysession=SECRET\n ProxyPass /api https://u:SECRET@x/\n ProxyPassMatch ^/b/(.*) http://b.example.org:81$1\n\
        RewriteRule ^/c/(.*) http://c.example.org/$1?k=SECRET [P,L]\n RewriteRule ^/d http://d.example.org/ [R]\n <FilesMatch \\.php$>\n SetHandler \"proxy:unix:/run/php/fpm.sock|fcgi://localhost/\"\n </FilesMatch>\n\
        AuthLDAPURL \"ldap://ldap1.example.org/dc=example?uid\"\n AuthLDAPBindPassword SECRET\n</VirtualHost>\n";
    let files = [
        ("/etc/apache2/apache2.conf", main),
        ("/etc/apache2/ports.conf", "Listen 80\n<IfModule ssl_module>\nListen 0.0.0.0:443\n</IfModule>\n"),
        ("/etc/apache2/sites-enabled/shop.conf", site),
    ];
    let found = found("apache", "/usr/sbin/apache2 -k start", &files);
    let expected = [
        "ajp 10.0.0.12:8009 [app] backup BalancerMember",
        "fastcgi /run/php/fpm.sock SetHandler",
        "http 10.0.0.11:8080 [app] BalancerMember",
        "http b.example.org:81 ProxyPassMatch",
        "http c.example.org:80 RewriteRule",
        "https x:443 ProxyPass",
        "ldap ldap1.example.org:389 AuthLDAPURL",
    ];
    assert_eq!(upstreams(&found), expected);
    let frontend = &found.details.frontends[0];
    assert_eq!(
        (frontend.port, frontend.server_names.join(" "), frontend.groups.join(" ")),
        (443, "shop.example.org www.example.org".into(), "app".into())
    );
    assert_eq!(found.details.ports, [80, 443]);
}

#[test]
fn keepalived() {
    let text = "! c\nvrrp_instance VI_1 {\n state BACKUP\n interface eth0\n virtual_router_id 51\n priority 90\n unicast_peer {\n  10.0.0.2\n }\n\
        authentication {\n auth_type PASS\n auth_pass SECRET\n }\n virtual_ipaddress {\n  10.0.0.100/24 dev eth1\n  fd00::100\n }\n}\n\
        virtual_server 10.0.0.100 80 {\n protocol TCP\n real_server 10.0.0.11 80 {\n TCP_CHECK {\n connect_timeout 3\n }\n }\n sorry_server 127.0.0.1 81\n}\n";
    let found = found("keepalived", "/usr/sbin/keepalived", &[("/etc/keepalived/keepalived.conf", text)]);
    let addresses: Vec<_> =
        found.details.virtual_addresses.iter().map(|v| (v.address.to_string(), v.router_id, v.interface.as_deref(), v.priority)).collect();
    assert_eq!(
        addresses,
        [("10.0.0.100".into(), Some(51), Some("eth1"), Some(90)), ("fd00::100".into(), Some(51), Some("eth0"), Some(90))]
    );
    let address = &found.details.virtual_addresses[0];
    assert_eq!((address.starts_as_master, &address.peers[..]), (Some(false), &["10.0.0.2".parse().unwrap()][..]));
    assert_eq!(upstreams(&found), ["tcp 10.0.0.11:80 [10.0.0.100 80] real_server", "tcp 127.0.0.1:81 [10.0.0.100 80] backup sorry_server"]);
}

#[test]
fn postgresql() {
    let files = [
        ("/etc/postgresql/15/main/postgresql.conf", "data_directory = '/srv/pg'\nport = 5433 # c\ninclude_dir 'conf.d'\n"),
        ("/etc/postgresql/15/main/conf.d/x.conf", "cluster_name = 'a'\n"),
        ("/srv/pg/PG_VERSION", "15\n"),
        ("/srv/pg/standby.signal", ""),
        (
            "/srv/pg/postgresql.auto.conf",
            "primary_conninfo = 'user=r password=SECRET host=10.0.0.5 port=5432 passfile=''/x'' sslmode=prefer'\n",
        ),
    ];
    let command = "/usr/lib/postgresql/15/bin/postgres -D /srv/pg -c config_file=/etc/postgresql/15/main/postgresql.conf";
    let found = found("postgresql", command, &files);
    let details = &found.details;
    assert_eq!((details.version.as_deref(), details.instance.as_deref(), &details.ports[..]), (Some("15"), Some("15/main"), &[5_433][..]));
    assert_eq!(details.data_directory.as_deref(), Some("/srv/pg"));
    assert_eq!(replication(&found), [(Some(ReplicationRole::Replica), None, vec!["10.0.0.5:5432".into()], vec![])]);
    let primary: Vec<_> = files.iter().filter(|(path, _)| !path.ends_with("standby.signal")).copied().collect();
    assert_eq!(replication(&self::found("postgresql", command, &primary)), []);
}

#[test]
fn mysql() {
    let files = [
        ("/etc/mysql/my.cnf", "[client]\npassword = SECRET\nport = 1\n!includedir /etc/mysql/conf.d/\n"),
        (
            "/etc/mysql/conf.d/s.cnf",
            "[mysqld]\nport=3307\nwsrep_cluster_address=\"gcomm://10.0.0.1,10.0.0.2:4568?x\"\nwsrep-cluster-name = shop\nwsrep_sst_auth=u:SECRET\n",
        ),
        ("/var/lib/mysql/master.info", "33\nlog.1\n42\nprimary.example.org\nrepl\nSECRET\n3306\n60\n"),
        ("/var/lib/mysql/shop/t.ibd", ""),
        ("/var/lib/mysql/mysql/user.ibd", ""),
    ];
    let found = found("mysql", "/usr/sbin/mariadbd", &files);
    assert_eq!((&found.details.ports[..], &found.details.databases[..]), (&[3_307][..], &["shop".to_owned()][..]));
    let expected = [
        (Some(ReplicationRole::Replica), None, vec!["primary.example.org:3306".into()], vec![]),
        (Some(ReplicationRole::Member), Some("shop"), vec![], vec!["10.0.0.1:4567".into(), "10.0.0.2:4568".into()]),
    ];
    assert_eq!(replication(&found), expected);
}

#[test]
fn redis() {
    let files = [
        ("/etc/redis/redis.conf", "port 6380\ndir /var/lib/redis\nrequirepass SECRET\nmasterauth SECRET\ninclude /etc/redis/more.conf\n"),
        ("/etc/redis/more.conf", "replicaof 10.0.0.5 6379\ncluster-enabled yes\ncluster-config-file n.conf\n"),
        (
            "/var/lib/redis/n.conf",
            "aa 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460\nbb 10.0.0.2:6379@16379 slave aa 0 0 1 connected\nvars currentEpoch 1\n",
        ),
    ];
    let found = found("redis", "/usr/bin/redis-server 127.0.0.1:6380", &files);
    assert_eq!((&found.details.ports[..], found.details.data_directory.as_deref()), (&[6_380][..], Some("/var/lib/redis")));
    let expected = [
        (Some(ReplicationRole::Replica), None, vec!["10.0.0.5:6379".into()], vec![]),
        (Some(ReplicationRole::Member), None, vec![], vec!["10.0.0.1:6379".into(), "10.0.0.2:6379".into()]),
    ];
    assert_eq!(replication(&found), expected);
    let sentinel = "sentinel monitor shop 10.0.0.1 6379 2\nsentinel auth-pass shop SECRET\nsentinel known-replica shop 10.0.0.2 6379\n";
    let found = self::found("redis-sentinel", "redis-sentinel", &[("/etc/redis/sentinel.conf", sentinel)]);
    assert_eq!(
        replication(&found),
        [(Some(ReplicationRole::Member), Some("shop"), vec![], vec!["10.0.0.1:6379".into(), "10.0.0.2:6379".into()])]
    );
}

#[test]
fn proxies() {
    let vcl = "vcl 4.0;\nbackend a { .host = \"10.0.0.11\"; .port = \"8080\"; .probe = { .url = \"/?k=SECRET\"; } }\nbackend b { .host=\"b.example.org\"; }\n\
        sub vcl_init { new web = directors.round_robin(); web.add_backend(a); }\n";
    let caddy = "{\n email a@b\n}\nshop.example.org {\n basicauth {\n u SECRET\n }\n reverse_proxy /api/* 10.0.0.11:80 10.0.0.12:80 {\n  header_up X SECRET\n }\n php_fastcgi unix//run/php.sock\n}\n:8080 {\n reverse_proxy {\n to https://x.example.org\n }\n}\n";
    let traefik = "entryPoints:\n  web:\n    address: \":80\"\nproviders:\n  file:\n    directory: /etc/traefik/dynamic\n";
    let dynamic = "http:\n  middlewares:\n    auth:\n      basicAuth:\n        users:\n          - \"u:SECRET\"\n  services:\n    app:\n      loadBalancer:\n        servers:\n          - url: \"http://10.0.0.11:8080/\"\n          - url: \"http://10.0.0.12:8080/\"\n";
    let squid = "http_port 3128\ncache_peer up1.example.org parent 8080 0 no-query login=u:SECRET round-robin\ncache_dir ufs /var/spool/squid 100 16 256\n";
    let pgbouncer = "[databases]\nshop = host=10.0.0.5 port=5432 dbname=shop_prod password=SECRET\n* = host=10.0.0.6\n[pgbouncer]\nlisten_port = 6433\n";
    type Proxying<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [u16]);
    let cases: &[Proxying<'_>] = &[
        (
            "varnish",
            "varnishd -a :6081 -f /etc/varnish/default.vcl",
            &[("/etc/varnish/default.vcl", vcl)],
            &["http 10.0.0.11:8080 [web] backend", "http b.example.org:80 backend"],
            &[6_081],
        ),
        (
            "caddy",
            "caddy run --config /etc/caddy/Caddyfile",
            &[("/etc/caddy/Caddyfile", caddy)],
            &[
                "fastcgi /run/php.sock php_fastcgi",
                "http 10.0.0.11:80 [reverse_proxy /api/* 10.0.0.11:80 10.0.0.12:80] reverse_proxy",
                "http 10.0.0.12:80 [reverse_proxy /api/* 10.0.0.11:80 10.0.0.12:80] reverse_proxy",
                "https x.example.org:443 reverse_proxy",
            ],
            &[443, 8_080],
        ),
        (
            "traefik",
            "traefik",
            &[("/etc/traefik/traefik.yml", traefik), ("/etc/traefik/dynamic/a.yml", dynamic)],
            &["http 10.0.0.11:8080 [app] loadBalancer.servers", "http 10.0.0.12:8080 [app] loadBalancer.servers"],
            &[80],
        ),
        ("squid", "squid", &[("/etc/squid/squid.conf", squid)], &["http up1.example.org:8080 [cache_peer] cache_peer"], &[3_128]),
        (
            "pgbouncer",
            "pgbouncer -d /etc/pgbouncer/pgbouncer.ini",
            &[("/etc/pgbouncer/pgbouncer.ini", pgbouncer)],
            &["postgresql 10.0.0.5:5432/shop_prod databases", "postgresql 10.0.0.6:5432 databases"],
            &[6_433],
        ),
    ];
    for (daemon, command, files, expected, ports) in cases {
        let found = found(daemon, command, files);
        assert_eq!(
            (upstreams(&found), &found.details.ports[..]),
            (expected.iter().map(|text| (*text).to_owned()).collect(), *ports),
            "{daemon}"
        );
    }
}

#[test]
fn stores() {
    let mongod = "storage:\n  dbPath: /srv/mongo\n  directoryPerDB: true\nnet:\n  port: 27018\nreplication:\n  replSetName: rs0\nsecurity:\n  keyFile: /x/SECRET\n";
    let elastic =
        "cluster.name: logs\npath.data: /srv/es\ndiscovery.seed_hosts: [\"e1.example.org\", \"10.0.0.2:9301\"]\nxpack.security.x: SECRET\n";
    let rabbit = "listeners.tcp.default = 5673\ndefault_pass = SECRET\ncluster_formation.classic_config.nodes.1 = rabbit@mq1\ncluster_formation.classic_config.nodes.2 = rabbit@mq2\n";
    let kafka = "listeners=PLAINTEXT://:9092,SSL://10.0.0.1:9093\nlog.dirs=/srv/kafka,/srv/k2\nzookeeper.connect=z1:2181,z2:2181/k\nssl.keystore.password=SECRET\ncontroller.quorum.voters=1@k1:9094,2@k2:9094\n";
    let consul = "datacenter = \"dc1\"\nencrypt = \"SECRET\"\nretry_join = [\"10.0.0.1\", \"c2.example.org\"]\n";
    let zoo = "dataDir=/srv/zk\nclientPort=2181\nserver.1=z1:2888:3888\n";
    let member = Some(ReplicationRole::Member);
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>, &'a [&'a str], &'a [u16]);
    let cases: &[Case<'_>] = &[
        (
            "mongodb",
            "mongod --config /etc/mongod.conf",
            &[("/etc/mongod.conf", mongod), ("/srv/mongo/shop/x.wt", "")],
            Some("rs0"),
            &[],
            &[27_018],
        ),
        (
            "elasticsearch",
            "java -Des.path.conf=/etc/es SECRET",
            &[("/etc/es/elasticsearch.yml", elastic)],
            Some("logs"),
            &["e1.example.org:9300", "10.0.0.2:9301"],
            &[9_200],
        ),
        (
            "etcd",
            "etcd --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380 --initial-cluster-token SECRET --listen-client-urls http://0.0.0.0:2379",
            &[],
            None,
            &["10.0.0.1:2380", "10.0.0.2:2380"],
            &[2_379],
        ),
        (
            "consul",
            "consul agent -config-dir=/etc/consul.d",
            &[("/etc/consul.d/c.hcl", consul)],
            Some("dc1"),
            &["10.0.0.1:8301", "c2.example.org:8301"],
            &[8_500],
        ),
        (
            "rabbitmq",
            "beam.smp -pa /usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/ebin -setcookie SECRET",
            &[("/etc/rabbitmq/rabbitmq.conf", rabbit)],
            None,
            &["mq1:0", "mq2:0"],
            &[5_673],
        ),
        (
            "kafka",
            "java -cp /opt/kafka/libs/kafka_2.13-3.6.0.jar kafka.Kafka /etc/k.properties",
            &[("/etc/k.properties", kafka)],
            None,
            &["k1:9094", "k2:9094"],
            &[9_092, 9_093],
        ),
        (
            "zookeeper",
            "java org.apache.zookeeper.server.quorum.QuorumPeerMain /etc/zoo.cfg",
            &[("/etc/zoo.cfg", zoo)],
            None,
            &["z1:2181"],
            &[2_181],
        ),
    ];
    for (daemon, command, files, group, members, ports) in cases {
        let found = found(daemon, command, files);
        let expected = vec![(member, *group, vec![], members.iter().map(|text| (*text).to_owned()).collect())];
        assert_eq!((replication(&found), &found.details.ports[..]), (expected, *ports), "{daemon}");
        match *daemon {
            "mongodb" => assert_eq!(found.details.databases, ["shop"]),
            "rabbitmq" => assert_eq!(found.details.version.as_deref(), Some("3.10.8")),
            "kafka" => {
                assert_eq!(
                    (found.details.version.as_deref(), found.details.data_directory.as_deref()),
                    (Some("3.6.0"), Some("/srv/kafka"))
                );
                assert_eq!(
                    upstreams(&found),
                    ["zookeeper z1:2181 [zookeeper.connect] zookeeper.connect", "zookeeper z2:2181 [zookeeper.connect] zookeeper.connect"]
                );
            }
            _ => {}
        }
    }
}

#[test]
fn tomcat() {
    let server = "<Server><!-- SECRET --><Service><Connector port=\"8080\" protocol=\"HTTP/1.1\"/><Connector port=\"8009\" secret=\"SECRET\"/></Service></Server>";
    let context = "<Context><Resource name=\"jdbc/shop\" username=\"u\" password=\"SECRET\" url=\"jdbc:mysql://10.0.0.5:3306/shop?a=1&amp;b=2\"/></Context>";
    let files = [
        ("/var/lib/tomcat10/conf/server.xml", server),
        ("/var/lib/tomcat10/conf/context.xml", context),
        ("/usr/share/tomcat10/RELEASE-NOTES", "\n   Apache Tomcat Version 10.1.6\n Release Notes\n"),
    ];
    let command = "java -Dcatalina.base=/var/lib/tomcat10 -Dcatalina.home=/usr/share/tomcat10 org.apache.catalina.startup.Bootstrap start";
    let found = found("tomcat", command, &files);
    assert_eq!(upstreams(&found), ["mysql 10.0.0.5:3306/shop Resource url"]);
    let details = &found.details;
    assert_eq!(
        (&details.ports[..], details.version.as_deref(), details.instance.as_deref()),
        (&[8_009, 8_080][..], Some("10.1.6"), Some("tomcat10"))
    );
}

#[test]
fn other_daemons() {
    let named = "options { directory \"/var/cache/bind\"; forwarders { 10.0.0.53; 10.0.0.54 port 5353; }; };\nkey \"k\" { secret \"SECRET\"; };\nzone \"example.org\" { type slave; masters { 10.0.0.1; }; };\n";
    let unbound = "server:\n  interface: 0.0.0.0\nforward-zone:\n  name: \".\"\n  forward-addr: 10.0.0.53@853#dns.example.org\n";
    let syncrepl = "olcDbDirectory: /var/lib/ldap\nolcSyncrepl: {0}rid=001 provider=ldap://10.0.0.1 bindmethod=simple creden\n tials=SECRET searchbase=\"dc=x\"\n";
    let smb = "[global]\nworkgroup = EX\nrealm = EXAMPLE.ORG\nsecurity = ADS\n[share]\npath = /srv\n";
    let kubelet = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: SECRET\n    server: https://10.0.0.1:6443\n  name: x\nusers:\n- user:\n    token: SECRET\n";
    let grafana = "[database]\ntype = postgres\nhost = 10.0.0.5:5433\nname = grafana\npassword = SECRET\n[server]\nhttp_port = 3001\n[security]\nadmin_password = SECRET\n";
    let datasource = "datasources:\n- name: p\n  url: http://10.0.0.9:9090\n  basicAuthPassword: SECRET\n";
    let cases: &[Reading<'_>] = &[
        ("bind", "named -u bind", &[("/etc/bind/named.conf", named)], &["dns 10.0.0.53:53 forwarders", "dns 10.0.0.54:5353 forwarders"]),
        ("unbound", "unbound -d", &[("/etc/unbound/unbound.conf", unbound)], &["dns 10.0.0.53:853 forward-addr"]),
        ("dnsmasq", "dnsmasq", &[("/etc/dnsmasq.d/a", "server=/example.org/10.0.0.53#5353\n")], &["dns 10.0.0.53:5353 server"]),
        (
            "postfix",
            "master",
            &[("/etc/postfix/main.cf", "relayhost = [mail.example.org]:587\nsmtp_sasl_password_maps = static:u:SECRET\n")],
            &["smtp mail.example.org:587 relayhost"],
        ),
        ("openldap", "slapd", &[("/etc/ldap/slapd.d/cn=config/olcDatabase={1}mdb.ldif", syncrepl)], &[]),
        ("samba", "smbd", &[("/etc/samba/smb.conf", smb)], &["ldap example.org:389 realm"]),
        ("kubelet", "kubelet", &[("/etc/kubernetes/kubelet.conf", kubelet)], &["https 10.0.0.1:6443 server"]),
        (
            "kube-apiserver",
            "kube-apiserver --etcd-servers=https://10.0.0.1:2379,https://10.0.0.2:2379",
            &[],
            &["etcd 10.0.0.1:2379 [etcd-servers] --etcd-servers", "etcd 10.0.0.2:2379 [etcd-servers] --etcd-servers"],
        ),
        (
            "chrony",
            "chronyd -F 1",
            &[
                ("/etc/chrony/chrony.conf", "pool 2.debian.pool.ntp.org iburst\nsourcedir /etc/chrony/sources.d\nkeyfile /SECRET\n"),
                ("/etc/chrony/sources.d/site.sources", "# ours\nserver 10.0.0.123 prefer\n"),
            ],
            &["ntp 10.0.0.123:123 server", "ntp 2.debian.pool.ntp.org:123 pool"],
        ),
        (
            "ntp",
            "ntpd -c /etc/ntp.conf",
            &[("/etc/ntp.conf", "server 127.127.1.0\nserver -4 ntp1.example.org key 1\npeer 10.0.0.8\ncrypto pw SECRET\n")],
            &["ntp 10.0.0.8:123 peer", "ntp ntp1.example.org:123 server"],
        ),
        (
            "systemd-timesyncd",
            "/lib/systemd/systemd-timesyncd",
            &[
                ("/etc/systemd/timesyncd.conf", "[Time]\nNTP=old.example.org\n#FallbackNTP=a b\n"),
                ("/etc/systemd/timesyncd.conf.d/site.conf", "[Time]\nNTP=\nNTP=10.0.0.1 t.example.org\n"),
            ],
            &["ntp 10.0.0.1:123 NTP", "ntp t.example.org:123 NTP"],
        ),
        (
            "sssd",
            "/usr/sbin/sssd -i",
            &[(
                "/etc/sssd/sssd.conf",
                "[sssd]\ndomains = a\n[domain/a]\nldap_uri = ldaps://l1.example.org, ldap://10.0.0.6\nkrb5_server = _srv_, k.example.org\n\
                 ldap_default_authtok = SECRET\n",
            )],
            &["kerberos k.example.org:88 krb5_server", "ldap 10.0.0.6:389 ldap_uri", "ldap l1.example.org:636 ldap_uri"],
        ),
        (
            "nslcd",
            "nslcd",
            &[("/etc/nslcd.conf", "uri ldap://10.0.0.6/ ldaps://10.0.0.7\nbindpw SECRET\n")],
            &["ldap 10.0.0.6:389 uri", "ldap 10.0.0.7:636 uri"],
        ),
        (
            "prometheus",
            "prometheus",
            &[(
                "/etc/prometheus/prometheus.yml",
                "remote_write:\n- url: https://u:SECRET@m.example.org/api\nscrape_configs:\n- static_configs:\n  - targets: ['10.0.0.1:9100']\n",
            )],
            &["https m.example.org:443 remote_write.url"],
        ),
        (
            "grafana",
            "grafana",
            &[("/etc/grafana/grafana.ini", grafana), ("/etc/grafana/provisioning/datasources/a.yaml", datasource)],
            &["http 10.0.0.9:9090 datasources.url", "postgresql 10.0.0.5:5433/grafana database.host"],
        ),
        (
            "docker",
            "dockerd",
            &[(
                "/etc/docker/daemon.json",
                "{\"data-root\":\"/srv/docker\",\"registry-mirrors\":[\"https://u:SECRET@mirror.example.org\"]}",
            )],
            &["https mirror.example.org:443 registry-mirrors"],
        ),
    ];
    for (daemon, command, files, expected) in cases {
        assert_eq!(upstreams(&found(daemon, command, files)), *expected, "{daemon}");
    }
    let ldap = found("openldap", "slapd", cases[4].2);
    assert_eq!(replication(&ldap), [(Some(ReplicationRole::Replica), None, vec!["10.0.0.1:389".into()], vec![])]);
    let bind = found("bind", "named", cases[0].2);
    assert_eq!(replication(&bind), [(Some(ReplicationRole::Replica), Some("example.org"), vec!["10.0.0.1:53".into()], vec![])]);
}

#[test]
fn applications() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        ("srv/app/.env", "DB_CONNECTION=pgsql\nDB_HOST=10.0.0.5\nDB_DATABASE=shop\nDB_PASSWORD=SECRET\n"),
        ("srv/app/config/database.yml", "production:\n  adapter: mysql2\n  host: my1\n  database: shop\n  password: SECRET\n"),
        (
            "opt/app/application.properties",
            "spring.datasource.url=jdbc:postgresql://pg/shop?password=SECRET\nspring.datasource.password=SECRET\n",
        ),
        ("var/www/blog/wp-config.php", "<?php define('DB_NAME', 'blog'); define('DB_PASSWORD', 'SECRET'); define('DB_HOST', 'wpdb');"),
        ("home/app/.pgpass", "pg2:5433:shop:u:SECRET\n*:*:*:u:SECRET\n"),
        ("home/app/.my.cnf", "[client]\nhost=my2\npassword=SECRET\n"),
        ("etc/odbc.ini", "[erp]\nDriver=PostgreSQL Unicode\nServername=pg3\nDatabase=erp\nPassword=SECRET\n"),
    ];
    for (path, content) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content.replace("SECRET", SECRET)).unwrap();
    }
    let root = Root::new(directory.path());
    let variables = vec![("REDIS_URL".to_owned(), format!("redis://:{SECRET}@cache:6379/1")), ("TOKEN".to_owned(), SECRET.to_owned())];
    let subject = Subject { files: Files::new(&root, "/"), arguments: Vec::new(), environment: variables.clone() };
    let place = Place {
        directory: Some("/srv/app".into()),
        program: Some("/opt/app/app.jar".into()),
        roots: vec!["/var/www/blog".into()],
        home: Some("/home/app".into()),
        uses_odbc: true,
        variable_files: vec![("/etc/default/app".into(), variables)],
    };
    let found = application(&subject, &place).tidied();
    assert!(!format!("{found:?}").contains(SECRET), "{found:?}");
    let expected = [
        "mysql my1:3306/shop production.host",
        "mysql my2:3306 host",
        "mysql wpdb:3306/blog DB_HOST",
        "postgresql 10.0.0.5:5432/shop DB_HOST",
        "postgresql pg:5432/shop spring.datasource.url",
        "postgresql pg2:5433/shop host",
        "postgresql pg3:5432/erp erp",
        "redis cache:6379/1 REDIS_URL",
    ];
    assert_eq!(upstreams(&found), expected);
    assert_eq!(found.upstreams[7].file, "/etc/default/app");
}

//! Secrets never leave: a machine whose every file, environment and command line holds one, and no section has it.

use std::{collections::HashMap, fs, os::unix::fs::symlink, path::Path};

use proptest::prelude::*;
use rollcall_agent::{
    collect::{self, Machine},
    files::Root,
    observe::{Attribution, Listener, Windows},
    processes::Owner,
};
use rollcall_shared::{
    Timestamp,
    wire::v1::{Protocol, ServiceKey},
};
use serde_json::Value;

/// Every file that a collector reads and that may hold a secret, as people and programs write them. `SECRET` is the secret.
const FILES: &[(&str, &str)] = &[
    // Accounts.
    ("/etc/passwd", "root:SECRET:0:0:root:/root:/bin/bash\napp:SECRET:1000:1000:App,SECRET-room,,:/home/app:/bin/bash\n"),
    ("/etc/shadow", "root:$6$SECRET$x:19000:0:99999:7:::\napp:SECRET:19000::::::\n"),
    ("/etc/gshadow", "root:SECRET::\n"),
    ("/etc/group", "root:SECRET:0:\nsudo:SECRET:27:app\n"),
    ("/etc/sudoers", "# SECRET\nDefaults passprompt=\"SECRET\"\n%sudo ALL=(ALL) ALL\n"),
    ("/root/.ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\n-----END OPENSSH PRIVATE KEY-----\n"),
    ("/home/app/.pgpass", "pg.example.org:5432:shop:app:SECRET\n"),
    ("/home/app/.my.cnf", "[client]\nhost=my.example.org\nuser=app\npassword=SECRET\n"),
    ("/home/app/.odbc.ini", "[erp]\nDriver=PostgreSQL\nServername=erp.example.org\nPassword=SECRET\n"),
    ("/etc/odbc.ini", "[erp]\nDriver=PostgreSQL\nServername=erp.example.org\nPWD=SECRET\n"),
    ("/etc/ssh/ssh_host_ed25519_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\n"),
    ("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA SECRET@host\n"),
    ("/etc/sssd/sssd.conf", "[domain/x]\nldap_default_authtok = SECRET\nldap_uri = ldap://u:SECRET@ldap.example.org\n"),
    // Machine, kernel, storage.
    ("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 rd.luks.key=SECRET password=SECRET\n"),
    ("/proc/mounts", "//files/share /mnt cifs rw,username=a,password=SECRET 0 0\n"),
    (
        "/proc/self/mountinfo",
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw,password=SECRET\n40 22 0:44 / /mnt rw - cifs //files.example.org/share rw,username=a,password=SECRET\n\
         41 22 0:45 / /dav rw - fuse https://u:SECRET@dav.example.org/x rw\n",
    ),
    ("/etc/fstab", "//files/share /mnt cifs username=a,password=SECRET 0 0\nhttps://u:SECRET@dav.example.org/x /dav davfs rw 0 0\n"),
    ("/etc/crypttab", "root UUID=1 none luks,keyscript=SECRET\n"),
    ("/etc/iscsi/iscsid.conf", "node.session.auth.password = SECRET\n"),
    (
        "/etc/cups/printers.conf",
        "<Printer office>\nDeviceURI ipp://user:SECRET@printer.example.org/ipp\nInfo Office\nState Idle\n</Printer>\n",
    ),
    (
        "/run/cloud-init/instance-data.json",
        "{\"v1\":{\"cloud_name\":\"x\",\"instance_id\":\"i-1\",\"region\":\"r\"},\"userdata\":\"password: SECRET\",\"ds\":{\"meta_data\":{\"token\":\"SECRET\"}}}",
    ),
    ("/var/lib/cloud/instance/user-data.txt", "#cloud-config\npassword: SECRET\n"),
    // Network.
    ("/etc/environment", "http_proxy=http://user:SECRET@proxy.example.org:3128\nAPI_TOKEN=SECRET\n"),
    ("/etc/apt/apt.conf.d/95proxy", "Acquire::http::Proxy \"http://user:SECRET@proxy.example.org:3128\";\n"),
    ("/etc/profile.d/proxy.sh", "export https_proxy=http://user:SECRET@proxy.example.org:3128\n"),
    (
        "/etc/systemd/system.conf",
        "[Manager]\nDefaultEnvironment=\"http_proxy=http://user:SECRET@proxy.example.org:3128\" \"API_TOKEN=SECRET\"\n",
    ),
    (
        "/etc/krb5.conf",
        "[libdefaults]\ndefault_realm = X.ORG\npkinit_identities = PKCS12:/etc/x,SECRET\n[realms]\nX.ORG = {\nkdc = kdc.x.org\ndatabase_password = SECRET\n}\n",
    ),
    ("/etc/ldap/ldap.conf", "URI ldap://u:SECRET@ldap.example.org\nBINDPW SECRET\n"),
    ("/etc/wpa_supplicant/wpa_supplicant.conf", "network={\n ssid=\"office\"\n psk=\"SECRET\"\n}\n"),
    ("/etc/NetworkManager/system-connections/office.nmconnection", "[wifi]\nssid=office\n[wifi-security]\npsk=SECRET\n"),
    ("/etc/wireguard/wg0.conf", "[Interface]\nPrivateKey = SECRET\n"),
    ("/etc/resolv.conf", "nameserver 10.0.0.53\n# SECRET\n"),
    // Software.
    ("/etc/apt/sources.list", "deb https://user:SECRET@repository.example.org/debian stable main\n"),
    (
        "/etc/apt/sources.list.d/x.sources",
        "Types: deb\nURIs: https://user:SECRET@repository.example.org/x\nSuites: stable\nComponents: main\n",
    ),
    ("/etc/apt/auth.conf", "machine repository.example.org login user password SECRET\n"),
    ("/etc/yum.repos.d/x.repo", "[x]\nname=x\nbaseurl=https://user:SECRET@repository.example.org/x\npassword=SECRET\n"),
    (
        "/var/lib/dpkg/status",
        "Package: tool\nStatus: install ok installed\nVersion: 1.0\nMaintainer: A <a@example.org>\nHomepage: https://user:SECRET@example.org/\nX-Token: SECRET\n",
    ),
    ("/root/.pip/pip.conf", "[global]\nindex-url = https://user:SECRET@pip.example.org/simple\n"),
    ("/root/.npmrc", "//registry.example.org/:_authToken=SECRET\n"),
    // Certificates and their keys.
    ("/etc/ssl/private/server.key", "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"),
    ("/etc/ssl/certs/both.pem", "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"),
    ("/etc/letsencrypt/live/example.org/privkey.pem", "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"),
    // Guests.
    (
        "/var/lib/docker/containers/4f2a/config.v2.json",
        r#"{"ID":"4f2a","Name":"/web","State":{"Running":true},"Config":{"Image":"registry.example.org/web","Env":["POSTGRES_PASSWORD=SECRET"],"Cmd":["--token=SECRET"],"Labels":{"secret":"SECRET"}}}"#,
    ),
    (
        "/etc/libvirt/qemu/db01.xml",
        "<domain><name>db01</name><devices><graphics type='vnc' passwd='SECRET'/></devices><description>pw SECRET</description></domain>",
    ),
    ("/etc/pve/qemu-server/101.conf", "name: vm\ncipassword: SECRET\ndescription: SECRET\nargs: -vnc password=SECRET\n"),
    ("/var/lib/lxc/build/config", "lxc.uts.name = build\nlxc.environment = TOKEN=SECRET\n"),
    (
        "/var/lib/containers/storage/overlay-containers/containers.json",
        r#"[{"id":"9b1c","names":["cache"],"metadata":"{\"token\":\"SECRET\"}"}]"#,
    ),
    ("/root/.docker/config.json", r#"{"auths":{"registry":{"auth":"SECRET"}}}"#),
    ("/etc/kubernetes/kubelet.conf", "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\nusers:\n- user:\n    token: SECRET\n"),
    // What is started at set times.
    ("/etc/crontab", "MAILTO=root\nTOKEN=SECRET\n17 * * * * root curl -u admin:SECRET https://api.example.org/\n"),
    (
        "/etc/cron.d/backup",
        "0 3 * * * root mysqldump --password=SECRET shop; PGPASSWORD=SECRET pg_dump postgres://u:SECRET@pg.example.org/shop\n",
    ),
    ("/var/spool/cron/crontabs/app", "@daily curl -H \"Authorization: Bearer SECRET\" https://api.example.org/ # SECRET\n"),
    ("/etc/anacrontab", "1 5 x backup --token SECRET\n"),
    ("/lib/systemd/system/x.timer", "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"),
    // Services: units, variables, configurations.
    (
        "/etc/systemd/system/app.service",
        "[Unit]\nDescription=The shop (https://u:SECRET@docs.example.org/)\n[Service]\nExecStart=/opt/app/bin/app --password SECRET --db postgres://u:SECRET@pg.example.org/shop\n\
         Environment=\"DATABASE_URL=postgres://u:SECRET@pg.example.org:5432/shop?password=SECRET\" API_KEY=SECRET\nEnvironmentFile=/etc/default/app\nWorkingDirectory=/srv/app\n\
         [Install]\nWantedBy=multi-user.target\n",
    ),
    ("/etc/systemd/system/multi-user.target.wants/app.service", "-> /etc/systemd/system/app.service"),
    (
        "/etc/systemd/system/stopped.service",
        "[Service]\nExecStart=/opt/stopped --token SECRET\nEnvironment=REDIS_URL=redis://:SECRET@cache.example.org/0\n[Install]\n",
    ),
    ("/etc/systemd/system/multi-user.target.wants/stopped.service", "-> /etc/systemd/system/stopped.service"),
    ("/run/systemd/system/x", ""),
    ("/etc/default/app", "REDIS_URL=redis://:SECRET@cache.example.org:6379/0\nSMTP_PASSWORD=SECRET\n"),
    ("/srv/app/.env", "DB_HOST=my.example.org\nDB_CONNECTION=mysql\nDB_USERNAME=SECRET\nDB_PASSWORD=SECRET\nSECRET_KEY=SECRET\n"),
    (
        "/srv/app/config/database.yml",
        "production:\n  adapter: postgresql\n  host: rails.example.org\n  password: SECRET\n  url: postgres://u:SECRET@rails2.example.org/x\n",
    ),
    (
        "/srv/app/application.properties",
        "spring.datasource.url=jdbc:postgresql://spring.example.org/shop?user=u&password=SECRET\nspring.datasource.password=SECRET\n",
    ),
    (
        "/srv/app/appsettings.json",
        r#"{"ConnectionStrings":{"Default":"Server=sql.example.org,1433;Database=erp;User Id=sa;Password=SECRET;"}}"#,
    ),
    (
        "/etc/nginx/nginx.conf",
        "http { upstream app { server 10.0.0.11:80; } server { listen 443; root /var/www/blog; location / { proxy_set_header Authorization \"Bearer SECRET\"; \
         proxy_pass http://app/?key=SECRET; } location /b { proxy_pass http://u:SECRET@b.example.org/; } } }",
    ),
    (
        "/var/www/blog/wp-config.php",
        "<?php define('DB_HOST', 'wp.example.org'); define('DB_PASSWORD', 'SECRET'); define('AUTH_KEY', 'SECRET');",
    ),
    (
        "/etc/haproxy/haproxy.cfg",
        "userlist u\n user a password SECRET\nbackend web\n server a 10.0.0.12:80 check\n stats auth admin:SECRET\n",
    ),
    (
        "/etc/keepalived/keepalived.conf",
        "vrrp_instance A {\n authentication {\n auth_pass SECRET\n }\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n",
    ),
    ("/etc/redis/redis.conf", "requirepass SECRET\nmasterauth SECRET\nreplicaof 10.0.0.5 6379\n"),
    (
        "/etc/postgresql/15/main/postgresql.conf",
        "data_directory = '/var/lib/postgresql/15/main'\nprimary_conninfo = 'host=10.0.0.5 password=SECRET'\nssl_passphrase_command = 'echo SECRET'\n",
    ),
    ("/var/lib/postgresql/15/main/standby.signal", ""),
    ("/var/lib/postgresql/15/main/PG_VERSION", "15\n"),
    (
        "/etc/mysql/my.cnf",
        "[client]\npassword=SECRET\n[mysqld]\nwsrep_cluster_address=gcomm://10.0.0.1,10.0.0.2\nwsrep_sst_auth=sst:SECRET\n",
    ),
    ("/var/lib/mysql/master.info", "33\nlog.1\n4\nprimary.example.org\nrepl\nSECRET\n3306\n"),
    ("/var/lib/tomcat10/conf/server.xml", "<Server shutdown=\"SECRET\"><Connector port=\"8080\" keystorePass=\"SECRET\"/></Server>"),
    (
        "/var/lib/tomcat10/conf/context.xml",
        "<Context><Resource password=\"SECRET\" url=\"jdbc:mysql://u:SECRET@tomcat.example.org/shop\"/></Context>",
    ),
    ("/etc/init.d/old", "#!/bin/sh\n# Short-Description: old\nDAEMON=/opt/old\nOPTS=\"--password SECRET\"\n"),
];

/// The processes: pid, name, executable, unit's control group, command line.
const PROCESSES: &[(u32, &str, &str, &str, &str)] = &[
    (
        100,
        "app",
        "/opt/app/bin/app",
        "/system.slice/app.service",
        "/opt/app/bin/app --password SECRET --dsn postgres://u:SECRET@pg.example.org/shop",
    ),
    (101, "nginx", "/usr/sbin/nginx", "/system.slice/nginx.service", "nginx -c /etc/nginx/nginx.conf"),
    (102, "haproxy", "/usr/sbin/haproxy", "/system.slice/haproxy.service", "haproxy -f /etc/haproxy/haproxy.cfg"),
    (103, "keepalived", "/usr/sbin/keepalived", "/system.slice/keepalived.service", "keepalived"),
    (104, "redis-server", "/usr/bin/redis-server", "/system.slice/redis.service", "redis-server --requirepass SECRET"),
    (
        105,
        "postgres",
        "/usr/lib/postgresql/15/bin/postgres",
        "/system.slice/postgresql@15-main.service",
        "postgres -c config_file=/etc/postgresql/15/main/postgresql.conf",
    ),
    (106, "mariadbd", "/usr/sbin/mariadbd", "/system.slice/mariadb.service", "mariadbd"),
    (
        107,
        "java",
        "/usr/bin/java",
        "/system.slice/tomcat10.service",
        "java -Dsecret=SECRET -Dcatalina.base=/var/lib/tomcat10 org.apache.catalina.startup.Bootstrap start",
    ),
    (108, "python3", "/usr/bin/python3.11", "/", "python3 /srv/app/worker.py --token SECRET"),
    (109, "kubelet", "/usr/bin/kubelet", "/system.slice/kubelet.service", "kubelet"),
];

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match content.strip_prefix("-> ") {
        Some(target) => symlink(target, path).unwrap(),
        None => fs::write(path, content).unwrap(),
    }
}

/// The whole document of a machine with this secret everywhere.
fn document(secret: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (path, content) in FILES {
        write(root, path, &content.replace("SECRET", secret));
    }
    for (pid, name, executable, cgroup, command) in PROCESSES {
        let at = |file: &str| format!("/proc/{pid}/{file}");
        write(root, &at("stat"), &format!("{pid} ({name}) S 1 {pid} {pid} 0 -1 4194304"));
        write(root, &at("status"), "Uid:\t1000\t1000\t1000\t1000\n");
        write(root, &at("cgroup"), &format!("0::{cgroup}\n"));
        write(root, &at("cmdline"), &command.replace("SECRET", secret).replace(' ', "\0"));
        let environment = format!(
            "PATH=/bin\0API_KEY={secret}\0JDBC_URL=jdbc:oracle:thin:scott/{secret}@ora.example.org:1521:XE\0MQ_URL=amqp://u:{secret}@mq.example.org/v\0LDAP_URL=ldap://ldap.example.org/?bindpw={secret}\0"
        );
        write(root, &at("environ"), &environment);
        write(root, &at("exe"), &format!("-> {executable}"));
        write(root, &at("cwd"), "-> /srv/app");
    }
    let owner = |service: &str| Owner::Service(ServiceKey(service.to_owned()));
    let listener = |pid, service: &str, port| Listener {
        protocol: Protocol::Tcp,
        at: ([0, 0, 0, 0], port).into(),
        owner: owner(service),
        network: None,
        pid: Some(pid),
        process: None,
    };
    let worker = "process:/srv/app/worker.py@app";
    let listeners = vec![listener(100, "unit:app.service", 8000), listener(108, worker, 8001)];
    let attribution = Attribution { listeners, pids: HashMap::from([(owner(worker), 108)]), ..Attribution::default() };
    let (root, windows) = (Root::new(root), Windows::default());
    let sections = collect::collect(&Machine::new(&root, Timestamp::default(), &windows, Ok(&attribution)), None);
    serde_json::to_string(&sections).unwrap()
}

#[test]
fn the_machine_is_seen_and_its_secrets_are_not() {
    let secret = "c4naryS3cretPlant3d";
    let text = document(secret);
    let leaks: Vec<&str> = text.match_indices(secret).map(|(at, _)| &text[at.saturating_sub(120)..(at + 60).min(text.len())]).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    // The test would prove nothing if the files were not read.
    let hosts = [
        "pg.example.org",
        "my.example.org",
        "cache.example.org",
        "ora.example.org",
        "rails.example.org",
        "rails2.example.org",
        "spring.example.org",
        "sql.example.org",
        "wp.example.org",
        "tomcat.example.org",
        "mq.example.org",
        "ldap.example.org",
        "primary.example.org",
        "10.0.0.11",
        "10.0.0.12",
        "10.0.0.100",
        "10.0.0.5",
        "10.0.0.1",
        "erp.example.org",
    ];
    let missing: Vec<&str> = hosts.into_iter().filter(|host| !text.contains(&format!("\"{host}\""))).collect();
    assert!(missing.is_empty(), "{missing:?} in {text}");
    let sections: Value = serde_json::from_str(&text).unwrap();
    let timers = sections["timers"]["data"]["timers"].as_array().unwrap();
    assert!(timers.iter().any(|timer| timer["command"].as_str().is_some_and(|command| command.contains("mysqldump"))), "{timers:?}");
    let stopped = sections["services"]["data"]["services"].as_array().unwrap().iter().find(|service| service["name"] == "stopped");
    assert_eq!(stopped.map(|service| &service["running"]), Some(&Value::Bool(false)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the secret is made of, as far as it can be written in all of these files unescaped.
    #[test]
    fn no_secret_is_in_any_section(secret in "[A-Za-z0-9]{4}[A-Za-z0-9!%+~_.-]{4,24}[A-Za-z0-9]{4}") {
        let text = document(&secret);
        let at = text.find(&secret);
        prop_assert!(at.is_none(), "{secret}: {}", &text[at.unwrap().saturating_sub(120)..][..200]);
    }
}

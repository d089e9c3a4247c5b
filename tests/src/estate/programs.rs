//! The programs of an estate: real daemons with the least configuration that serves, and small clients of our own.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use super::Machine;

/// A database recovers in so much time, on a busy machine.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// A name server that knows these names, and nobody else.
///
/// # Errors
/// If it does not start.
pub async fn resolver(machine: &mut Machine, address: &str, names: &BTreeMap<&str, String>) -> anyhow::Result<()> {
    let dnsmasq = installed("dnsmasq", "dnsmasq-base")?;
    let mut arguments =
        vec![dnsmasq, "--keep-in-foreground".into(), "--conf-file=/dev/null".into(), "--no-resolv".into(), "--no-hosts".into()];
    arguments.extend(["--pid-file=".into(), "--bind-interfaces".into(), format!("--listen-address={address}"), "--user=nobody".into()]);
    arguments.extend(names.iter().map(|(name, address)| format!("--address=/{name}/{address}")));
    machine.serve("dnsmasq", 53, arguments).await
}

/// A cache.
///
/// # Errors
/// If it does not start.
pub async fn redis(machine: &mut Machine) -> anyhow::Result<()> {
    let redis = installed("redis-server", "redis-server")?;
    let directory = machine.directory().to_str().context("path")?.to_owned();
    let settings =
        ["--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--daemonize", "no", "--dir", &directory];
    machine.serve("redis", 6379, [&[redis.as_str()][..], &settings].concat()).await
}

/// A database that trusts everybody of the network.
///
/// # Errors
/// If it does not start.
pub async fn postgres(machine: &mut Machine, network: &str) -> anyhow::Result<()> {
    let data = data_directory(machine)?;
    as_postgres(machine, &["initdb", "-D", &data, "-U", "app", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"])?;
    let access = Path::new(&data).join("pg_hba.conf");
    fs::write(&access, format!("local all all trust\nhost all all {network} trust\nhost replication all {network} trust\n"))?;
    start_postgres(machine, &data).await
}

/// A copy of the database at `primary` that follows it and answers questions.
///
/// # Errors
/// If it does not start.
pub async fn postgres_replica(machine: &mut Machine, primary: &str) -> anyhow::Result<()> {
    let data = data_directory(machine)?;
    let from = format!("host={primary} user=app");
    as_postgres(
        machine,
        &["pg_basebackup", "-d", &from, "-D", &data, "--write-recovery-conf", "--no-sync", "--checkpoint=fast", "--wal-method=stream"],
    )?;
    start_postgres(machine, &data).await
}

/// Who a database runs as.
const AS_POSTGRES: [&str; 4] = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];

fn data_directory(machine: &Machine) -> anyhow::Result<String> {
    let home = machine.directory().join("postgres");
    fs::create_dir_all(&home)?;
    ensure!(
        Command::new("chown").arg("postgres:").arg(&home).status()?.success(),
        "chown postgres: is Debian's package postgresql installed?"
    );
    Ok(home.join("data").to_str().context("path")?.to_owned())
}

fn postgres_program(name: &str) -> anyhow::Result<String> {
    crate::postgres::binaries()?.join(name).to_str().map(str::to_owned).context("path")
}

fn as_postgres(machine: &Machine, arguments: &[&str]) -> anyhow::Result<()> {
    let program = postgres_program(arguments[0])?;
    let made = machine.command([&AS_POSTGRES[..], &[&program], &arguments[1..]].concat()).output()?;
    ensure!(made.status.success(), "{}: {}", arguments[0], String::from_utf8_lossy(&made.stderr));
    Ok(())
}

async fn start_postgres(machine: &mut Machine, data: &str) -> anyhow::Result<()> {
    let postgres = postgres_program("postgres")?;
    let sockets = Path::new(data).parent().and_then(Path::to_str).context("path")?.to_owned();
    let settings = [&postgres, "-D", data, "-c", "listen_addresses=*", "-k", &sockets, "-c", "fsync=off"];
    machine.serve("postgres", 5432, [&AS_POSTGRES[..], &settings].concat()).await?;
    // It listens before it takes connections.
    let begun = Instant::now();
    while let Err(error) = as_postgres(machine, &["pg_isready", "-q", "-h", &sockets]) {
        ensure!(begun.elapsed() < STARTED_WITHIN, "the database does not come up: {error:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A web server that hands everything to these servers in turn, a connection for each request.
///
/// # Errors
/// If it does not start.
pub async fn nginx(machine: &mut Machine, servers: &[String]) -> anyhow::Result<()> {
    let nginx = installed("nginx", "nginx-light")?;
    let directory = machine.directory().to_str().context("path")?.to_owned();
    let servers: String = servers.iter().map(|server| format!("server {server};")).collect();
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|name| format!("{name}_temp_path {directory}/{name};")).collect();
    let configuration = format!(
        "daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx-error.log; worker_processes 1;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log {directory}/nginx-access.log; {temporary}\n\
         upstream app {{ {servers} }} server {{ listen 80; location / {{ proxy_pass http://app; }} }} }}\n"
    );
    let configuration = machine.file("nginx.conf", &configuration)?;
    machine.serve("nginx", 80, [&nginx, "-e", "/dev/null", "-c", &configuration]).await
}

/// A proxy before these servers, a connection to them for each request.
///
/// # Errors
/// If it does not start.
pub async fn haproxy(machine: &mut Machine, servers: &[String]) -> anyhow::Result<()> {
    let haproxy = installed("haproxy", "haproxy")?;
    let servers: String = servers.iter().enumerate().map(|(number, server)| format!("    server web{number} {server}\n")).collect();
    let configuration = format!(
        "defaults\n    mode http\n    option http-server-close\n    timeout connect 5s\n    timeout client 300s\n    timeout server 30s\n    \
         timeout http-keep-alive 300s\n\
         frontend in\n    bind *:80\n    default_backend web\nbackend web\n    balance roundrobin\n{servers}"
    );
    let configuration = machine.file("haproxy.cfg", &configuration)?;
    machine.serve("haproxy", 80, [&haproxy, "-db", "-f", &configuration]).await
}

/// What our own clients share: connecting by name, and writing down each connection when it is closed.
pub(super) const CLIENT: &str = r#"
import http.server, json, socket, struct, sys, threading, time

def noted(what, to, begun):
    print(json.dumps({"to": what, "peer": to, "seconds": round(time.monotonic() - begun, 3)}), flush=True)

class Connection:
    def __init__(self, what, host, port):
        self.what, self.begun = what, time.monotonic()
        self.socket = socket.create_connection((host, port), timeout=10)
        self.peer = "%s:%d" % self.socket.getpeername()[:2]
        self.buffer = b""
    def take(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise OSError("closed")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken
    def close(self):
        self.socket.close()
        noted(self.what, self.peer, self.begun)

class Cache(Connection):
    def __init__(self):
        super().__init__("cache", "cache.estate", 6379)
    def ask(self):
        self.socket.sendall(b"PING\r\n")
        assert self.take(7) == b"+PONG\r\n"

DATABASE = "database.estate"

class Database(Connection):
    def __init__(self):
        super().__init__("database", DATABASE, 5432)
        start = struct.pack("!i", 196608) + b"user\0app\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!i", len(start) + 4) + start)
        self.until_ready()
    def until_ready(self):
        while True:
            kind, length = struct.unpack("!ci", self.take(5))
            self.take(length - 4)
            assert kind != b"E"
            if kind == b"Z":
                return
    def ask(self):
        query = b"SELECT 1\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
        self.until_ready()
    def close(self):
        self.socket.sendall(b"X" + struct.pack("!i", 4))
        super().close()

class Web(Connection):
    def __init__(self):
        super().__init__("web", "www.estate", 80)
    def ask(self, keep=False):
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: www.estate\r\nConnection: %s\r\n\r\n" % (b"keep-alive" if keep else b"close"))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.take(1)
        assert head.split(b" ")[1] == b"200", head
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        self.take(length)
"#;

/// An application: for each request it asks cache and database.
const APPLICATION: &str = r#"
kept, lock = {}, threading.Lock()

def ask(kind):
    if not LONG:
        connection = kind()
        connection.ask()
        return connection.close()
    with lock:
        if kind not in kept:
            kept[kind] = kind()
        kept[kind].ask()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ask(Cache)
        ask(Database)
        body = b"served\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"#;

/// People at their browsers: short visits, and one that stays.
const VISITORS: &str = r#"
def visit():
    web = Web()
    web.ask()
    web.close()

stays = None
while True:
    try:
        if stays is None:
            stays = Web()
        stays.ask(keep=True)
        visit()
    except (OSError, AssertionError) as error:
        print("error", error, file=sys.stderr, flush=True)
        stays = None
    time.sleep(0.1)
"#;

/// An application server that keeps its connections (`long`) or makes one for each question.
///
/// # Errors
/// If it does not start.
pub async fn application(machine: &mut Machine, name: &str, long: bool) -> anyhow::Result<()> {
    let long = if long { "True" } else { "False" };
    let script = machine.file(&format!("{name}.py"), &format!("{CLIENT}\nLONG = {long}\n{APPLICATION}"))?;
    machine.serve(name, 8000, ["/usr/bin/python3", &script]).await
}

/// Visitors of `www.estate`.
///
/// # Errors
/// If they do not start.
pub fn visitors(machine: &mut Machine, name: &str) -> anyhow::Result<()> {
    let script = machine.file(&format!("{name}.py"), &format!("{CLIENT}\n{VISITORS}"))?;
    machine.spawn(name, ["/usr/bin/python3", &script])
}

/// Where a daemon is.
pub(super) fn installed(name: &str, package: &str) -> anyhow::Result<String> {
    for directory in ["/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        let path = format!("{directory}/{name}");
        if Path::new(&path).exists() {
            return Ok(path);
        }
    }
    bail!("{name} is not installed (on Debian: sudo apt-get install {package}); tests/run installs what it needs")
}

//! A shop: two proxies, three application processes behind them, a database and its copy, and everybody who looks after them.

use std::{fs, process::Command};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::{
    Machine,
    programs::{CLIENT, installed},
};

/// What all its programs share: a line for each question, and who was asked.
const NOTES: &str = r#"
def told(who, ok, why=""):
    print(json.dumps({"at": time.time(), "who": who, "ok": ok, "why": str(why)}), flush=True)
"#;

/// An application process: it keeps its connections to cache and database, and cannot serve without either.
const SHOP: &str = r#"
kept, lock = {}, threading.Lock()

def ask(kind):
    with lock:
        try:
            if kind not in kept:
                kept[kind] = kind()
            kept[kind].ask()
        except (OSError, AssertionError):
            broken = kept.pop(kind, None)
            if broken:
                broken.socket.close()
            # It may have been the connection alone.
            kept[kind] = kind()
            kept[kind].ask()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            ask(Cache)
            ask(Database)
            status, body = 200, b"served\n"
        except (OSError, AssertionError) as error:
            status, body = 500, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"#;

/// Customers spread over both proxies, and try the other where one does not serve.
const CUSTOMERS: &str = r#"
import random

class Shop(Web):
    def __init__(self, host):
        Connection.__init__(self, "shop", host, 80)

def visit(host):
    shop = Shop(host)
    try:
        shop.ask()
    finally:
        shop.socket.close()

while True:
    first, second = random.sample(["www1.estate", "www2.estate"], 2)
    try:
        try:
            visit(first)
        except (OSError, AssertionError):
            visit(second)
        told("customers", True)
    except (OSError, AssertionError) as error:
        told("customers", False, error)
    time.sleep(0.2)
"#;

/// A batch job: for a second, it asks the copy of the database.
const REPORT: &str = r#"
DATABASE = "copy.estate"
try:
    database = Database()
    for _ in range(10):
        database.ask()
        time.sleep(0.1)
    database.socket.close()
    told("report", True)
except (OSError, AssertionError) as error:
    told("report", False, error)
"#;

/// A monitoring poller: it really asks everybody, again and again.
const POLLER: &str = r#"
def redis(address):
    connection = Connection("redis", address, 6379)
    try:
        Cache.ask(connection)
    finally:
        connection.socket.close()

def postgres(address):
    global DATABASE
    DATABASE = address
    database = Database()
    try:
        database.ask()
    finally:
        database.socket.close()

def web(address, port):
    connection = Connection("web", address, port)
    try:
        Web.ask(connection)
    finally:
        connection.socket.close()

def ssh(address):
    connection = Connection("ssh", address, 22)
    try:
        assert connection.take(4) == b"SSH-"
    finally:
        connection.socket.close()

KINDS = {
    "redis": redis,
    "postgres": postgres,
    "proxy": lambda address: web(address, 80),
    "shop": lambda address: web(address, 8000),
    "ssh": ssh,
}

import random

while True:
    random.shuffle(TARGETS)
    for who, kind, address in TARGETS:
        try:
            KINDS[kind](address)
            told(who, True)
        except (OSError, AssertionError) as error:
            told(who, False, error)
    time.sleep(3)
"#;

/// An administrator at a terminal, who looks at one machine after the other.
const ADMINISTRATOR: &str = r#"
import os, pty, sys, time

key, addresses = sys.argv[1], sys.argv[2:]
while True:
    for address in addresses:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv("/usr/bin/ssh", ["ssh", "-F", "/dev/null", "-i", key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
                     "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@" + address, "uptime; sleep 2"])
        said = b""
        while True:
            try:
                more = os.read(terminal, 4096)
            except OSError:
                break
            if not more:
                break
            said += more
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        print(address, status, said.decode(errors="replace").strip(), flush=True)
        time.sleep(1)
"#;

/// What a program noted of somebody whom it asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Note {
    /// When the answer was there, seconds of the system's clock.
    pub at: f64,
    /// Who was asked.
    pub who: String,
    /// Whether it served.
    pub ok: bool,
    /// If not, why.
    pub why: String,
}

/// What a program of the shop has noted so far.
pub fn notes(log: &str) -> Vec<Note> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A proxy that spreads requests over these servers, and leaves out those that do not answer.
///
/// # Errors
/// If it does not start.
pub async fn proxy(machine: &mut Machine, servers: &[String]) -> anyhow::Result<()> {
    let haproxy = installed("haproxy", "haproxy")?;
    let checked = |(number, server): (usize, &String)| format!("    server app{number} {server} check inter 1s fall 2 rise 1\n");
    let servers: String = servers.iter().enumerate().map(checked).collect();
    let configuration = format!(
        "defaults\n    mode http\n    option http-server-close\n    option redispatch\n    retries 3\n    timeout connect 5s\n    \
         timeout client 30s\n    timeout server 30s\n\
         frontend shop\n    bind *:80\n    default_backend application\nbackend application\n    balance roundrobin\n{servers}"
    );
    let configuration = machine.file("haproxy.cfg", &configuration)?;
    machine.serve("haproxy", 80, [&haproxy, "-db", "-f", &configuration]).await
}

/// One of the application's processes.
///
/// # Errors
/// If it does not start.
pub async fn application(machine: &mut Machine) -> anyhow::Result<()> {
    let script = machine.file("shop.py", &format!("{CLIENT}\n{SHOP}"))?;
    machine.serve("shop", 8000, ["/usr/bin/python3", &script]).await
}

/// Customers of `www1.estate` and `www2.estate`.
///
/// # Errors
/// If they do not start.
pub fn customers(machine: &mut Machine) -> anyhow::Result<()> {
    let script = machine.file("customers.py", &format!("{CLIENT}\n{NOTES}\n{CUSTOMERS}"))?;
    machine.spawn("customers", ["/usr/bin/python3", &script])
}

/// A job that runs for a second every so many seconds.
///
/// # Errors
/// If it does not start.
pub fn batch(machine: &mut Machine, every: f64) -> anyhow::Result<()> {
    let script = machine.file("report.py", &format!("{CLIENT}\n{NOTES}\n{REPORT}"))?;
    let schedule = "while :; do /usr/bin/python3 \"$1\"; sleep \"$2\"; done";
    machine.spawn("report", ["/bin/sh", "-c", schedule, "sh", &script, &every.to_string()])
}

/// A poller of these: who, what kind of service, and where.
///
/// # Errors
/// If it does not start.
pub fn poller(machine: &mut Machine, targets: &[(String, &str, String)]) -> anyhow::Result<()> {
    let targets = serde_json::to_string(targets)?;
    let script = machine.file("poller.py", &format!("{CLIENT}\n{NOTES}\nTARGETS = {targets}\n{POLLER}"))?;
    machine.spawn("poller", ["/usr/bin/python3", &script])
}

/// A remote shell for whoever has this key, with a host key of its own.
///
/// # Errors
/// If it does not start.
pub async fn remote_shell(machine: &mut Machine, public_key: &str) -> anyhow::Result<()> {
    let sshd = installed("sshd", "openssh-server")?;
    // What Debian's unit makes: sshd wants it, and nobody may write there.
    fs::create_dir_all("/run/sshd")?;
    let host_key = machine.directory().join("host_key").to_str().context("path")?.to_owned();
    new_key(&host_key)?;
    let keys = machine.file("authorized_keys", public_key)?;
    let configuration = format!(
        "Port 22\nHostKey {host_key}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
         PermitRootLogin prohibit-password\nAuthorizedKeysFile {keys}\n"
    );
    let configuration = machine.file("sshd_config", &configuration)?;
    machine.serve("sshd", 22, [&sshd, "-D", "-e", "-f", &configuration]).await
}

/// Makes a key pair at this path; returns the public half.
///
/// # Errors
/// If it cannot be made.
pub fn new_key(path: &str) -> anyhow::Result<String> {
    let made = Command::new(installed("ssh-keygen", "openssh-client")?).args(["-q", "-t", "ed25519", "-N", "", "-f", path]).output()?;
    ensure!(made.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&made.stderr));
    Ok(fs::read_to_string(format!("{path}.pub"))?)
}

/// An administrator who signs in to these addresses with this key, one after the other.
///
/// # Errors
/// If it does not start.
pub fn administrator(machine: &mut Machine, key: &str, addresses: &[String]) -> anyhow::Result<()> {
    installed("ssh", "openssh-client")?;
    let script = machine.file("administrator.py", ADMINISTRATOR)?;
    let fixed = ["/usr/bin/python3", &script, key];
    machine.spawn("administrator", fixed.into_iter().chain(addresses.iter().map(String::as_str)))
}

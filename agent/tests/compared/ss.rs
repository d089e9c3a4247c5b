//! `ss`: who listens and who is connected, with the process.

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    ops::RangeInclusive,
};

use super::{
    machine::output_of,
    rule::{Fact, Rule},
};

/// Sockets of this test, so that there is something to see on a quiet machine.
pub(crate) struct Sockets {
    _listener: TcpListener,
    _client: TcpStream,
    _server: TcpStream,
    _datagrams: UdpSocket,
}

impl Sockets {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        // A port that no system gives to clients: one of those that is free.
        let datagrams = (2_000..20_000).find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).unwrap();
        Self { _listener: listener, _client: client, _server: server, _datagrams: datagrams }
    }
}

pub(crate) fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    let listening = output_of("iproute2", "ss", &["-H", "-t", "-u", "-l", "-n", "-p", "-O"]);
    let listening: Vec<_> = listening.lines().filter_map(|line| line_facts(line, true)).collect();
    let chosen_by_system = ephemeral_ports();
    for (protocol, state, local, _, process) in &listening {
        let (address, port) = (local.ip().to_string(), local.port().to_string());
        if protocol == "udp" && chosen_by_system.contains(&local.port()) {
            facts.push(Fact::new(["waiting", &address, &port], protocol));
            continue;
        }
        facts.push(Fact::new(["listening", &address, &port, "protocol"], protocol));
        facts.push(Fact::new(["listening", &address, &port, "state"], state));
        if let Some(process) = process {
            facts.push(Fact::new(["listening", &address, &port, "process"], process));
        }
    }
    let connected = output_of("iproute2", "ss", &["-H", "-t", "-n", "-p", "-O", "state", "established"]);
    for (_, _, local, peer, _) in connected.lines().filter_map(|line| line_facts(&format!("tcp ESTAB {line}"), false)) {
        // What comes in is known by its own port, what goes out by the other end's.
        let incoming = listening.iter().any(|(_, _, at, ..)| at.port() == local.port());
        let (way, port) = if incoming { ("incoming", local.port()) } else { ("outgoing", peer.port()) };
        let (ours, theirs, port) = (local.ip().to_string(), peer.ip().to_string(), port.to_string());
        facts.push(Fact::new([way, &ours, &theirs, "port"], port));
    }
    facts
}

/// The ports that the system gives to whoever names none.
fn ephemeral_ports() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    numbers.next().unwrap_or(32_768)..=numbers.next().unwrap_or(60_999)
}

type Line = (String, String, SocketAddr, SocketAddr, Option<String>);

/// `tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))`
fn line_facts(line: &str, listening: bool) -> Option<Line> {
    let mut words = line.split_whitespace();
    let (protocol, state) = (words.next()?, words.next()?);
    let (_received, _sent) = (words.next()?, words.next()?);
    let (local, peer) = (end(words.next()?)?, words.next()?);
    let peer = if listening { local } else { end(peer)? };
    let process = words.next().and_then(|users| users.split('"').nth(1)).map(str::to_owned);
    Some((protocol.to_owned(), state.to_owned(), local, peer, process))
}

/// An address and port as `ss` prints them: `*:80` is every address, `[::1]%lo:80` has the interface in it.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.split('%').next()?.trim_start_matches('[').trim_end_matches(']');
    let address = if address == "*" { "::" } else { address };
    let address: std::net::IpAddr = address.parse().ok()?;
    Some(SocketAddr::new(address.to_canonical(), port.parse().ok()?))
}

pub(crate) const RULES: &[Rule] = &[
    Rule::same("listening/*/*/protocol", "listening.sockets[address=$1,port=$2].protocol"),
    Rule::not("listening/*/*/state", "a listening socket listens"),
    Rule::not("waiting/**", "a datagram socket on a port that the system chose: a client that waits for its answer"),
    Rule::same("listening/*/*/process", "listening.sockets[address=$1,port=$2].process"),
    Rule::same("incoming/*/*/port", "connections.flows[direction=incoming,local_address=$1,peer_address=$2].local_port"),
    Rule::same("outgoing/*/*/port", "connections.flows[direction=outgoing,local_address=$1,peer_address=$2].peer_port"),
];

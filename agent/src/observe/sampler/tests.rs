use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{listening::REMEMBER_LISTENERS, *};
use crate::observe::callers::Called;

fn socket(protocol: Protocol, state: State, local: &str, peer: &str) -> Socket {
    Socket { protocol, state, local: local.parse().unwrap(), peer: peer.parse().unwrap(), inode: 0, cgroup: 0, network: 0 }
}

fn tcp(state: State, local: &str, peer: &str) -> Socket {
    socket(Protocol::Tcp, state, local, peer)
}

fn sample(sampler: &mut Sampler, sockets: &[Socket]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let mut seen: Vec<_> = sampler
        .sample(sockets, &Root::new(directory.path()))
        .sightings
        .iter()
        .map(|sighting| {
            let key = &sighting.key;
            let port = key.local_port.or(key.peer_port).unwrap_or(0);
            format!("{:?} {} {port} by {:?}", key.direction, key.peer_address, sighting.method)
        })
        .collect();
    seen.sort();
    seen
}

#[test]
fn directions() {
    let any = "0.0.0.0:0";
    let cases: &[(&[Socket], &[&str])] = &[
        // A server and its client, both here.
        (
            &[
                tcp(State::Listen, "0.0.0.0:5432", any),
                tcp(State::Connected, "127.0.0.1:5432", "127.0.0.1:40000"),
                tcp(State::Connected, "127.0.0.1:40000", "127.0.0.1:5432"),
            ],
            &["Incoming 127.0.0.1 5432 by Listener", "Outgoing 127.0.0.1 5432 by Listener"],
        ),
        // Connections that were closed between samples.
        (&[tcp(State::Closed, "10.0.0.1:41000", "10.0.0.2:443")], &["Outgoing 10.0.0.2 443 by Listener"]),
        (
            &[tcp(State::Listen, "[::]:443", any), tcp(State::Closed, "10.0.0.1:443", "10.0.0.3:5000")],
            &["Incoming 10.0.0.3 443 by Listener"],
        ),
        // The state says it before any table does.
        (
            &[tcp(State::Listen, "0.0.0.0:700", any), tcp(State::Opening, "10.0.0.1:700", "10.0.0.2:2049")],
            &["Outgoing 10.0.0.2 2049 by State"],
        ),
        // A high port that listens is a server's.
        (
            &[tcp(State::Listen, "0.0.0.0:50000", any), tcp(State::Connected, "10.0.0.1:50000", "10.0.0.9:50001")],
            &["Incoming 10.0.0.9 50000 by Listener"],
        ),
        // The listener has gone.
        (&[tcp(State::Connected, "10.0.0.1:22", "10.0.0.9:50001")], &["Incoming 10.0.0.9 22 by EphemeralRange"]),
        // A listener on another address is not this connection's.
        (
            &[tcp(State::Listen, "127.0.0.1:40001", any), tcp(State::Connected, "10.0.0.1:40001", "10.0.0.9:22")],
            &["Outgoing 10.0.0.9 22 by Listener"],
        ),
        (&[socket(Protocol::Udp, State::Connected, "10.0.0.1:33000", "10.0.0.2:53")], &["Outgoing 10.0.0.2 53 by Listener"]),
        (&[socket(Protocol::Udp, State::Listen, "0.0.0.0:33000", any)], &[]),
    ];
    for (sockets, expected) in cases {
        assert_eq!(&sample(&mut Sampler::default(), sockets), expected, "{sockets:?}");
    }
}

#[test]
fn a_connection_keeps_its_direction_after_its_listener_has_gone() {
    let mut sampler = Sampler::default();
    let open = tcp(State::Connected, "10.0.0.1:50000", "10.0.0.9:50001");
    sample(&mut sampler, &[tcp(State::Listen, "0.0.0.0:50000", "0.0.0.0:0"), open.clone()]);
    for _ in 0..2 * REMEMBER_LISTENERS {
        assert_eq!(sample(&mut sampler, std::slice::from_ref(&open)), ["Incoming 10.0.0.9 50000 by Listener"]);
    }
    let closed = Socket { state: State::Closed, ..open };
    assert_eq!(sample(&mut sampler, &[closed]), ["Incoming 10.0.0.9 50000 by Listener"]);
}

/// Not a test of its own: what the next one starts, to ask the address in its environment one thing and hang up, again and again.
#[test]
#[ignore = "a program that another test starts"]
fn calls_for_a_moment() {
    let Ok(at) = std::env::var(CALLED) else { return };
    while let Ok(mut connection) = TcpStream::connect(&at) {
        let _ = connection.read(&mut [0]);
        drop(connection);
        std::thread::sleep(Duration::from_millis(10));
    }
}

const CALLED: &str = "ROLLCALL_TEST_CALLED";

#[test]
fn whose_connections_of_a_millisecond_are_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let serve = std::thread::spawn({
        let ends = Arc::clone(&ends);
        move || {
            while let Ok((mut connection, _)) = listener.accept()
                && !ends.load(Ordering::Relaxed)
            {
                std::thread::sleep(Duration::from_millis(1));
                let _ = connection.write_all(&[0]);
            }
        }
    });
    let mut client = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "observe::sampler::tests::calls_for_a_moment"])
        .env(CALLED, at.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let root = Root::new("/");
    let mut sampler = Sampler::default();
    let begun = Instant::now();
    let called: Called = (0, Protocol::Tcp, at);
    while !sampler.callers.is_known(&called) && begun.elapsed() < Duration::from_secs(50) {
        sampler.hunts.want((Protocol::Tcp, at), Instant::now());
        if let Some(glance) = sampler.glance(&root) {
            sampler.look_closer(&root, glance).unwrap();
        }
        std::thread::sleep(sampler.look_due().map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now())));
    }
    let is_known = sampler.callers.is_known(&called);
    ends.store(true, Ordering::Relaxed);
    client.kill().unwrap();
    client.wait().unwrap();
    let _ = TcpStream::connect(at);
    serve.join().unwrap();
    assert!(is_known, "nobody was seen in {:?}", begun.elapsed());
}

#[test]
fn udp_listeners_have_known_ports() {
    let directory = tempfile::tempdir().unwrap();
    let any = "0.0.0.0:0";
    let sockets = [socket(Protocol::Udp, State::Listen, "0.0.0.0:53", any), socket(Protocol::Udp, State::Listen, "0.0.0.0:45000", any)];
    let found = Sampler::default().sample(&sockets, &Root::new(directory.path()));
    assert_eq!(found.listeners.iter().map(|listener| listener.at.port()).collect::<Vec<_>>(), [53]);
}

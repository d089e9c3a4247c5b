//! keepalived: addresses that move between machines, and virtual servers.

use std::net::IpAddr;

use rollcall_shared::wire::v1::{UpstreamRole, VirtualAddress};

use super::{
    Subject,
    files::{absolute, directory},
    found::{Found, Said},
};
use crate::parse::config::{
    blocks::{self, Statement},
    connection, words,
};

const MOST_DEPTH: usize = 8;

pub(super) fn read(subject: &Subject) -> Found {
    let named = words::option(&subject.arguments, "-f").or_else(|| words::option(&subject.arguments, "--use-file"));
    let mut found = Found::default();
    file(subject, named.unwrap_or("/etc/keepalived/keepalived.conf"), 0, &mut found);
    found
}

fn file(subject: &Subject, path: &str, depth: usize, found: &mut Found) {
    if depth >= MOST_DEPTH {
        return;
    }
    let Some(bytes) = subject.files.read(path) else { return };
    for statement in blocks::statements(&bytes, blocks::KEEPALIVED) {
        match statement.name() {
            "include" => {
                let pattern = absolute(statement.argument(0).unwrap_or_default(), directory(path));
                subject.files.expand(&pattern).iter().for_each(|path| file(subject, path, depth + 1, found));
            }
            "vrrp_instance" => instance(&statement, path, found),
            "virtual_server" => virtual_server(&statement, path, found),
            _ => {}
        }
    }
}

fn instance(statement: &Statement, file: &str, found: &mut Found) {
    let value = |name: &str| statement.block.iter().find(|inner| inner.name() == name).and_then(|inner| inner.argument(0));
    let lines = |name: &'static str| statement.block.iter().filter(move |inner| inner.name() == name).flat_map(|inner| &inner.block);
    // `10.0.0.5/24 dev eth0 label eth0:1`
    let address = |text: &str| text.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
    let peers: Vec<IpAddr> = lines("unicast_peer").filter_map(|line| address(line.name())).collect();
    for line in lines("virtual_ipaddress").chain(lines("virtual_ipaddress_excluded")) {
        let Some(address) = address(line.name()) else { continue };
        let own = line.words.iter().position(|word| word == "dev").and_then(|at| line.words.get(at + 1));
        found.details.virtual_addresses.push(VirtualAddress {
            address,
            instance: statement.argument(0).map(str::to_owned),
            router_id: value("virtual_router_id").and_then(|id| id.parse().ok()),
            interface: own.map(String::as_str).or(value("interface")).map(str::to_owned),
            starts_as_master: value("state").map(|state| state.eq_ignore_ascii_case("master")),
            priority: value("priority").and_then(|priority| priority.parse().ok()),
            peers: peers.clone(),
            file: file.to_owned(),
        });
    }
}

fn virtual_server(statement: &Statement, file: &str, found: &mut Found) {
    let group = statement.words[1..].join(" ");
    for inner in &statement.block {
        let role = match inner.name() {
            "real_server" => UpstreamRole::Active,
            "sorry_server" => UpstreamRole::Backup,
            _ => continue,
        };
        let (Some(host), Some(port)) = (inner.argument(0), inner.argument(1)) else { continue };
        let Some(target) = connection::host_port(host, "tcp", port.parse().ok()) else { continue };
        let is_checked = inner.block.iter().any(|check| check.name().ends_with("_CHECK") || check.name().ends_with("_GET"));
        let member = found.member(target, &group, role, Said { file, directive: inner.name() });
        member.checked = (role == UpstreamRole::Active).then_some(is_checked);
    }
}

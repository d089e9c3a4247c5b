//! What is passed on to others, by the files that packet filters load their rules from. The rules themselves the kernel shows only to
//! who may change them.

use rollcall_shared::wire::v1::{Forwarding, ForwardingRule};

use super::daemons::Files;
use crate::{
    files::Root,
    parse::{
        forwarding::{Ruleset, iptables, nftables},
        key_value,
    },
};

/// A file with rules.
struct Source {
    path: &'static str,
    /// Services that load it when the machine starts: where none of them does, it says nothing.
    services: &'static [&'static str],
    form: Form,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Nft,
    /// What `iptables-save` writes; one file for each family.
    Saved4,
    Saved6,
}

const SOURCES: &[Source] = &[
    Source { path: "/etc/nftables.conf", services: &["nftables"], form: Form::Nft },
    Source { path: "/etc/sysconfig/nftables.conf", services: &["nftables"], form: Form::Nft },
    Source { path: "/etc/nftables.nft", services: &["nftables"], form: Form::Nft },
    Source { path: "/etc/iptables/rules.v4", services: &["netfilter-persistent", "iptables"], form: Form::Saved4 },
    Source { path: "/etc/iptables/rules.v6", services: &["netfilter-persistent", "ip6tables"], form: Form::Saved6 },
    Source { path: "/etc/iptables/iptables.rules", services: &["iptables"], form: Form::Saved4 },
    Source { path: "/etc/iptables/ip6tables.rules", services: &["ip6tables"], form: Form::Saved6 },
    Source { path: "/etc/sysconfig/iptables", services: &["iptables"], form: Form::Saved4 },
    Source { path: "/etc/sysconfig/ip6tables", services: &["ip6tables"], form: Form::Saved6 },
    Source { path: "/etc/ufw/before.rules", services: &["ufw"], form: Form::Saved4 },
    Source { path: "/etc/ufw/before6.rules", services: &["ufw"], form: Form::Saved6 },
];

/// What the files say; `None` where none of them is loaded.
pub(super) fn found(root: &Root) -> Option<Forwarding> {
    let sources: Vec<&Source> = SOURCES.iter().filter(|source| root.exists(source.path) && is_loaded(root, source)).collect();
    if sources.is_empty() {
        return None;
    }
    let files = Files::new(root, "/");
    let mut found = Forwarding::default();
    let mut read: Vec<(Form, Vec<ForwardingRule>)> = Vec::new();
    for source in sources {
        let Some(bytes) = files.read(source.path) else {
            found.unknown = Some(format!("{} may not be read, or is too large: what it passes on is not known", source.path));
            continue;
        };
        let rules = match source.form {
            Form::Nft => nftables::rules(&bytes, &mut |pattern| included(&files, pattern)),
            Form::Saved4 | Form::Saved6 => iptables::saved(&bytes),
        };
        note(&mut found, source, &rules);
        read.push((source.form, rules.rules()));
    }
    read.retain(|(_, rules)| !rules.is_empty());
    // Which of two programs the kernel asks first is not in their files. The two families never meet.
    let is_certain = read.len() < 2 || read.iter().map(|(form, _)| form).eq(&[Form::Saved4, Form::Saved6]);
    found.rules = read.into_iter().flat_map(|(_, rules)| rules).collect();
    if !is_certain || found.unknown.is_some() {
        found.rules.iter_mut().for_each(|rule| rule.sometimes = true);
    }
    found.hides.sort();
    found.hides.dedup();
    Some(found).filter(|found| *found != Forwarding::default())
}

fn note(found: &mut Forwarding, source: &Source, rules: &Ruleset) {
    let before = found.hides.len();
    found.hides.extend(rules.hides().cloned());
    if found.hides.len() > before || !rules.rules().is_empty() {
        found.files.push(source.path.to_owned());
    }
}

fn included(files: &Files, pattern: &str) -> Vec<Vec<u8>> {
    // nft looks below /etc for what is not named from the root.
    let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/{pattern}") };
    files.expand(&pattern).iter().filter_map(|path| files.read(path)).collect()
}

/// Whether a service that is started with the machine loads the file.
fn is_loaded(root: &Root, source: &Source) -> bool {
    const SYSTEMD: &str = "/etc/systemd/system";
    const OPENRC: &str = "/etc/runlevels";
    if source.services == ["ufw"] {
        // Its service is always there, and asks this file.
        let settings = root.read("/etc/ufw/ufw.conf").map(|bytes| key_value::os_release(&bytes)).unwrap_or_default();
        return settings.get("ENABLED").is_some_and(|value| value == "yes");
    }
    let is_in = |directory: &str, wanted: &dyn Fn(&str) -> bool, name: &str| {
        let names = root.names(directory).unwrap_or_default();
        names.iter().filter(|it| wanted(it)).any(|it| root.exists(&format!("{directory}/{it}/{name}")))
    };
    source
        .services
        .iter()
        .any(|service| is_in(SYSTEMD, &|name| name.ends_with(".wants"), &format!("{service}.service")) || is_in(OPENRC, &|_| true, service))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    const NFT: &[u8] = include_bytes!("../../../../tests/fixtures/forwarding/nftables.conf");
    const INCLUDED: &[u8] = include_bytes!("../../../../tests/fixtures/forwarding/included.nft");
    const V4: &[u8] = include_bytes!("../../../../tests/fixtures/forwarding/rules.v4");
    const V6: &[u8] = include_bytes!("../../../../tests/fixtures/forwarding/rules.v6");

    fn write(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn rules_count_where_a_service_loads_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path());
        assert_eq!(found(&root), None);
        write(directory.path(), "etc/nftables.conf", NFT);
        write(directory.path(), "etc/nftables.d/more.nft", INCLUDED);
        write(directory.path(), "etc/iptables/rules.v4", V4);
        write(directory.path(), "etc/iptables/rules.v6", V6);
        write(
            directory.path(),
            "etc/ufw/before.rules",
            b"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n",
        );
        write(directory.path(), "etc/ufw/ufw.conf", b"# x\nENABLED=no\n");
        assert_eq!(found(&root), None, "nobody loads them");

        write(directory.path(), "etc/systemd/system/multi-user.target.wants/netfilter-persistent.service", b"");
        let saved = found(&root).unwrap();
        assert_eq!(saved.files, ["/etc/iptables/rules.v4", "/etc/iptables/rules.v6"]);
        assert_eq!((saved.rules.len(), saved.rules.iter().filter(|rule| rule.sometimes).count()), (12, 2));
        assert_eq!(saved.hides, ["0.0.0.0/0", "10.0.0.0/16", "::/0"]);

        write(directory.path(), "etc/runlevels/default/nftables", b"");
        write(directory.path(), "etc/ufw/ufw.conf", b"ENABLED=yes\n");
        let all = found(&root).unwrap();
        assert_eq!(all.files, ["/etc/nftables.conf", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "/etc/ufw/before.rules"]);
        assert!(all.rules.iter().any(|rule| rule.to_port == Some(2222)), "included: {:?}", all.rules);
        assert!(all.rules.iter().all(|rule| rule.sometimes), "which comes first is not known");
        assert!(all.hides.contains(&"10.8.0.0/24".to_owned()));
        assert_eq!(all.unknown, None);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let directory = tempfile::tempdir().unwrap();
        // It is there, and is not a file.
        fs::create_dir_all(directory.path().join("etc/nftables.conf")).unwrap();
        write(directory.path(), "etc/systemd/system/sysinit.target.wants/nftables.service", b"");
        let found = found(&Root::new(directory.path())).unwrap();
        assert!(found.unknown.unwrap().starts_with("/etc/nftables.conf may not be read"));
    }
}

//! Virtual machines and containers that this machine hosts, from the files of what runs them.

use std::io;

use rollcall_shared::wire::v1::{VirtualGuest, VirtualGuests};

use super::{Machine, Outcome};
use crate::{files::Root, parse::guests};

const LIBVIRT: &str = "/etc/libvirt/qemu";
const DOCKER: &str = "/var/lib/docker/containers";
const PODMAN: &str = "/var/lib/containers/storage/overlay-containers/containers.json";
const LXC: &str = "/var/lib/lxc";
const PROXMOX: &[(&str, &str)] = &[("/etc/pve/lxc", "proxmox_lxc"), ("/etc/pve/qemu-server", "proxmox_qemu")];
const MOST_GUESTS: usize = 4_096;
const MOST_PODMAN: u64 = 16 << 20;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<VirtualGuests> {
    let root = machine.root;
    let mut search = Search { root, present: false, guests: Vec::new(), missing: Vec::new() };
    search.each(LIBVIRT, |name| name.ends_with(".xml").then(|| (format!("{LIBVIRT}/{name}"), guests::libvirt)));
    for guest in &mut search.guests {
        guest.autostart = Some(root.exists(&format!("{LIBVIRT}/autostart/{}.xml", guest.name)));
        guest.running = Some(root.exists(&format!("/run/libvirt/qemu/{}.pid", guest.name)));
    }
    search.each(DOCKER, |id| Some((format!("{DOCKER}/{id}/config.v2.json"), guests::docker)));
    search.each(LXC, |name| {
        let directory = name.to_owned();
        Some((format!("{LXC}/{name}/config"), move |bytes: &[u8]| Some(guests::lxc(bytes, &directory))))
    });
    for (directory, technology) in PROXMOX {
        search.each(directory, |name| {
            let id = name.strip_suffix(".conf")?.to_owned();
            Some((format!("{directory}/{name}"), move |bytes: &[u8]| Some(guests::proxmox(bytes, technology, &id))))
        });
    }
    match root.read_up_to(PODMAN, MOST_PODMAN) {
        Ok(bytes) => {
            search.present = true;
            search.guests.extend(guests::podman(&bytes));
        }
        Err(error) => search.failed(PODMAN, &error),
    }
    search.outcome()
}

struct Search<'a> {
    root: &'a Root,
    present: bool,
    guests: Vec<VirtualGuest>,
    missing: Vec<String>,
}

impl Search<'_> {
    /// A guest of each entry of `directory`: `file` tells where its configuration is and how to read it.
    fn each<P: FnOnce(&[u8]) -> Option<VirtualGuest>>(&mut self, directory: &str, file: impl Fn(&str) -> Option<(String, P)>) {
        let names = match self.root.names(directory) {
            Ok(names) => names,
            Err(error) => return self.failed(directory, &error),
        };
        self.present = true;
        for (path, parse) in names.iter().filter_map(|name| file(name)) {
            match self.root.read(&path) {
                Ok(bytes) => self.guests.extend(parse(&bytes)),
                Err(error) => self.failed(&path, &error),
            }
        }
    }

    fn failed(&mut self, path: &str, error: &io::Error) {
        // A container that is being removed, or a file among directories.
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            self.present = true;
            self.missing.push(format!("{path}: {error}"));
        }
    }

    fn outcome(mut self) -> Outcome<VirtualGuests> {
        if !self.present {
            return Outcome::NotPresent("no guests of libvirt, Docker, Podman, LXC or Proxmox in their usual places".to_owned());
        }
        self.guests.sort_by(|a, b| (&a.technology, &a.name, &a.id).cmp(&(&b.technology, &b.name, &b.id)));
        if self.guests.len() > MOST_GUESTS {
            self.guests.truncate(MOST_GUESTS);
            self.missing.push(format!("only the first {MOST_GUESTS} guests are listed"));
        }
        // One reason tells; a thousand would be a flood.
        let missing = self.missing.len();
        match self.missing.into_iter().next() {
            None => Outcome::Data(VirtualGuests { guests: self.guests }),
            Some(reason) if missing == 1 => Outcome::Partial(VirtualGuests { guests: self.guests }, reason),
            Some(reason) => Outcome::Partial(VirtualGuests { guests: self.guests }, format!("{reason}, and {} more", missing - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn guests_of_several_hosts() {
        let files = [
            ("/etc/libvirt/qemu/db01.xml", "<domain><name>db01</name><uuid>4c4c4544-0035-3010-8056-b4c04f4d3231</uuid></domain>"),
            ("/etc/libvirt/qemu/autostart/db01.xml", "-> ../db01.xml"),
            ("/etc/libvirt/qemu/networks/default.xml", "<network><name>default</name></network>"),
            ("/var/lib/docker/containers/4f2a/config.v2.json", r#"{"ID":"4f2a","Name":"/web","State":{"Running":true}}"#),
            ("/var/lib/docker/containers/dead/hostname", "x"),
            ("/etc/pve/lxc/101.conf", "hostname: mail\n"),
            ("/var/lib/lxc/build/config", "lxc.net.0.hwaddr = 00:16:3e:00:00:01\n"),
            (PODMAN, r#"[{"id":"9b1c","names":["cache"]}]"#),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.guests.iter().map(|guest| (guest.technology.as_str(), guest.name.as_str(), guest.running)).collect();
        let expected = [
            ("docker", "web", Some(true)),
            ("libvirt", "db01", Some(false)),
            ("lxc", "build", None),
            ("podman", "cache", None),
            ("proxmox_lxc", "mail", None),
        ];
        assert_eq!(seen, expected);
        assert_eq!(found.guests[1].autostart, Some(true));
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }
}

//! Virtual machines and containers that this machine hosts, from the files of what runs them.

use std::io;

use rollcall_shared::wire::v1::{VirtualGuest, VirtualGuests};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::{guests, lxd, oci},
};

const LIBVIRT: &str = "/etc/libvirt/qemu";
const DOCKER: &str = "/var/lib/docker/containers";
const PODMAN: &str = "/var/lib/containers/storage/overlay-containers/containers.json";
const LXC: &str = "/var/lib/lxc";
const PROXMOX: &[(&str, &str)] = &[("/etc/pve/lxc", "proxmox_lxc"), ("/etc/pve/qemu-server", "proxmox_qemu")];
/// Instances of LXD and Incus are directories, or links into a storage pool that is mounted while they run.
const LXD: &[(&str, &str)] = &[
    ("/var/lib/lxd/containers", "lxd"),
    ("/var/lib/lxd/virtual-machines", "lxd"),
    ("/var/snap/lxd/common/lxd/containers", "lxd"),
    ("/var/snap/lxd/common/lxd/virtual-machines", "lxd"),
    ("/var/lib/incus/containers", "incus"),
    ("/var/lib/incus/virtual-machines", "incus"),
];
/// A directory a namespace, in it one a running container. Docker's own are in the namespace `moby`, and known already.
const CONTAINERD: &[&str] = &["/run/containerd/io.containerd.runtime.v2.task", "/run/k3s/containerd/io.containerd.runtime.v2.task"];
const MOBY: &str = "moby";
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
    for (directory, technology) in LXD {
        search.instances(directory, technology);
    }
    for directory in CONTAINERD {
        for namespace in root.names(directory).unwrap_or_default().iter().filter(|name| *name != MOBY) {
            search.each(&format!("{directory}/{namespace}"), |id| {
                let id = id.to_owned();
                Some((format!("{directory}/{namespace}/{id}/config.json"), move |bytes: &[u8]| oci::container(bytes, &id)))
            });
        }
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

    /// Instances of LXD or Incus. What is known of one whose files are in a pool that is not mounted is its name.
    fn instances(&mut self, directory: &str, technology: &str) {
        let names = match self.root.names(directory) {
            Ok(names) => names,
            Err(error) => return self.failed(directory, &error),
        };
        self.present = true;
        for name in names {
            let path = format!("{directory}/{name}/backup.yaml");
            let bytes = match self.root.read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.failed(&path, &error);
                    Vec::new()
                }
            };
            self.guests.push(lxd::backup(&bytes, technology, &name));
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
            return Outcome::NotPresent(
                "no guests of libvirt, Docker, Podman, CRI-O, containerd, LXC, LXD, Incus or Proxmox in their usual places".to_owned(),
            );
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
            ("/var/lib/incus/virtual-machines/win/backup.yaml", "instance:\n  name: win\n"),
            ("/var/snap/lxd/common/lxd/containers/stopped", "-> ../storage-pools/zfs/containers/stopped"),
            ("/run/containerd/io.containerd.runtime.v2.task/k8s.io/77/config.json", "{}"),
            ("/run/containerd/io.containerd.runtime.v2.task/moby/4f2a/config.json", "{}"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.guests.iter().map(|guest| (guest.technology.as_str(), guest.name.as_str(), guest.running)).collect();
        let expected = [
            ("containerd", "77", Some(true)),
            ("docker", "web", Some(true)),
            ("incus", "win", None),
            ("libvirt", "db01", Some(false)),
            ("lxc", "build", None),
            ("lxd", "stopped", None),
            ("podman", "cache", None),
            ("proxmox_lxc", "mail", None),
        ];
        assert_eq!(seen, expected);
        assert_eq!(found.guests[3].autostart, Some(true));
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }
}

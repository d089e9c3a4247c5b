//! Bare metal, virtual machine or container.

use rollcall_shared::wire::v1::{Platform, PlatformKind};

use super::Machine;
use crate::parse::{cpuinfo, mountinfo};

/// Words in DMI's vendor or product that give a hypervisor away.
const HYPERVISORS: &[(&str, &str)] = &[
    ("KVM", "kvm"),
    ("QEMU", "kvm"),
    ("OpenStack", "kvm"),
    ("Amazon EC2", "kvm"),
    ("Google Compute Engine", "kvm"),
    ("VMware", "vmware"),
    ("VirtualBox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("Xen", "xen"),
    ("Virtual Machine", "hyperv"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Bochs", "bochs"),
    ("Apple Virtualization", "apple"),
];

pub(super) fn detect(machine: &Machine<'_>) -> Platform {
    let platform = |kind, technology: Option<&str>| Platform { kind, technology: technology.map(str::to_owned) };
    if let Some(technology) = container(machine) {
        return platform(PlatformKind::Container, Some(&technology));
    }
    let names: Vec<String> = ["sys_vendor", "product_name", "bios_vendor"].into_iter().filter_map(|name| machine.dmi(name)).collect();
    if let Some((_, technology)) = HYPERVISORS.iter().find(|(word, _)| names.iter().any(|name| name.contains(word))) {
        // A whole rented machine carries its cloud's name too.
        let is_metal = names.iter().any(|name| name.ends_with(".metal"));
        return if is_metal { platform(PlatformKind::Physical, None) } else { platform(PlatformKind::VirtualMachine, Some(technology)) };
    }
    if let Some(technology) = machine.root.text("/sys/hypervisor/type") {
        // The first Xen domain is the host itself.
        let capabilities = machine.root.text("/proc/xen/capabilities").unwrap_or_default();
        let kind = if capabilities.contains("control_d") { PlatformKind::Physical } else { PlatformKind::VirtualMachine };
        return platform(kind, Some(&technology));
    }
    let says_so = machine.smbios().is_some_and(|smbios| smbios.virtual_machine);
    let flag = || machine.root.read("/proc/cpuinfo").is_ok_and(|bytes| cpuinfo::cpuinfo(&bytes).hypervisor == Some(true));
    if says_so || flag() {
        return platform(PlatformKind::VirtualMachine, None);
    }
    platform(PlatformKind::Physical, None)
}

fn container(machine: &Machine<'_>) -> Option<String> {
    let root = machine.root;
    // The markers of container tools stay behind when an image is made into a virtual machine's disk.
    let is_layered = || {
        const DISKS: &[&str] = &["ext2", "ext3", "ext4", "xfs", "f2fs"];
        let mounts = mountinfo::mountinfo(&root.read("/proc/self/mountinfo").unwrap_or_default());
        !mounts.iter().any(|mount| mount.mount_point == "/" && mount.root == "/" && DISKS.contains(&mount.kind.as_str()))
    };
    for (marker, technology) in [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")] {
        if root.exists(marker) && is_layered() {
            return Some(technology.to_owned());
        }
    }
    // systemd notes here what it was started in.
    let noted = root.text("/run/systemd/container").or_else(|| {
        let environment = root.read("/proc/1/environ").ok()?;
        let value = environment.split(|&byte| byte == 0).find_map(|variable| variable.strip_prefix(b"container="))?;
        crate::parse::text::clean(value)
    })?;
    (noted.len() <= 64).then_some(noted)
}

#[cfg(test)]
mod tests {
    use super::{super::Outcome, super::tests::collect_one, *};

    #[test]
    fn platforms_are_told_apart() {
        type Files = &'static [(&'static str, &'static str)];
        let cases: &[(Files, PlatformKind, Option<&str>)] = &[
            (&[], PlatformKind::Physical, None),
            (&[("/sys/class/dmi/id/sys_vendor", "QEMU\n")], PlatformKind::VirtualMachine, Some("kvm")),
            (
                &[("/sys/class/dmi/id/sys_vendor", "Amazon EC2"), ("/sys/class/dmi/id/product_name", "m5.metal")],
                PlatformKind::Physical,
                None,
            ),
            (&[("/proc/cpuinfo", "processor: 0\nflags: fpu hypervisor\n")], PlatformKind::VirtualMachine, None),
            (&[("/sys/hypervisor/type", "xen"), ("/proc/xen/capabilities", "control_d")], PlatformKind::Physical, Some("xen")),
            (&[("/run/systemd/container", "lxc"), ("/sys/class/dmi/id/sys_vendor", "Dell Inc.")], PlatformKind::Container, Some("lxc")),
            (&[("/.dockerenv", "")], PlatformKind::Container, Some("docker")),
            (&[("/.dockerenv", ""), ("/proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n")], PlatformKind::Physical, None),
            (&[("/proc/1/environ", "PATH=/\0container=podman\0")], PlatformKind::Container, Some("podman")),
        ];
        for (files, kind, technology) in cases {
            let Outcome::Data(found) = collect_one(files, |machine| Outcome::Data(detect(machine))) else { panic!("no data") };
            assert_eq!((found.kind, found.technology.as_deref()), (*kind, *technology), "{files:?}");
        }
    }
}

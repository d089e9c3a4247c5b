//! How the machine is protected: firmware, encryption, firewalls, updates, kernel.

use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{AccessControl, KernelModule, Security, SecurityTool, UpdatePolicy};

use super::{Machine, Outcome, file_systems, hardware::efi_flag, screen_locks, security_tools::TOOLS, units};
use crate::{
    files::Root,
    parse::{kernel, text::lines},
};

/// The one firewall whose unit does not say whether it is on.
pub(super) const UFW: &str = "ufw";
const MOST_MODULES: usize = 4_096;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Security> {
    let root = machine.root;
    let enabled = units::enabled(root);
    let tainted = root.number("/proc/sys/kernel/tainted");
    let found = Security {
        secure_boot: efi_flag(root, "SecureBoot"),
        tpm_version: root.number("/sys/class/tpm/tpm0/tpm_version_major"),
        root_encrypted: file_systems::is_root_encrypted(root),
        access_control: access_control(root),
        tools: tools(root, &enabled),
        update_policies: update_policies(root, &enabled),
        screen_locks: screen_locks::read(root),
        kernel_taints: tainted.map(kernel::taints).unwrap_or_default(),
        kernel_modules: modules(root),
    };
    match tainted {
        Some(_) => Outcome::Data(found),
        None => Outcome::Partial(found, "/proc/sys/kernel/tainted could not be read; nothing is known of the kernel's state".to_owned()),
    }
}

fn access_control(root: &Root) -> Vec<AccessControl> {
    let selinux =
        root.number::<u8>("/sys/fs/selinux/enforce").map(|enforce| ("selinux", if enforce == 1 { "enforcing" } else { "permissive" }));
    let apparmor = root.text("/sys/module/apparmor/parameters/enabled");
    let apparmor = apparmor.map(|enabled| ("apparmor", if enabled == "Y" { "enabled" } else { "disabled" }));
    let control = |(name, mode): (&str, &str)| AccessControl { name: name.to_owned(), mode: mode.to_owned() };
    apparmor.into_iter().chain(selinux).map(control).collect()
}

fn tools(root: &Root, enabled: &BTreeSet<String>) -> Vec<SecurityTool> {
    let found = TOOLS.iter().filter_map(|tool| {
        let evidence = tool.files.iter().find(|file| root.exists(file))?;
        let enabled = match tool.name {
            UFW => is_ufw_enabled(root),
            _ => (!tool.units.is_empty()).then(|| tool.units.iter().any(|unit| enabled.contains(*unit))),
        };
        Some(SecurityTool { kind: tool.kind.to_owned(), name: tool.name.to_owned(), enabled, evidence: (*evidence).to_owned() })
    });
    found.collect()
}

fn is_ufw_enabled(root: &Root) -> Option<bool> {
    let settings = root.read("/etc/ufw/ufw.conf").ok()?;
    let value = lines(&settings).filter_map(|line| line.trim_ascii().strip_prefix(b"ENABLED=")).last()?;
    Some(value.trim_ascii().eq_ignore_ascii_case(b"yes"))
}

fn update_policies(root: &Root, enabled: &BTreeSet<String>) -> Vec<UpdatePolicy> {
    apt(root).into_iter().chain(dnf_automatic(root, enabled)).collect()
}

/// What apt does daily is what the files of `apt.conf.d` say, the last in order first; unset is off.
fn apt(root: &Root) -> Option<UpdatePolicy> {
    const DIRECTORY: &str = "/etc/apt/apt.conf.d";
    let names = root.names(DIRECTORY).ok()?;
    let files: Vec<Vec<u8>> = names.iter().filter_map(|name| root.read(&format!("{DIRECTORY}/{name}")).ok()).collect();
    // Settings can also be written in nested braces, which are not understood here: then nothing is claimed.
    let has_block = |file: &Vec<u8>| String::from_utf8_lossy(file).split("Periodic").skip(1).any(|rest| rest.trim_start().starts_with('{'));
    if files.iter().any(has_block) {
        return Some(UpdatePolicy { tool: "apt".to_owned(), ..UpdatePolicy::default() });
    }
    let setting = |name: &str| files.iter().rev().find_map(|file| kernel::apt_periodic(file, name));
    let is_on = |name: &str| setting(name).is_some_and(|value| value != "0");
    let runs = setting("Enable").is_none_or(|value| value != "0");
    let can_install = root.exists("/usr/bin/unattended-upgrade") || root.exists("/usr/bin/unattended-upgrades");
    Some(UpdatePolicy {
        tool: "apt".to_owned(),
        checks: Some(runs && is_on("Update-Package-Lists")),
        installs: Some(runs && is_on("Unattended-Upgrade") && can_install),
    })
}

fn dnf_automatic(root: &Root, enabled: &BTreeSet<String>) -> Option<UpdatePolicy> {
    let settings = root.read("/etc/dnf/automatic.conf").ok()?;
    let applies =
        kernel::ini(&settings, "commands", "apply_updates").is_some_and(|value| matches!(value.as_str(), "yes" | "true" | "1" | "True"));
    let is_on = |timer: &str| enabled.contains(timer);
    let plain = is_on("dnf-automatic.timer");
    let installs = is_on("dnf-automatic-install.timer") || (plain && applies);
    let checks = plain || installs || is_on("dnf-automatic-notifyonly.timer") || is_on("dnf-automatic-download.timer");
    Some(UpdatePolicy { tool: "dnf-automatic".to_owned(), checks: Some(checks), installs: Some(installs) })
}

fn modules(root: &Root) -> Vec<KernelModule> {
    let mut modules = kernel::modules(&root.read("/proc/modules").unwrap_or_default());
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    modules.truncate(MOST_MODULES);
    for module in &mut modules {
        module.version = root.text(&format!("/sys/module/{}/version", module.name));
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

    #[test]
    fn a_protected_laptop() {
        let files = [
            ("/proc/sys/kernel/tainted", "4096\n"),
            (SECURE_BOOT, "\u{6}\0\0\0\u{1}"),
            ("/sys/class/tpm/tpm0/tpm_version_major", "2\n"),
            ("/sys/module/apparmor/parameters/enabled", "Y\n"),
            ("/usr/sbin/nft", ""),
            ("/usr/sbin/ufw", ""),
            ("/etc/ufw/ufw.conf", "# ENABLED=no\nENABLED=yes\n"),
            ("/opt/teamviewer/tv_bin/teamviewerd", ""),
            ("/etc/systemd/system/multi-user.target.wants/teamviewerd.service", "-> /x"),
            ("/etc/apt/apt.conf.d/10periodic", "APT::Periodic::Unattended-Upgrade \"0\";\n"),
            ("/etc/apt/apt.conf.d/20auto", "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n"),
            ("/usr/bin/unattended-upgrade", ""),
            ("/proc/modules", "zfs 1 0 - Live 0x0 (POE)\next4 1 0 - Live 0x0\n"),
            ("/sys/module/zfs/version", "2.2.4-1\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.secure_boot, found.tpm_version), (Some(true), Some(2)));
        let tools: Vec<_> = found.tools.iter().map(|tool| (tool.kind.as_str(), tool.name.as_str(), tool.enabled)).collect();
        let expected =
            [("firewall", "nftables", Some(false)), ("firewall", "ufw", Some(true)), ("remote_control", "TeamViewer", Some(true))];
        assert_eq!(tools, expected);
        assert_eq!(found.update_policies, [UpdatePolicy { tool: "apt".into(), checks: Some(true), installs: Some(true) }]);
        assert_eq!((found.kernel_taints, found.access_control.len()), (vec!["out_of_tree_module".to_owned()], 1));
        let modules: Vec<_> = found.kernel_modules.iter().map(|m| (m.name.as_str(), m.version.as_deref(), m.taints.len())).collect();
        assert_eq!(modules, [("ext4", None, 0), ("zfs", Some("2.2.4-1"), 3)]);
    }

    #[test]
    fn what_no_file_tells_is_not_claimed() {
        let files = [
            ("/proc/sys/kernel/tainted", "0\n"),
            (SECURE_BOOT, "\u{6}\0\0\0"),
            ("/etc/apt/apt.conf.d/20auto", "APT { Periodic { Unattended-Upgrade \"1\"; } }\n"),
            ("/etc/dnf/automatic.conf", "[commands]\napply_updates = yes\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.secure_boot, found.tpm_version, found.root_encrypted), (None, None, None));
        let policies: Vec<_> = found.update_policies.iter().map(|policy| (policy.tool.as_str(), policy.installs)).collect();
        assert_eq!(policies, [("apt", None), ("dnf-automatic", Some(false))]);
        assert!(matches!(collect_one(&[], collect), Outcome::Partial(..)));
    }
}

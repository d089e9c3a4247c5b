//! `operatingsystem`.

use rollcall_shared::wire::v1::{Identity, OperatingSystem};
use serde_json::{Value, json};

use super::Source;

pub(super) fn operating_system(source: &Source<'_>) -> Option<Value> {
    let system: OperatingSystem = source.get()?;
    let identity: Identity = source.get().unwrap_or_default();
    let domain = identity.fqdn.as_deref().and_then(|name| name.split_once('.')).map(|(_, domain)| domain.to_owned());
    Some(json!({
        "arch": system.architecture,
        "boot_time": system.booted_at.map(|at| source.date_time(at)),
        "dns_domain": domain,
        "fqdn": identity.fqdn,
        "full_name": system.name,
        "install_date": system.installed_at.map(|at| source.date_time(at)),
        "kernel_name": system.family,
        "kernel_version": system.kernel_release,
        "name": system.id.as_deref().map(distributor),
        "timezone": system.timezone.map(|name| json!({ "name": name, "offset": source.zone() })),
        "version": system.version,
    }))
}

/// The distribution as LSB calls it, which is what that format's servers know.
fn distributor(id: &str) -> &str {
    match id {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "fedora" => "Fedora",
        "centos" => "CentOS",
        "rhel" => "RedHatEnterprise",
        "rocky" => "Rocky",
        "almalinux" => "AlmaLinux",
        "arch" => "Arch",
        "alpine" => "Alpine",
        other if other.starts_with("opensuse") => "openSUSE",
        "sles" => "SUSE",
        other => other,
    }
}

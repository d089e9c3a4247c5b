//! Who this machine is.

use rollcall_shared::wire::v1::Identity;

use super::{Machine, Outcome, cloud, network, platform};
use crate::parse::key_value;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Identity> {
    let root = machine.root;
    let Some(full_name) = hostname(machine) else {
        return Outcome::Failed("the machine tells no host name".to_owned());
    };
    let (hostname, domain) = match full_name.split_once('.') {
        Some((host, domain)) if !host.is_empty() => (host.to_owned(), Some(domain)),
        _ => (full_name.clone(), None),
    };
    let in_hosts = || root.read("/etc/hosts").ok().and_then(|hosts| key_value::fqdn_in_hosts(&hosts, &hostname));
    let fqdn = domain.map(|_| full_name.clone()).or_else(in_hosts);
    let hardware = machine.smbios().map(|smbios| &smbios.hardware);
    let dmi = |from_tables: Option<String>, name: &str| from_tables.or_else(|| machine.dmi(name));
    Outcome::Data(Identity {
        fqdn,
        machine_id: root.text("/etc/machine-id").filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
        smbios_uuid: dmi(hardware.and_then(|h| h.uuid.clone()), "product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
        serial: dmi(hardware.and_then(|h| h.serial.clone()), "product_serial"),
        manufacturer: dmi(hardware.and_then(|h| h.manufacturer.clone()), "sys_vendor"),
        model: dmi(hardware.and_then(|h| h.product_name.clone()), "product_name"),
        cloud_instance_id: cloud::instance_id(machine),
        permanent_macs: network::permanent_macs(root),
        platform: Some(platform::detect(machine)),
        hostname,
    })
}

fn hostname(machine: &Machine<'_>) -> Option<String> {
    if machine.root.is_live() {
        let name = hostname::get().ok()?.into_string().ok()?;
        return crate::parse::text::clean(name.as_bytes());
    }
    machine.root.text("/etc/hostname")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn names_and_ids_are_read() {
        let files = [
            ("/etc/hostname", "db01\n"),
            ("/etc/hosts", "10.0.0.5 db01.example.org db01\n"),
            ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("/sys/class/dmi/id/product_uuid", "ABCDEF00-0000-0000-0000-000000000001\n"),
            ("/run/cloud-init/instance-data.json", r#"{"v1":{"cloud_name":"aws","instance_id":"i-0abc"},"more":1}"#),
        ];
        let Outcome::Data(identity) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((identity.hostname.as_str(), identity.fqdn.as_deref()), ("db01", Some("db01.example.org")));
        assert_eq!(identity.machine_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(identity.smbios_uuid.as_deref(), Some("abcdef00-0000-0000-0000-000000000001"));
        assert_eq!(identity.cloud_instance_id.as_deref(), Some("aws:i-0abc"));
    }

    #[test]
    fn what_is_no_machine_id_is_not_sent() {
        let Outcome::Data(identity) = collect_one(&[("/etc/hostname", "a.b.example"), ("/etc/machine-id", "uninitialized\n")], collect)
        else {
            panic!("no data")
        };
        assert_eq!((identity.hostname.as_str(), identity.fqdn.as_deref(), identity.machine_id), ("a", Some("a.b.example"), None));
    }
}

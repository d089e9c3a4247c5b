//! Configurations of guests: libvirt's XML, Docker's and Podman's JSON, LXC's and Proxmox's lines.
//!
//! Environment, arguments and passwords stand in the same files; only the named fields are taken.

use std::collections::BTreeMap;

use memchr::memmem;
use rollcall_shared::wire::v1::VirtualGuest;
use serde::Deserialize;

use super::text::{clean, lines, number};

/// A domain of libvirt, from its XML as libvirt writes it itself: elements of plain text, attributes in quotes.
pub fn libvirt(xml: &[u8]) -> Option<VirtualGuest> {
    // What others put into comments and metadata is not the domain's.
    let xml = without(&without(xml, b"<!--", b"-->"), b"<metadata", b"</metadata>");
    let (_, name) = element(&xml, b"name")?;
    let memory = element(&xml, b"memory").and_then(|(attributes, text)| {
        let unit = match attribute(attributes, b"unit").unwrap_or(b"KiB") {
            b"b" | b"bytes" => 1,
            b"KB" => 1_000,
            b"k" | b"KiB" => 1 << 10,
            b"MB" => 1_000_000,
            b"M" | b"MiB" => 1 << 20,
            b"GB" => 1_000_000_000,
            b"G" | b"GiB" => 1 << 30,
            _ => return None,
        };
        number::<u64>(text)?.checked_mul(unit)
    });
    let macs = memmem::find_iter(&xml, b"<mac ").filter_map(|at| {
        let tag = &xml[at..];
        mac(attribute(&tag[..memchr::memchr(b'>', tag)?], b"address")?)
    });
    Some(VirtualGuest {
        technology: "libvirt".to_owned(),
        name: unescaped(&clean(name)?),
        uuid: element(&xml, b"uuid").and_then(|(_, text)| clean(text)).map(|uuid| uuid.to_ascii_lowercase()),
        macs: sorted(macs.collect()),
        memory_bytes: memory,
        cpus: element(&xml, b"vcpu").and_then(|(_, text)| number(text)),
        ..VirtualGuest::default()
    })
}

/// The attributes and text of the first element of this name.
fn element<'a>(xml: &'a [u8], name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = [b"<", name].concat();
    let rest = memmem::find_iter(xml, &start)
        .map(|at| &xml[at + start.len()..])
        .find(|rest| rest.first().is_some_and(|byte| *byte == b'>' || byte.is_ascii_whitespace()))?;
    let (attributes, rest) = rest.split_at(memchr::memchr(b'>', rest)?);
    Some((attributes, &rest[1..memchr::memchr(b'<', rest)?]))
}

fn attribute<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = [b" ", name, b"="].concat();
    let value = &tag[memmem::find(tag, &start)? + start.len()..];
    let (&quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    Some(&value[..memchr::memchr(quote, value)?])
}

fn without(bytes: &[u8], start: &[u8], end: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memmem::find(rest, start) {
        result.extend_from_slice(&rest[..at]);
        rest = memmem::find(&rest[at..], end).map_or(&[], |length| &rest[at + length + end.len()..]);
    }
    result.extend_from_slice(rest);
    result
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

/// `config.v2.json` of a container of Docker.
pub fn docker(json: &[u8]) -> Option<VirtualGuest> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Container {
        #[serde(rename = "ID")]
        id: String,
        name: String,
        config: Option<Config>,
        state: Option<State>,
        network_settings: Option<Networks>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        image: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct State {
        running: Option<bool>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Networks {
        networks: Option<BTreeMap<String, Network>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Network {
        mac_address: Option<String>,
    }
    let found: Container = serde_json::from_slice(json).ok()?;
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let macs = networks.into_values().filter_map(|network| mac(network.mac_address?.as_bytes()));
    Some(VirtualGuest {
        technology: "docker".to_owned(),
        name: clean(found.name.trim_start_matches('/').as_bytes())?,
        id: clean(found.id.as_bytes()),
        macs: sorted(macs.collect()),
        image: found.config.and_then(|config| clean(config.image?.as_bytes())),
        running: found.state.and_then(|state| state.running),
        ..VirtualGuest::default()
    })
}

/// `containers.json` of Podman's storage, which lists every container.
pub fn podman(json: &[u8]) -> Vec<VirtualGuest> {
    #[derive(Deserialize)]
    struct Container {
        id: String,
        #[serde(default)]
        names: Vec<String>,
        metadata: Option<String>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "image-name")]
        image_name: Option<String>,
        /// CRI-O's, which keeps its containers in the same place.
        #[serde(rename = "pod-name")]
        pod_name: Option<String>,
        #[serde(rename = "pod-id")]
        pod_id: Option<String>,
    }
    let containers: Vec<Container> = serde_json::from_slice(json).unwrap_or_default();
    let guest = |found: Container| {
        let metadata = found.metadata.and_then(|text| serde_json::from_str::<Metadata>(&text).ok());
        let is_of_pod = metadata.as_ref().is_some_and(|metadata| metadata.pod_id.is_some() && metadata.pod_name.is_some());
        Some(VirtualGuest {
            technology: if is_of_pod { "cri-o" } else { "podman" }.to_owned(),
            name: clean(found.names.first().unwrap_or(&found.id).as_bytes())?,
            id: clean(found.id.as_bytes()),
            image: metadata.and_then(|metadata| clean(metadata.image_name?.as_bytes())),
            ..VirtualGuest::default()
        })
    };
    containers.into_iter().filter_map(guest).collect()
}

/// `config` of a container of LXC: `KEY = VALUE`.
pub fn lxc(bytes: &[u8], directory: &str) -> VirtualGuest {
    let mut found = VirtualGuest { technology: "lxc".to_owned(), name: directory.to_owned(), ..VirtualGuest::default() };
    for (key, value) in settings(bytes, b'=') {
        match key {
            b"lxc.uts.name" | b"lxc.utsname" => found.name = clean(value).unwrap_or(found.name),
            b"lxc.start.auto" => found.autostart = Some(value == b"1"),
            key if key.starts_with(b"lxc.net") && key.ends_with(b".hwaddr") => found.macs.extend(mac(value)),
            _ => {}
        }
    }
    found.macs = sorted(found.macs);
    found
}

/// A guest of Proxmox, from `/etc/pve/qemu-server/ID.conf` or `/etc/pve/lxc/ID.conf`: `KEY: VALUE`, snapshots below in brackets.
pub fn proxmox(bytes: &[u8], technology: &str, id: &str) -> VirtualGuest {
    let mut found =
        VirtualGuest { technology: technology.to_owned(), name: id.to_owned(), id: Some(id.to_owned()), ..VirtualGuest::default() };
    let (mut sockets, mut cores) = (1, None);
    for (key, value) in settings(bytes, b':') {
        let parts = || value.split(|&byte| byte == b',').filter_map(|part| part.split_at_checked(memchr::memchr(b'=', part)?));
        match key {
            b"name" | b"hostname" => found.name = clean(value).unwrap_or(found.name),
            b"memory" => found.memory_bytes = number::<u64>(value).and_then(|mebibytes| mebibytes.checked_mul(1 << 20)),
            b"sockets" => sockets = number(value).unwrap_or(1),
            b"cores" => cores = number::<u32>(value),
            b"onboot" => found.autostart = Some(value == b"1"),
            b"smbios1" => {
                let uuid = parts().find(|(key, _)| *key == b"uuid").and_then(|(_, uuid)| clean(&uuid[1..]));
                found.uuid = uuid.map(|uuid| uuid.to_ascii_lowercase());
            }
            // `virtio=MAC,bridge=…` for machines, `name=eth0,hwaddr=MAC,…` for containers.
            key if key.strip_prefix(b"net").is_some_and(|rest| rest.iter().all(u8::is_ascii_digit)) => {
                found.macs.extend(parts().filter_map(|(_, value)| mac(&value[1..])));
            }
            _ => {}
        }
    }
    found.cpus = cores.and_then(|cores| cores.checked_mul(sockets));
    found.macs = sorted(found.macs);
    found
}

/// Keys and values, up to the first section.
fn settings(bytes: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(bytes).map(<[u8]>::trim_ascii).take_while(|line| !line.starts_with(b"[")).filter_map(move |line| {
        let at = memchr::memchr(separator, line)?;
        (!line.starts_with(b"#")).then(|| (line[..at].trim_ascii(), line[at + 1..].trim_ascii()))
    })
}

/// A MAC address, lower case with colons.
pub(super) fn mac(text: &[u8]) -> Option<String> {
    let is_mac = text.len() == 17
        && text.iter().enumerate().all(|(at, byte)| if at % 3 == 2 { matches!(byte, b':' | b'-') } else { byte.is_ascii_hexdigit() });
    is_mac.then(|| String::from_utf8_lossy(text).to_ascii_lowercase().replace('-', ":"))
}

pub(super) fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirt_domains() {
        let xml = b"<!--\nWARNING: <name>no</name>\n-->\n<domain type='kvm'>\n  <metadata><x:name>no</x:name><name>no</name></metadata>\n\
            <name>db&amp;01</name>\n  <uuid>4C4C4544-0035-3010-8056-B4C04F4D3231</uuid>\n  <memory unit='GiB'>4</memory>\n\
            <vcpu placement='static'>2</vcpu>\n <mac address='52:54:00:AB:CD:EF'/><graphics passwd='secret'/>\n</domain>";
        let found = libvirt(xml).unwrap();
        assert_eq!((found.name.as_str(), found.uuid.as_deref()), ("db&01", Some("4c4c4544-0035-3010-8056-b4c04f4d3231")));
        assert_eq!(
            (found.memory_bytes, found.cpus, found.macs.as_slice()),
            (Some(4 << 30), Some(2), &["52:54:00:ab:cd:ef".to_owned()][..])
        );
        assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
        assert_eq!(libvirt(b"<network></network>"), None);
    }

    #[test]
    fn containers_come_without_their_environment() {
        let json = br#"{"ID":"4f2a","Name":"/web","Config":{"Image":"nginx:1.27","Env":["PASSWORD=secret"],"Cmd":["--token=secret"]},
            "State":{"Running":true,"Pid":5},"NetworkSettings":{"Networks":{"bridge":{"MacAddress":"02:42:AC:11:00:02"},"none":{"MacAddress":""}}}}"#;
        let found = docker(json).unwrap();
        assert_eq!((found.name.as_str(), found.image.as_deref(), found.running), ("web", Some("nginx:1.27"), Some(true)));
        assert_eq!((found.id.as_deref(), found.macs.as_slice()), (Some("4f2a"), &["02:42:ac:11:00:02".to_owned()][..]));
        assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
        assert_eq!(docker(b"{}"), None);
        let json = br#"[{"id":"9b1c","names":["cache"],"metadata":"{\"image-name\":\"docker.io/library/redis:7\"}"},{"id":"77aa"}]"#;
        let of_pod = br#"[{"id":"1","names":["k8s_web"],"metadata":"{\"pod-name\":\"p\",\"pod-id\":\"x\"}"}]"#;
        assert_eq!(podman(of_pod)[0].technology, "cri-o");
        let found: Vec<_> = podman(json).into_iter().map(|guest| (guest.name, guest.image)).collect();
        assert_eq!(found, [("cache".into(), Some("docker.io/library/redis:7".into())), ("77aa".into(), None)]);
    }

    #[test]
    fn lxc_and_proxmox() {
        let found =
            lxc(b"# x\nlxc.uts.name = mail\nlxc.net.0.hwaddr = 00:16:3E:aa:bb:cc\nlxc.start.auto = 1\nlxc.environment = P=secret\n", "m");
        assert_eq!(
            (found.name.as_str(), found.macs.as_slice(), found.autostart),
            ("mail", &["00:16:3e:aa:bb:cc".to_owned()][..], Some(true))
        );
        let conf = b"#note\ncores: 4\nsockets: 2\nmemory: 2048\nname: web1\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\nonboot: 1\n\
            smbios1: uuid=4C4C4544-0000-0000-0000-000000000001,serial=x\ncipassword: secret\n\n[before]\nname: old\n";
        let found = proxmox(conf, "proxmox_qemu", "100");
        assert_eq!((found.name.as_str(), found.cpus, found.memory_bytes), ("web1", Some(8), Some(2 << 30)));
        assert_eq!((found.macs.as_slice(), found.autostart), (&["bc:24:11:00:00:01".to_owned()][..], Some(true)));
        assert_eq!(found.uuid.as_deref(), Some("4c4c4544-0000-0000-0000-000000000001"));
        assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "(<|</|<!--|-->|>|name|mac|memory| unit=|'|\"|uuid|x|[ :=,\n]){0,32}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                libvirt(bytes);
                docker(bytes);
                podman(bytes);
                lxc(bytes, "a");
                proxmox(bytes, "proxmox_lxc", "1");
            }
        }
    }
}

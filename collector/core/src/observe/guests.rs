use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::wire::v1::{Identity, Network, PlatformKind, VirtualGuests};

use super::is_placeholder;

/// Ids by which a guest is known on its host and knows itself: `uuid:…` of its SMBIOS, `mac:…`, `container:` and the beginning of its id.
pub type GuestHandles = BTreeSet<String>;

/// Letters of a container's id that its host name is made of.
const CONTAINER_ID: usize = 12;

/// The guests that run on a machine: name and technology, and what each is known by. One that is known to be stopped is none: while a guest is
/// moved, two hosts have it, and one runs it.
pub(super) fn read(guests: &VirtualGuests) -> BTreeMap<String, GuestHandles> {
    let running = guests.guests.iter().filter(|guest| guest.running != Some(false));
    let named = running.map(|guest| {
        let uuid = guest.uuid.as_deref().and_then(uuid);
        let id = guest.id.as_deref().and_then(container);
        let macs = guest.macs.iter().filter_map(|mac| self::mac(mac));
        (format!("{} {}", guest.technology, guest.name), uuid.into_iter().chain(id).chain(macs).collect::<GuestHandles>())
    });
    named.filter(|(_, handles)| !handles.is_empty()).collect()
}

/// What a machine that is a guest knows itself by.
pub(super) fn own(identity: Option<&Identity>, network: Option<&Network>) -> GuestHandles {
    let kind = identity.and_then(|identity| identity.platform.as_ref()).map(|platform| platform.kind);
    let (Some(identity), Some(kind @ (PlatformKind::VirtualMachine | PlatformKind::Container))) = (identity, kind) else {
        return GuestHandles::new();
    };
    let mut handles = GuestHandles::new();
    if kind == PlatformKind::VirtualMachine {
        handles.extend(identity.smbios_uuid.as_deref().and_then(uuid));
        handles.extend(identity.smbios_uuid.as_deref().and_then(|text| uuid(&swapped(text)?)));
    } else {
        handles.extend(container(&identity.hostname));
    }
    // A bridge or tunnel of the guest's own is not what its host gave it.
    let interfaces = network.map(|network| network.interfaces.as_slice()).unwrap_or_default();
    let given = interfaces.iter().filter(|interface| matches!(interface.kind.as_str(), "ethernet" | "veth"));
    handles.extend(given.filter_map(|interface| mac(interface.mac.as_deref()?)));
    handles
}

fn uuid(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let is_uuid = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (is_uuid && !is_placeholder(&text)).then(|| format!("uuid:{text}"))
}

/// The first three parts with their bytes in the other order: firmware before SMBIOS 2.6 wrote them so.
fn swapped(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    let [a, b, c, d, e] = parts[..] else { return None };
    let turned = |part: &str| {
        let bytes: Option<Vec<&str>> = (0..part.len()).step_by(2).map(|at| part.get(at..at + 2)).collect();
        bytes.map(|bytes| bytes.into_iter().rev().collect::<String>())
    };
    Some([turned(a)?, turned(b)?, turned(c)?, d.to_owned(), e.to_owned()].join("-"))
}

fn mac(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase().replace('-', ":");
    let is_mac = text.len() == 17 && text.split(':').all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (is_mac && !is_placeholder(&text)).then(|| format!("mac:{text}"))
}

fn container(text: &str) -> Option<String> {
    let id = text.get(..CONTAINER_ID).filter(|_| text.len() == CONTAINER_ID || text.len() == 64)?;
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| format!("container:{}", id.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_ids_and_nothing_else() {
        assert_eq!(swapped("00112233-4455-6677-8899-aabbccddeeff").as_deref(), Some("33221100-5544-7766-8899-aabbccddeeff"));
        for text in ["é-é-é-é-é", "aé-b-c-d-e", "", "a-b"] {
            assert_eq!(swapped(text).and_then(|text| uuid(&text)), None, "{text}");
        }
        assert_eq!(container("0123456789ab").as_deref(), Some("container:0123456789ab"));
        for text in ["web-server-1", "0123456789abc", "dead", ""] {
            assert_eq!(container(text), None, "{text}");
        }
        assert_eq!(mac("52-54-00-12-34-56").as_deref(), Some("mac:52:54:00:12:34:56"));
        assert_eq!((mac("00:00:00:00:00:00"), mac("x"), uuid("not-a-uuid")), (None, None, None));
    }
}

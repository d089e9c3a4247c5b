//! LLDP (IEEE 802.1AB) as systemd-networkd keeps it: `/run/systemd/netif/lldp/N`, the frames received on interface number N,
//! each after its length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rollcall_shared::wire::v1::LldpNeighbour;

use super::text::clean;

/// Each frame's sender, without the interface. What is damaged ends the list.
pub fn saved(mut bytes: &[u8]) -> Vec<LldpNeighbour> {
    const LENGTH: usize = 8;
    const MOST: usize = 64;
    let mut found = Vec::new();
    while let Some(length) = bytes.get(..LENGTH).and_then(|length| length.try_into().ok()).map(u64::from_le_bytes) {
        let Some(end) = usize::try_from(length).ok().and_then(|length| length.checked_add(LENGTH)) else { break };
        let Some(frame) = bytes.get(LENGTH..end) else { break };
        found.extend(neighbour(frame));
        bytes = &bytes[end..];
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// The sender of one Ethernet frame.
pub fn neighbour(frame: &[u8]) -> Option<LldpNeighbour> {
    const ADDRESSES: usize = 12;
    const LLDP: [u8; 2] = [0x88, 0xcc];
    let mut rest = frame.get(ADDRESSES..)?.strip_prefix(&LLDP)?;
    let mut found = LldpNeighbour::default();
    // Seven bits of type, nine of length.
    while let &[high, low, ref tail @ ..] = rest {
        let Some(value) = tail.get(..usize::from(high & 1) << 8 | usize::from(low)) else { break };
        rest = &tail[value.len()..];
        match high >> 1 {
            0 => break,
            1 => found.chassis_id = chassis_id(value),
            2 => found.port_id = port_id(value),
            4 => found.port_description = clean(value),
            5 => found.system_name = clean(value),
            6 => found.system_description = clean(value),
            8 => found.management_address = found.management_address.or(management_address(value)),
            127 => {
                if let Some(&[high, low]) = value.strip_prefix(&[0x00, 0x80, 0xc2, 0x01]) {
                    found.vlan_id = Some(u16::from_be_bytes([high, low])).filter(|&id| id != 0);
                }
            }
            _ => {}
        }
    }
    (found.chassis_id.is_some() && found.port_id.is_some()).then_some(found)
}

fn chassis_id(value: &[u8]) -> Option<String> {
    match value {
        [4, mac @ ..] => mac_text(mac),
        [5, address @ ..] => network_address(address).map(|address| address.to_string()),
        [_, text @ ..] => clean(text),
        [] => None,
    }
}

fn port_id(value: &[u8]) -> Option<String> {
    match value {
        [3, mac @ ..] => mac_text(mac),
        [4, address @ ..] => network_address(address).map(|address| address.to_string()),
        [_, text @ ..] => clean(text),
        [] => None,
    }
}

/// Length of what follows, then an address, then more that is not needed.
fn management_address(value: &[u8]) -> Option<IpAddr> {
    let (&length, rest) = value.split_first()?;
    network_address(rest.get(..usize::from(length))?)
}

/// Family, then address.
fn network_address(value: &[u8]) -> Option<IpAddr> {
    match value {
        [1, address @ ..] => <[u8; 4]>::try_from(address).ok().map(|v4| IpAddr::V4(Ipv4Addr::from(v4))),
        [2, address @ ..] => <[u8; 16]>::try_from(address).ok().map(|v6| IpAddr::V6(Ipv6Addr::from(v6))),
        _ => None,
    }
}

fn mac_text(mac: &[u8]) -> Option<String> {
    (mac.len() == 6).then(|| mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: u8, bytes: &[u8]) -> Vec<u8> {
        let head = u16::from(kind) << 9 | u16::try_from(bytes.len()).unwrap();
        [&head.to_be_bytes()[..], bytes].concat()
    }

    fn frame() -> Vec<u8> {
        [
            &[0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc][..],
            &value(1, &[4, 0x02, 0, 0, 0, 0xaa, 0xbb]),
            &value(2, b"\x05GigabitEthernet1/0/7"),
            &value(3, &[0, 120]),
            &value(4, b"to rack 7"),
            &value(5, b"switch-7"),
            &value(8, &[5, 1, 192, 0, 2, 7, 2, 0, 0, 0, 1, 0]),
            &value(127, &[0x00, 0x80, 0xc2, 0x01, 0, 42]),
            &value(0, &[]),
        ]
        .concat()
    }

    #[test]
    fn a_switch_tells_its_port() {
        let frame = frame();
        let file = [&(frame.len() as u64).to_le_bytes()[..], &frame, &[9, 0, 0, 0, 0, 0, 0, 0, 1]].concat();
        let [found] = &saved(&file)[..] else { panic!("not one") };
        assert_eq!((found.chassis_id.as_deref(), found.port_id.as_deref()), (Some("02:00:00:00:aa:bb"), Some("GigabitEthernet1/0/7")));
        assert_eq!((found.system_name.as_deref(), found.port_description.as_deref()), (Some("switch-7"), Some("to rack 7")));
        assert_eq!((found.management_address, found.vlan_id), (Some("192.0.2.7".parse().unwrap()), Some(42)));
    }

    #[test]
    fn every_truncation_is_survived() {
        let whole = frame();
        for cut in 0..whole.len() {
            neighbour(&whole[..cut]);
        }
        assert_eq!(saved(&[0xff; 16]), []);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            saved(&bytes);
            neighbour(&[&frame()[..14], &bytes].concat());
        }
    }
}

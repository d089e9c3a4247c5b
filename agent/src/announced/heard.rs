//! A bounded table of the devices that were heard.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use rollcall_shared::wire::v1::Announced;

use crate::{
    parse::{mdns, ssdp},
    redact,
};

/// What a message is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// Multicast DNS.
    Mdns,
    /// UPnP's discovery.
    Ssdp,
}

/// The devices, by address.
#[derive(Debug, Default)]
pub struct Heard {
    devices: BTreeMap<IpAddr, Device>,
    changed: bool,
}

#[derive(Debug)]
struct Device {
    says: Announced,
    last: Instant,
}

/// Devices that are remembered. Who floods the network with invented ones keeps others out, and no more.
const MOST_DEVICES: usize = 512;
/// Kinds of services of one device.
const MOST_SERVICES: usize = 16;
/// The longest name, model or software that is kept, characters.
const LONGEST: usize = 120;
/// After this long without a word a device is forgotten: they repeat themselves every hour or so.
const FORGET: Duration = Duration::from_secs(24 * 3_600);

impl Heard {
    /// These were heard before; they are remembered as if that were now.
    pub fn new(before: Vec<Announced>, now: Instant) -> Self {
        let known = before.into_iter().filter(|says| is_device(says.address)).take(MOST_DEVICES);
        Self { devices: known.map(|says| (says.address, Device { says, last: now })).collect(), changed: false }
    }

    /// Takes in a message. What is not understood is nothing.
    pub fn hear(&mut self, tongue: Tongue, sender: IpAddr, message: &[u8], now: Instant) {
        let sender = sender.to_canonical();
        if !is_device(sender) {
            return;
        }
        let says = match tongue {
            Tongue::Mdns => mdns::announcement(message, sender).map(|said| Announced {
                address: sender,
                name: said.name.as_deref().and_then(short),
                model: said.model.as_deref().and_then(short),
                software: None,
                services: said.services,
            }),
            Tongue::Ssdp => ssdp::notice(message).map(|said| Announced {
                address: sender,
                name: None,
                model: None,
                software: said.software.as_deref().and_then(short),
                services: said.service.as_deref().and_then(short).into_iter().collect(),
            }),
        };
        if let Some(says) = says {
            self.note(says, now);
        }
    }

    fn note(&mut self, says: Announced, now: Instant) {
        let is_room = self.devices.len() < MOST_DEVICES;
        let Some(known) = self.devices.get_mut(&says.address) else {
            if is_room {
                self.devices.insert(says.address, Device { says, last: now });
                self.changed = true;
            }
            return;
        };
        known.last = now;
        let before = known.says.clone();
        let merged = &mut known.says;
        merged.name = says.name.or(merged.name.take());
        merged.model = says.model.or(merged.model.take());
        merged.software = says.software.or(merged.software.take());
        for service in says.services {
            if merged.services.len() < MOST_SERVICES && !merged.services.contains(&service) {
                merged.services.push(service);
            }
        }
        merged.services.sort_unstable();
        self.changed |= *merged != before;
    }

    /// All devices by address, if that is something else than at the last call; those long silent are forgotten.
    pub fn changed(&mut self, now: Instant) -> Option<Vec<Announced>> {
        let before = self.devices.len();
        self.devices.retain(|_, device| now.saturating_duration_since(device.last) < FORGET);
        let changed = std::mem::take(&mut self.changed) || self.devices.len() != before;
        changed.then(|| self.devices.values().map(|device| device.says.clone()).collect())
    }
}

fn is_device(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}

/// Cut to what is worth keeping; a secret that a device announces is nobody's business either.
fn short(text: &str) -> Option<String> {
    let text: String = redact::text(text).chars().take(LONGEST).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssdp(kind: &str) -> Vec<u8> {
        format!("NOTIFY * HTTP/1.1\r\nNT: {kind}\r\nNTS: ssdp:alive\r\nSERVER: Linux UPnP/1.0 Box/1\r\n\r\n").into_bytes()
    }

    #[test]
    fn what_a_device_says_adds_up_and_only_changes_are_told() {
        let now = Instant::now();
        let mut heard = Heard::default();
        assert_eq!(heard.changed(now), None);
        let sender: IpAddr = "::ffff:192.168.1.9".parse().unwrap();
        for kind in ["urn:b", "urn:a", "urn:b"] {
            heard.hear(Tongue::Ssdp, sender, &ssdp(kind), now);
        }
        let [device] = heard.changed(now).unwrap().try_into().unwrap();
        assert_eq!((device.address, device.software.as_deref()), ("192.168.1.9".parse().unwrap(), Some("Linux UPnP/1.0 Box/1")));
        assert_eq!(device.services, ["urn:a", "urn:b"]);
        heard.hear(Tongue::Ssdp, sender, &ssdp("urn:a"), now);
        assert_eq!(heard.changed(now), None);
        assert_eq!(heard.changed(now + FORGET), Some(Vec::new()), "long silent");
    }

    #[test]
    fn floods_are_bounded() {
        let now = Instant::now();
        let mut heard = Heard::default();
        for n in 0..2_000u32 {
            let sender = std::net::Ipv4Addr::from_bits(0x0a00_0001 + n).into();
            heard.hear(Tongue::Ssdp, sender, &ssdp("urn:a"), now);
            heard.hear(Tongue::Ssdp, "10.0.0.1".parse().unwrap(), &ssdp(&format!("urn:{n}")), now);
            heard.hear(Tongue::Mdns, sender, &ssdp("urn:a"), now);
        }
        let devices = heard.changed(now).unwrap();
        assert_eq!((devices.len(), devices[0].services.len()), (MOST_DEVICES, MOST_SERVICES));
        for sender in ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.251"] {
            heard.hear(Tongue::Ssdp, sender.parse().unwrap(), &ssdp("urn:a"), now);
        }
        assert_eq!(heard.changed(now), None);
    }
}

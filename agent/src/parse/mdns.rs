//! What a device announces by multicast DNS (RFC 6762) and DNS-based service discovery (RFC 6763). Any device on the network may
//! send any bytes, so everything is bounded, and a message is believed only about whoever sent it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::clean;

/// What one message says of its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Its host name, without `.local`.
    pub name: Option<String>,
    /// What it is, by its maker's name for it.
    pub model: Option<String>,
    /// Kinds of services that it offers, such as `_ipp._tcp`; without double entries.
    pub services: Vec<String>,
}

/// Records of one message that are read.
const MOST_RECORDS: usize = 256;
/// Kinds of services of one message.
const MOST_SERVICES: usize = 16;

const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// Reads a message that came from `sender`; `None` for questions and for what is no such message.
pub fn announcement(message: &[u8], sender: IpAddr) -> Option<Announcement> {
    const HEADER: usize = 12;
    const RESPONSE: u16 = 0x8000;
    const ERROR: u16 = 0x000f;
    let flags = u16_at(message, 2)?;
    if flags & RESPONSE == 0 || flags & ERROR != 0 {
        return None;
    }
    let count = |at: usize| u16_at(message, at).map(usize::from);
    let (questions, records) = (count(4)?, count(6)? + count(8)? + count(10)?);
    let mut at = HEADER;
    for _ in 0..questions.min(MOST_RECORDS) {
        let (_, next) = name(message, at)?;
        at = next + 4;
    }
    let mut found = Announcement::default();
    for _ in 0..records.min(MOST_RECORDS) {
        // What was understood before the damage stands.
        let Some((record, next)) = record(message, at) else { break };
        found.learn(message, &record, sender);
        at = next;
    }
    found.services.sort_unstable();
    (found != Announcement::default()).then_some(found)
}

struct Record {
    owner: Name,
    kind: u16,
    /// How long it holds, seconds; 0 takes it back.
    lifetime: u32,
    /// Where its data is.
    data: std::ops::Range<usize>,
}

impl Announcement {
    fn learn(&mut self, message: &[u8], record: &Record, sender: IpAddr) {
        let Some(data) = message.get(record.data.clone()) else { return };
        if record.lifetime == 0 {
            return;
        }
        match record.kind {
            A => self.address(record, <[u8; 4]>::try_from(data).ok().map(|bytes| Ipv4Addr::from(bytes).into()), sender),
            AAAA => self.address(record, <[u8; 16]>::try_from(data).ok().map(|bytes| Ipv6Addr::from(bytes).into()), sender),
            PTR => {
                // The list of all kinds points to kinds, a kind to those that offer it.
                let lists_kinds = record.owner.0.first().is_some_and(|label| label == b"_services");
                let target = if lists_kinds { name(message, record.data.start).map(|(target, _)| target) } else { None };
                self.service(target.as_ref().unwrap_or(&record.owner));
            }
            SRV => self.service(&record.owner),
            TXT => {
                self.service(&record.owner);
                self.model = self.model.take().or_else(|| model(data));
            }
            _ => {}
        }
    }

    fn address(&mut self, record: &Record, address: Option<IpAddr>, sender: IpAddr) {
        if address == Some(sender)
            && let [host, domain] = record.owner.0.as_slice()
            && domain.eq_ignore_ascii_case(b"local")
        {
            self.name = self.name.take().or_else(|| clean(host));
        }
    }

    /// Notes the kind in `Office printer._ipp._tcp.local`.
    fn service(&mut self, owner: &Name) {
        let [.., kind, transport, domain] = owner.0.as_slice() else { return };
        let is_kind = is_kind(kind) && (transport == b"_tcp" || transport == b"_udp") && domain.eq_ignore_ascii_case(b"local");
        if !is_kind || kind == b"_dns-sd" || self.services.len() >= MOST_SERVICES {
            return;
        }
        let service = format!("{}.{}", String::from_utf8_lossy(kind), String::from_utf8_lossy(transport)).to_ascii_lowercase();
        if !self.services.contains(&service) {
            self.services.push(service);
        }
    }
}

/// `_` and a name of a service (RFC 6335).
fn is_kind(label: &[u8]) -> bool {
    const LONGEST: usize = 16;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    label.len() <= LONGEST && label.strip_prefix(b"_").is_some_and(|rest| !rest.is_empty() && rest.iter().all(allowed))
}

/// The model in a list of `name=value`, each after its length: printers say `ty`, others `md` or `model`.
fn model(mut data: &[u8]) -> Option<String> {
    const NAMES: [&[u8]; 4] = [b"ty", b"md", b"model", b"am"];
    let mut best: Option<(usize, String)> = None;
    while let Some((&length, rest)) = data.split_first() {
        let Some(entry) = rest.get(..usize::from(length)) else { break };
        data = rest.get(entry.len()..).unwrap_or_default();
        let Some(equals) = memchr::memchr(b'=', entry) else { continue };
        let (name, value) = entry.split_at(equals);
        let rank = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known));
        let value = value.get(1..).and_then(clean);
        if let (Some(rank), Some(value)) = (rank, value)
            && best.as_ref().is_none_or(|(known, _)| rank < *known)
        {
            best = Some((rank, value));
        }
    }
    best.map(|(_, model)| model)
}

fn record(message: &[u8], at: usize) -> Option<(Record, usize)> {
    let (owner, at) = name(message, at)?;
    let kind = u16_at(message, at)?;
    let lifetime = u32::from(u16_at(message, at + 4)?) << 16 | u32::from(u16_at(message, at + 6)?);
    let start = at + 10;
    let end = start + usize::from(u16_at(message, at + 8)?);
    (end <= message.len()).then_some((Record { owner, kind, lifetime, data: start..end }, end))
}

/// The labels of a name.
struct Name(Vec<Vec<u8>>);

/// The name at `at`, and where it ends.
fn name(message: &[u8], mut at: usize) -> Option<(Name, usize)> {
    const LONGEST: usize = 255;
    const MOST_POINTERS: usize = 16;
    let mut labels = Vec::new();
    let (mut length, mut pointers, mut end) = (0, 0, None);
    loop {
        let first = *message.get(at)?;
        match first >> 6 {
            0 if first == 0 => return Some((Name(labels), end.unwrap_or(at + 1))),
            0 => {
                let label = message.get(at + 1..at + 1 + usize::from(first))?;
                length += label.len() + 1;
                if length > LONGEST {
                    return None;
                }
                labels.push(label.to_vec());
                at += 1 + label.len();
            }
            3 => {
                let target = usize::from(u16_at(message, at)? & 0x3fff);
                end = end.or(Some(at + 2));
                pointers += 1;
                // Only backwards: a name is written before it is pointed to, and none is a circle.
                if target >= at || pointers > MOST_POINTERS {
                    return None;
                }
                at = target;
            }
            _ => return None,
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: &str = "192.168.1.20";

    fn labels(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for label in name.split('/') {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    fn record(owner: &str, kind: u16, lifetime: u32, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&labels(owner)[..], &kind.to_be_bytes(), &[0, 1], &lifetime.to_be_bytes(), &length.to_be_bytes(), data].concat()
    }

    fn message(records: &[Vec<u8>]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap();
        [&[0, 0, 0x84, 0, 0, 0][..], &count.to_be_bytes(), &[0; 4], &records.concat()].concat()
    }

    fn read(records: &[Vec<u8>]) -> Option<Announcement> {
        announcement(&message(records), SENDER.parse().unwrap())
    }

    #[test]
    fn a_printer_says_what_it_is() {
        let found = read(&[
            record("_ipp/_tcp/local", PTR, 4_500, &labels("Office printer/_ipp/_tcp/local")),
            record("_services/_dns-sd/_udp/local", PTR, 4_500, &labels("_http/_tcp/local")),
            record("Office printer/_ipp/_tcp/local", SRV, 120, &[&[0, 0, 0, 0, 2, 0x77][..], &labels("PRN1/local")].concat()),
            record("Office printer/_ipp/_tcp/local", TXT, 4_500, b"\x09txtvers=1\x05md=no\x11ty=Laser 4000 MFP"),
            record("PRN1/local", A, 120, &[192, 168, 1, 20]),
        ]);
        let services = vec!["_http._tcp".to_owned(), "_ipp._tcp".to_owned()];
        assert_eq!(found, Some(Announcement { name: Some("PRN1".into()), model: Some("Laser 4000 MFP".into()), services }));
    }

    #[test]
    fn what_it_says_of_others_and_what_it_takes_back_is_not_noted() {
        assert_eq!(read(&[record("router/local", A, 120, &[192, 168, 1, 1])]), None);
        assert_eq!(read(&[record("PRN1/local", A, 0, &[192, 168, 1, 20])]), None);
        assert_eq!(read(&[record("a.b/example", A, 120, &[192, 168, 1, 20])]), None);
        let question = [&message(&[])[..2], &[0, 0], &message(&[])[4..]].concat();
        assert_eq!(announcement(&question, SENDER.parse().unwrap()), None);
    }

    #[test]
    fn names_may_point_back_and_never_round() {
        let mut bytes = message(&[record("PRN1/local", A, 120, &[192, 168, 1, 20])]);
        let at = bytes.len();
        // A second record, whose name points to the first one's.
        bytes.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 120, 0, 0]);
        bytes[7] = 2;
        assert_eq!(announcement(&bytes, SENDER.parse().unwrap()).and_then(|found| found.name).as_deref(), Some("PRN1"));
        // One that points to itself ends the reading; what came before stands.
        bytes[at + 1] = u8::try_from(at).unwrap();
        assert!(announcement(&bytes, SENDER.parse().unwrap()).is_some());
        let circle = [&message(&[])[..6], &[0, 1, 0, 0, 0, 0, 0xc0, 12]].concat();
        assert_eq!(announcement(&circle, SENDER.parse().unwrap()), None);
    }

    #[test]
    fn a_flood_of_services_is_bounded() {
        let records: Vec<_> = (0..100).map(|n| record(&format!("_s{n}/_tcp/local"), SRV, 120, &[])).collect();
        assert_eq!(read(&records).map(|found| found.services.len()), Some(MOST_SERVICES));
        assert_eq!(read(&[record("_x y/_tcp/local", SRV, 120, &[])]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_message_panics(bytes: Vec<u8>, tail: Vec<u8>) {
            announcement(&bytes, SENDER.parse().unwrap());
            announcement(&[&[0, 0, 0x84, 0, 0, 1, 0, 9, 0, 9, 0, 9][..], &tail].concat(), SENDER.parse().unwrap());
        }
    }
}

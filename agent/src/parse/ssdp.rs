//! What a device announces by SSDP, the discovery of UPnP: lines as of HTTP in one datagram.

use super::text::{clean, lines};

/// One announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The kind of device or service, such as `urn:schemas-upnp-org:device:MediaRenderer:1`; none where it only names itself.
    pub service: Option<String>,
    /// The software that it runs, in its own words: system, UPnP version, product.
    pub software: Option<String>,
}

/// Lines of one message that are read.
const MOST_LINES: usize = 64;
/// The longest kind and name of software that are taken.
const LONGEST: usize = 200;

/// Reads a message; `None` for searches, for those that say farewell, and for what is no such message.
pub fn notice(message: &[u8]) -> Option<Notice> {
    let mut lines = lines(message);
    if lines.next()?.trim_ascii() != b"NOTIFY * HTTP/1.1" {
        return None;
    }
    let mut found = Notice { service: None, software: None };
    let mut alive = false;
    for line in lines.take(MOST_LINES) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match name.trim_ascii().to_ascii_uppercase().as_slice() {
            b"NTS" => alive = value == b"ssdp:alive",
            b"NT" => found.service = clean(value).filter(|kind| kind.starts_with("urn:") && kind.len() <= LONGEST),
            b"SERVER" => found.software = clean(value).filter(|software| software.len() <= LONGEST),
            _ => {}
        }
    }
    alive.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_told_from_searches_and_farewells() {
        let message = |first: &str, kind: &str, state: &str| {
            format!(
                "{first}\r\nHost: 239.255.255.250:1900\r\nnt: {kind}\r\nNTS: {state}\r\nServer: Linux/5.4 UPnP/1.1 Player/2.0\r\nUSN: uuid:1\r\n\r\n"
            )
        };
        let software = Some("Linux/5.4 UPnP/1.1 Player/2.0".to_owned());
        let kind = "urn:schemas-upnp-org:device:MediaRenderer:1";
        let read = |text: String| notice(text.as_bytes());
        let expected = Notice { service: Some(kind.into()), software: software.clone() };
        assert_eq!(read(message("NOTIFY * HTTP/1.1", kind, "ssdp:alive")), Some(expected));
        assert_eq!(read(message("NOTIFY * HTTP/1.1", "uuid:1", "ssdp:alive")), Some(Notice { service: None, software }));
        assert_eq!(read(message("NOTIFY * HTTP/1.1", kind, "ssdp:byebye")), None);
        assert_eq!(read(message("M-SEARCH * HTTP/1.1", kind, "ssdp:alive")), None);
        assert_eq!(notice(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_message_panics(bytes: Vec<u8>) {
            notice(&bytes);
            notice(&[b"NOTIFY * HTTP/1.1\n".as_slice(), &bytes].concat());
        }
    }
}

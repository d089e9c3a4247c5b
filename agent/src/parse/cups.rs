//! Print queues of CUPS: `/etc/cups/printers.conf` and printer descriptions (PPD).

use rollcall_shared::wire::v1::Printer;

use super::text::{clean, lines};

/// The queues, in the order of the file. Names and passwords in their addresses are removed.
pub fn printers(bytes: &[u8]) -> Vec<Printer> {
    let mut found = Vec::new();
    let mut printer: Option<Printer> = None;
    for line in lines(bytes) {
        let Some(line) = clean(line) else { continue };
        let begins = |tag: &str| line.strip_prefix(tag)?.strip_suffix('>').map(|name| name.trim().to_owned());
        if line == "</Printer>" || line == "</DefaultPrinter>" {
            found.extend(printer.take());
        } else if let Some(name) = begins("<Printer ") {
            printer = Some(Printer { name, ..Printer::default() });
        } else if let Some(name) = begins("<DefaultPrinter ") {
            printer = Some(Printer { name, is_default: Some(true), ..Printer::default() });
        } else if let (Some(printer), Some((key, value))) = (printer.as_mut(), line.split_once(' ')) {
            let value = value.trim();
            let told = || Some(value.to_owned()).filter(|value| !value.is_empty());
            match key {
                "Info" => printer.description = told(),
                "Location" => printer.location = told(),
                "MakeModel" => printer.model = told(),
                "Shared" => printer.shared = Some(value == "Yes"),
                "DeviceURI" => (printer.uri, printer.host, printer.serial) = address(value),
                _ => {}
            }
        }
    }
    found
}

/// An address without name, password and what else is handed over with it; the host; the serial number.
fn address(uri: &str) -> (Option<String>, Option<String>, Option<String>) {
    let (place, query) = uri.split_once('?').unwrap_or((uri, ""));
    let serial = query.split(['&', '+']).find_map(|part| part.strip_prefix("serial=")).and_then(|serial| clean(serial.as_bytes()));
    let Some((scheme, rest)) = place.split_once(':') else { return (None, None, serial) };
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return (None, None, serial);
    }
    // A password may hold a slash that nobody escaped: the last at sign ends it, wherever it stands. What stood after the
    // question mark may be a part of it as well.
    let Some(authority) = rest.strip_prefix("//").filter(|_| !query.contains('@')) else {
        let is_plain = !rest.contains('@') && !query.contains('@');
        return (is_plain.then(|| format!("{scheme}:{rest}")), None, serial);
    };
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = authority.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    // The address of a printer on a cable names its maker in that place.
    let is_network = matches!(scheme, "ipp" | "ipps" | "http" | "https" | "socket" | "lpd" | "smb" | "beh");
    (Some(format!("{scheme}://{authority}")), Some(host.to_owned()).filter(|host| is_network && !host.is_empty()), serial)
}

/// Maker and model in a printer description.
pub fn ppd_model(bytes: &[u8]) -> Option<String> {
    let value = |key: &[u8]| {
        lines(bytes).find_map(|line| clean(line.strip_prefix(key)?.trim_ascii().strip_prefix(b"\"")?.split(|&byte| byte == b'"').next()?))
    };
    value(b"*NickName:").or_else(|| value(b"*ModelName:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_told_without_secrets() {
        let found = printers(
            b"# Printer configuration file\n<DefaultPrinter Office>\nInfo Office, 2nd floor\nLocation Room 214\nMakeModel HP LaserJet M404\n\
              DeviceURI ipp://anna:s/ec@ret@10.0.0.9:631/ipp/print?waitjob=false\nShared Yes\nState Idle\n</DefaultPrinter>\n\
              <Printer Desk>\nDeviceURI usb://Brother/HL-1110?serial=E1234\nShared No\nOption job-sheets none\n</Printer>\n<Printer cut",
        );
        let [office, desk] = &found[..] else { panic!("{found:?}") };
        assert_eq!((office.name.as_str(), office.is_default, office.shared), ("Office", Some(true), Some(true)));
        assert_eq!((office.uri.as_deref(), office.host.as_deref()), (Some("ipp://10.0.0.9:631/ipp/print"), Some("10.0.0.9")));
        assert_eq!(
            (desk.uri.as_deref(), desk.serial.as_deref(), desk.host.as_deref()),
            (Some("usb://Brother/HL-1110"), Some("E1234"), None)
        );
        assert!(!format!("{found:?}").contains("ec@") && !format!("{found:?}").contains("ret"));
    }

    #[test]
    fn addresses_of_all_kinds() {
        let cases = [
            ("smb://WORK;u:p@server/queue", Some("smb://server/queue"), Some("server")),
            ("socket://[fd00::9]:9100", Some("socket://[fd00::9]:9100"), Some("fd00::9")),
            ("cups-pdf:/", Some("cups-pdf:/"), None),
            ("hp:/usb/LaserJet?serial=1", Some("hp:/usb/LaserJet"), None),
            ("ipp://u:a?b@host/x", None, None),
            ("nonsense", None, None),
        ];
        for (uri, expected, host) in cases {
            let (found, found_host, _) = address(uri);
            assert_eq!((found.as_deref(), found_host.as_deref()), (expected, host), "{uri}");
        }
        assert_eq!(
            ppd_model(b"*PPD-Adobe: \"4.3\"\n*ModelName: \"M\"\n*NickName: \"HP M404, driverless\"\n").as_deref(),
            Some("HP M404, driverless")
        );
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, uri: String) {
            printers(&bytes);
            ppd_model(&bytes);
            address(&uri);
        }
        #[test]
        fn no_password_is_kept(password in "[a-zA-Z0-9:/@!#?&=]{0,12}") {
            let uri = format!("ipp://user:Q7{password}7Q@host/x");
            let found = address(&uri);
            assert!(!format!("{found:?}").contains("7Q"), "{uri}: {found:?}");
        }
    }
}

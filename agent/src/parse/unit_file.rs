//! systemd unit files.

use super::text::{clean, lines};

/// What is wanted of a unit file.
#[derive(Debug, Default, PartialEq)]
pub struct UnitFile {
    /// `Description=` of `[Unit]`, specifiers not resolved.
    pub description: Option<String>,
    /// Whether it has an `[Install]` section, without which it cannot be enabled.
    pub can_be_enabled: bool,
}

/// Reads a unit file.
pub fn unit_file(bytes: &[u8]) -> UnitFile {
    let mut found = UnitFile::default();
    let mut section: &[u8] = b"";
    for line in lines(bytes) {
        let line = line.trim_ascii();
        if line.starts_with(b"[") {
            section = line;
            found.can_be_enabled |= line == b"[Install]";
        } else if section == b"[Unit]"
            && let Some(value) = line.strip_prefix(b"Description=")
        {
            found.description = clean(value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_and_install_are_found() {
        let found = unit_file(
            b"# x\n[Unit]\nDescription=A high performance web server\n[Service]\nDescription=no\n[Install]\nWantedBy=multi-user.target\n",
        );
        assert_eq!(found, UnitFile { description: Some("A high performance web server".into()), can_be_enabled: true });
        assert_eq!(unit_file(b"Description=before any section"), UnitFile::default());
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            unit_file(&bytes);
        }
    }
}

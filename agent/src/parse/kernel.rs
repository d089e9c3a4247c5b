//! What the kernel says of itself and its modules, and the settings of what updates it.

use rollcall_shared::wire::v1::KernelModule;

use super::text::{clean, fields, lines};

/// The kernel's reasons to call itself tainted: bit, letter, word.
const TAINTS: &[(u32, u8, &str)] = &[
    (0, b'P', "proprietary_module"),
    (1, b'F', "forced_module"),
    (2, b'S', "cpu_out_of_specification"),
    (3, b'R', "forced_unload"),
    (4, b'M', "machine_check"),
    (5, b'B', "bad_page"),
    (6, b'U', "by_user"),
    (7, b'D', "died"),
    (8, b'A', "acpi_table_overridden"),
    (9, b'W', "warning"),
    (10, b'C', "staging_driver"),
    (11, b'I', "firmware_workaround"),
    (12, b'O', "out_of_tree_module"),
    (13, b'E', "unsigned_module"),
    (14, b'L', "soft_lockup"),
    (15, b'K', "live_patched"),
    (16, b'X', "auxiliary"),
    (17, b'T', "randomized_structures"),
    (18, b'N', "test"),
];

/// `/proc/sys/kernel/tainted`, in words.
pub fn taints(bits: u64) -> Vec<String> {
    TAINTS.iter().filter(|(bit, ..)| bits >> bit & 1 == 1).map(|(.., word)| (*word).to_owned()).collect()
}

/// `/proc/modules`, without versions, in the order of the file. A module's own taints stand in brackets at the end of its line.
pub fn modules(bytes: &[u8]) -> Vec<KernelModule> {
    let module = |line: &[u8]| {
        let mut words = fields(line);
        let name = clean(words.next()?)?;
        let letters = words.last().and_then(|last| last.strip_prefix(b"(")?.strip_suffix(b")")).unwrap_or_default();
        let taints = TAINTS.iter().filter(|(_, letter, _)| letters.contains(letter)).map(|(.., word)| (*word).to_owned()).collect();
        Some(KernelModule { name, version: None, taints })
    };
    lines(bytes).filter_map(module).collect()
}

/// The value of `APT::Periodic::NAME` in a file of `apt.conf.d`, if it is set there; the last one counts.
pub fn apt_periodic(bytes: &[u8], name: &str) -> Option<String> {
    let key = format!("APT::Periodic::{name}");
    let value = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let value = line.trim().strip_prefix(&key)?.trim().strip_suffix(';')?.trim().trim_matches('"').to_owned();
        (!value.is_empty()).then_some(value)
    };
    lines(bytes).filter_map(value).last()
}

/// The value of a key in a section of an ini file such as `dnf/automatic.conf`; the last one counts.
pub fn ini(bytes: &[u8], section: &str, key: &str) -> Option<String> {
    let mut found = None;
    let mut current = String::new();
    for line in lines(bytes) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = name.trim().to_owned();
        } else if current == section
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            found = clean(value.as_bytes());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_have_words() {
        assert_eq!(taints(0), Vec::<String>::new());
        assert_eq!(taints(1 | 1 << 12 | 1 << 63), ["proprietary_module", "out_of_tree_module"]);
    }

    #[test]
    fn modules_have_their_own_taints() {
        let found = modules(
            b"nvidia 56700928 2 nvidia_modeset, Live 0x0000000000000000 (POE)\nxfs 1 0 - Live 0x0\nnf_tables 303104 0 - Live 0x0000000000000000\n\n",
        );
        let found: Vec<_> = found.iter().map(|module| (module.name.as_str(), module.taints.join(","))).collect();
        let taints = "proprietary_module,out_of_tree_module,unsigned_module";
        assert_eq!(found, [("nvidia", taints.to_owned()), ("xfs", String::new()), ("nf_tables", String::new())]);
    }

    #[test]
    fn settings_are_read_where_they_count() {
        let apt =
            b"// APT::Periodic::Enable \"0\";\nAPT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"0\" ;\n";
        assert_eq!(apt_periodic(apt, "Update-Package-Lists").as_deref(), Some("1"));
        assert_eq!(apt_periodic(apt, "Unattended-Upgrade").as_deref(), Some("0"));
        assert_eq!(apt_periodic(apt, "Enable"), None);
        let dnf = b"[commands]\napply_updates = yes\n# apply_updates = no\n[email]\napply_updates = no\n";
        assert_eq!(ini(dnf, "commands", "apply_updates").as_deref(), Some("yes"));
        assert_eq!(ini(dnf, "base", "apply_updates"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, bits: u64) {
            taints(bits);
            modules(&bytes);
            apt_periodic(&bytes, "Enable");
            ini(&bytes, "a", "b");
        }
    }
}

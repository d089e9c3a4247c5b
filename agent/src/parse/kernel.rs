//! What the kernel says of itself and its modules, and the settings of what updates it.

use rollcall_shared::wire::v1::KernelModule;

use super::{
    apt_lists::compare_versions,
    text::{clean, fields, lines},
};

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

/// The newest of the installed kernels that are of the running one's flavour (`amd64`, `rt-amd64`, `aws`), named as `uname -r` names
/// them; the running one counts as one of them. `None` where none is installed, or the running one is of another make.
pub fn newest(running: &str, installed: &[String]) -> Option<String> {
    let same = installed.iter().filter(|name| flavour(name) == flavour(running));
    let newest = same.max_by(|a, b| compare_versions(a, b))?;
    Some(if compare_versions(newest, running).is_gt() { newest.clone() } else { running.to_owned() })
}

/// The words of a kernel's name behind its version, without numbers: two of one flavour replace each other.
fn flavour(name: &str) -> String {
    let words = name.split(['-', '+']).filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
    words.map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit())).collect::<Vec<_>>().join("-")
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

    #[test]
    fn the_newest_kernel_is_of_the_same_flavour() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("6.1.0-9-amd64", &["6.1.0-9-amd64", "6.1.0-37-amd64", "6.1.0-38-rt-amd64", "6.1.0-39-cloud-amd64"], Some("6.1.0-37-amd64")),
            ("6.8.5-301.fc40.x86_64", &["6.8.5-301.fc40.x86_64", "6.10.1-200.fc40.x86_64"], Some("6.10.1-200.fc40.x86_64")),
            ("5.15.0-1050-aws", &["5.15.0-1051-generic"], None),
            ("6.9.1-arch1-1", &["6.9.2-arch2-1"], Some("6.9.2-arch2-1")),
            // Its own modules were removed: it is the newest still.
            ("6.1.0-40-amd64", &["6.1.0-37-amd64"], Some("6.1.0-40-amd64")),
            ("6.1.0", &[], None),
        ];
        for (running, installed, expected) in cases {
            let installed: Vec<String> = installed.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(newest(running, &installed).as_deref(), *expected, "{running}");
        }
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

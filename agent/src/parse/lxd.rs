//! `backup.yaml` of an instance of LXD or Incus, which either writes beside the instance's files.

use rollcall_shared::wire::v1::VirtualGuest;

use super::{
    guests::{mac, sorted},
    text::{clean, lines, number},
};

/// An instance. It has the name of its directory, which a project's name may precede; `technology` is `lxd` or `incus`. Of its
/// settings, among which passwords may be, only those named here are taken.
pub fn backup(bytes: &[u8], technology: &str, directory: &str) -> VirtualGuest {
    let mut found = VirtualGuest { technology: technology.to_owned(), name: directory.to_owned(), ..VirtualGuest::default() };
    let mut limits = (None, None);
    for (path, value) in scalars(bytes) {
        let [instance, rest @ ..] = &path[..] else { continue };
        // The same once more with what profiles add stands in `expanded_config`; snapshots repeat all of it under another key.
        if !matches!(instance.as_str(), "container" | "instance") {
            continue;
        }
        match rest {
            [name] if name == "name" => found.name = value,
            [config, key] if config == "config" || config == "expanded_config" => match key.as_str() {
                "volatile.uuid" => found.uuid = Some(value.to_ascii_lowercase()).filter(|uuid| uuid.len() == 36),
                "image.description" => found.image = Some(value),
                "boot.autostart" => found.autostart = Some(matches!(value.as_str(), "true" | "1" | "yes" | "on")),
                // A set of processors, `0-3`, is no number.
                "limits.cpu" => limits.0 = value.parse().ok(),
                "limits.memory" => limits.1 = size(&value),
                key if key.starts_with("volatile.") && key.ends_with(".hwaddr") => found.macs.extend(mac(value.as_bytes())),
                _ => {}
            },
            _ => {}
        }
    }
    (found.cpus, found.memory_bytes) = limits;
    found.macs = sorted(found.macs);
    found
}

/// `2GiB`, `512MB`; a share of the host's memory is none.
fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match &text[end..] {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number::<u64>(&text.as_bytes()[..end])?.checked_mul(unit)
}

/// Every plain value of a YAML file of nested maps, with the keys that lead to it. What stands in lists and in blocks of text is left out.
fn scalars(bytes: &[u8]) -> Vec<(Vec<String>, String)> {
    const DEEPEST: usize = 8;
    let mut found = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    // Lines deeper than this belong to a block of text or to a list.
    let mut skipped: Option<usize> = None;
    for line in lines(bytes) {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || skipped.is_some_and(|depth| indent > depth) {
            continue;
        }
        skipped = None;
        if text.starts_with(b"-") {
            skipped = Some(indent);
            continue;
        }
        let text = String::from_utf8_lossy(text);
        let Some((key, value)) = text.split_once(": ").or_else(|| text.strip_suffix(':').map(|key| (key, ""))) else { continue };
        while path.last().is_some_and(|(depth, _)| *depth >= indent) {
            path.pop();
        }
        let value = value.trim();
        if value.starts_with(['|', '>']) {
            skipped = Some(indent);
        } else if value.is_empty() {
            if path.len() < DEEPEST {
                path.push((indent, key.to_owned()));
            }
        } else if let Some(value) = clean(value.trim_matches(['"', '\'']).as_bytes()) {
            let keys = path.iter().map(|(_, key)| key.clone()).chain([key.to_owned()]);
            found.push((keys.collect(), value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &[u8] = b"container:\n  architecture: x86_64\n  config:\n    boot.autostart: \"true\"\n    cloud-init.user-data: |\n      name: secret\n      volatile.uuid: no\n\
        \x20   image.description: Debian bookworm amd64 (20240101)\n    limits.cpu: \"2\"\n    limits.memory: 2GiB\n    user.password: secret\n    volatile.eth0.hwaddr: 00:16:3E:aa:bb:cc\n\
        \x20   volatile.uuid: 4C4C4544-0035-3010-8056-b4c04f4d3231\n  devices:\n    root:\n      type: disk\n  name: web1\n  type: virtual-machine\npool:\n  name: default\nsnapshots:\n- config:\n    volatile.uuid: old\n  name: snap0\n";

    #[test]
    fn an_instance_is_told_and_its_settings_stay() {
        let found = backup(BACKUP, "lxd", "project_web1");
        assert_eq!((found.name.as_str(), found.uuid.as_deref()), ("web1", Some("4c4c4544-0035-3010-8056-b4c04f4d3231")));
        assert_eq!((found.cpus, found.memory_bytes, found.autostart), (Some(2), Some(2 << 30), Some(true)));
        assert_eq!(
            (found.macs.join(" "), found.image.as_deref()),
            ("00:16:3e:aa:bb:cc".to_owned(), Some("Debian bookworm amd64 (20240101)"))
        );
        assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
        // Four blanks a level, as newer versions write it.
        let wide = String::from_utf8_lossy(BACKUP).replace("  ", "    ").replace("container:", "instance:");
        assert_eq!(backup(wide.as_bytes(), "lxd", "x"), found);
        assert_eq!(backup(b"", "incus", "dir").name, "dir");
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "(container:|  |name: |limits.memory: |[0-9]{1,20}|GiB|\n|- |\\||x){0,32}") {
            backup(&bytes, "lxd", "a");
            backup(text.as_bytes(), "lxd", "a");
            size(&text);
        }
    }
}

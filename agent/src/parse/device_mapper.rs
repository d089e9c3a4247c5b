//! Names and ids of device mapper devices, as `/sys/block/dm-*/dm` has them.

/// What a device mapper device is, by its id.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A logical volume, or a part of one that LVM keeps to itself.
    Lvm,
    /// Encrypted, in this format: `LUKS2`.
    Crypt(&'a str),
    /// Several paths to the volume with this world wide id.
    Multipath(&'a str),
    /// A partition of a mapped device.
    Partition,
    /// Checked, not encrypted: `verity`, `integrity`.
    Checked(&'static str),
    /// Something else.
    Other,
}

/// Reads an id such as `CRYPT-LUKS2-…`: whoever makes a mapped device puts its own word first.
pub fn kind(uuid: &str) -> Kind<'_> {
    if uuid.starts_with("LVM-") {
        return Kind::Lvm;
    }
    if let Some(wwid) = uuid.strip_prefix("mpath-") {
        return Kind::Multipath(wwid);
    }
    if uuid.strip_prefix("part").is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('-')) {
        return Kind::Partition;
    }
    let format = uuid.strip_prefix("CRYPT-").and_then(|rest| rest.split('-').next());
    match format {
        Some("VERITY") => Kind::Checked("verity"),
        Some("INTEGRITY" | "SUBDEV") => Kind::Checked("integrity"),
        Some(format) if !format.is_empty() => Kind::Crypt(format),
        _ => Kind::Other,
    }
}

/// Volume group and logical volume of a name such as `vg--data-root`: one hyphen stands between them, two for one in a name.
pub fn lvm_names(name: &str) -> Option<(String, String)> {
    let mut at = 0;
    while let Some(found) = name.get(at..)?.find('-') {
        let hyphen = at + found;
        if name[hyphen + 1..].starts_with('-') {
            at = hyphen + 2;
            continue;
        }
        let (group, volume) = (&name[..hyphen], &name[hyphen + 1..]);
        let plain = |part: &str| part.replace("--", "-");
        return (!group.is_empty() && !volume.is_empty()).then(|| (plain(group), plain(volume)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_made_the_device() {
        let cases = [
            ("LVM-Wg2bY1AbCd", Kind::Lvm),
            ("CRYPT-LUKS2-0f3a-luks-root", Kind::Crypt("LUKS2")),
            ("CRYPT-PLAIN-swap", Kind::Crypt("PLAIN")),
            ("CRYPT-VERITY-aa-usr", Kind::Checked("verity")),
            ("mpath-3600508b4000156d7", Kind::Multipath("3600508b4000156d7")),
            ("part1-mpath-3600508b4000156d7", Kind::Partition),
            ("partner", Kind::Other),
            ("CRYPT-", Kind::Other),
            ("", Kind::Other),
        ];
        for (uuid, expected) in cases {
            assert_eq!(kind(uuid), expected, "{uuid}");
        }
    }

    #[test]
    fn hyphens_in_names_are_doubled() {
        let cases = [
            ("vg0-root", Some(("vg0", "root"))),
            ("vg--data-lv--a", Some(("vg-data", "lv-a"))),
            ("vg--data", None),
            ("-root", None),
            ("vg-", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(lvm_names(name), expected.map(|(group, volume)| (group.into(), volume.into())), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text: String) {
            kind(&text);
            lvm_names(&text);
        }
    }
}

//! What udev noted of a device: `/run/udev/data/b8:1`, one letter and a colon before each line.

use super::text::{clean, lines};

/// The value of a property, `ID_FS_TYPE`.
pub fn property(bytes: &[u8], name: &str) -> Option<String> {
    lines(bytes).find_map(|line| clean(line.strip_prefix(b"E:")?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_by_their_whole_name() {
        let bytes = b"S:disk/by-uuid/0f\nI:1234\nE:ID_FS_TYPE_OLD=x\nE:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=\nG:systemd\n";
        assert_eq!(property(bytes, "ID_FS_TYPE").as_deref(), Some("ext4"));
        assert_eq!(property(bytes, "ID_FS_LABEL"), None);
        assert_eq!(property(bytes, "ID_FS"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            property(&bytes, "ID_FS_TYPE");
        }
    }
}

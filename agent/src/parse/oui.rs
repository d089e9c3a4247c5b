//! Who makes network adapters, from the hardware database of systemd (`hwdb.bin`): a tree of names on disk, of which only
//! the branch that is asked for is read.

use super::text::clean;

/// Deeper than any name is long.
const DEEPEST: usize = 128;

/// The maker of the adapter with this MAC address. `read` gives as many bytes of the file, from an offset on.
pub fn vendor(read: impl Fn(u64, usize) -> Option<Vec<u8>>, mac: &str) -> Option<String> {
    let name = format!("OUI:{}", mac.replace(':', "").to_ascii_uppercase());
    let database = Database::new(&read)?;
    database.most_specific(name.as_bytes(), b"ID_OUI_FROM_DATABASE")
}

/// Whether a MAC address was given by a maker, and not made up by software.
pub fn is_of_a_maker(mac: &str) -> bool {
    const LOCAL: u8 = 0x02;
    mac.get(..2).and_then(|first| u8::from_str_radix(first, 16).ok()).is_some_and(|first| first & LOCAL == 0)
}

struct Database<'a, R> {
    read: &'a R,
    root: u64,
    /// Sizes of what a node, a child and a value take, which newer versions may enlarge.
    node: u64,
    child: u64,
    value: u64,
}

impl<'a, R: Fn(u64, usize) -> Option<Vec<u8>>> Database<'a, R> {
    fn new(read: &'a R) -> Option<Self> {
        const SIGNATURE: &[u8] = b"KSLPHHRH";
        const HEADER: usize = 80;
        let header = read(0, HEADER)?;
        header.starts_with(SIGNATURE).then_some(())?;
        let size = |at: usize, least: u64| u64_at(&header, at).filter(|&size| (least..=256).contains(&size));
        Some(Self { read, node: size(32, 24)?, child: size(40, 16)?, value: size(48, 16)?, root: u64_at(&header, 56)? })
    }

    /// The value of `key` in the entry that matches most of `name`: an entry ends in a star, which matches the rest.
    fn most_specific(&self, name: &[u8], key: &[u8]) -> Option<String> {
        let mut found = None;
        let mut rest = name;
        let mut at = self.root;
        for _ in 0..DEEPEST {
            let node = self.node_at(at)?;
            // An end that no other entry shares is one node with its star.
            if let Some(before_star) = node.prefix.strip_suffix(b"*") {
                if rest.starts_with(before_star) {
                    found = self.value(&node, key).or(found);
                }
                break;
            }
            let Some(after) = rest.strip_prefix(&node.prefix[..]) else { break };
            rest = after;
            if let Some(star) = node.child(b'*').and_then(|at| self.node_at(at))
                && star.prefix.is_empty()
            {
                found = self.value(&star, key).or(found);
            }
            let Some((&next, after)) = rest.split_first() else { break };
            let Some(child) = node.child(next) else { break };
            rest = after;
            at = child;
        }
        found
    }

    fn node_at(&self, at: u64) -> Option<Node> {
        let head = (self.read)(at, usize::try_from(self.node).ok()?)?;
        let children = u64::from(*head.get(8)?);
        let values = u64_at(&head, 16).filter(|&values| values <= 64)?;
        let entries = (self.read)(at.checked_add(self.node)?, usize::try_from(children * self.child).ok()?)?;
        let child = |entry: &[u8]| Some((*entry.first()?, u64_at(entry, 8)?));
        Some(Node {
            prefix: self.text(u64_at(&head, 0)?)?,
            children: entries.chunks_exact(usize::try_from(self.child).ok()?).filter_map(child).collect(),
            values_at: at.checked_add(self.node)?.checked_add(children * self.child)?,
            values,
        })
    }

    fn value(&self, node: &Node, key: &[u8]) -> Option<String> {
        (0..node.values).find_map(|number| {
            let entry = (self.read)(node.values_at.checked_add(number * self.value)?, 16)?;
            let name = self.text(u64_at(&entry, 0)?)?;
            // Keys begin with a blank.
            (name.trim_ascii() == key).then_some(())?;
            clean(&self.text(u64_at(&entry, 8)?)?)
        })
    }

    fn text(&self, at: u64) -> Option<Vec<u8>> {
        const LONGEST: usize = 256;
        let mut bytes = (self.read)(at, LONGEST)?;
        let end = memchr::memchr(0, &bytes)?;
        bytes.truncate(end);
        Some(bytes)
    }
}

struct Node {
    prefix: Vec<u8>,
    children: Vec<(u8, u64)>,
    values_at: u64,
    values: u64,
}

impl Node {
    fn child(&self, byte: u8) -> Option<u64> {
        self.children.iter().find(|(first, _)| *first == byte).map(|(_, at)| *at)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with two entries: `OUI:001122*`, and `OUI:00112234*` in it.
    fn database() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        let put = |bytes: &mut Vec<u8>, at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let number = |value: u64| value.to_le_bytes();
        put(&mut bytes, 0, b"KSLPHHRH");
        for (at, value) in [(32, 24), (40, 16), (48, 16), (56, 80)] {
            put(&mut bytes, at, &number(value));
        }
        // Root: prefix, two children; one matches any rest, the other begins with 3.
        put(&mut bytes, 80, &[&number(400)[..], &[2, 0, 0, 0, 0, 0, 0, 0], &number(0)].concat());
        put(&mut bytes, 104, &[&[b'*', 0, 0, 0, 0, 0, 0, 0][..], &number(160)].concat());
        put(&mut bytes, 120, &[&[b'3', 0, 0, 0, 0, 0, 0, 0][..], &number(220)].concat());
        put(&mut bytes, 160, &[&number(399)[..], &[0; 8], &number(1), &number(420), &number(450)].concat());
        put(&mut bytes, 220, &[&number(480)[..], &[0; 8], &number(1), &number(420), &number(460)].concat());
        put(&mut bytes, 400, b"OUI:001122\0");
        put(&mut bytes, 420, b" ID_OUI_FROM_DATABASE\0");
        put(&mut bytes, 450, b"ACME\0");
        put(&mut bytes, 460, b"ACME Nord\0");
        put(&mut bytes, 480, b"4*\0");
        bytes
    }

    fn read(bytes: &[u8]) -> impl Fn(u64, usize) -> Option<Vec<u8>> {
        |at, length| {
            let at = usize::try_from(at).ok()?;
            Some(bytes.get(at..)?.iter().copied().take(length).collect())
        }
    }

    #[test]
    fn the_longest_match_names_the_maker() {
        let bytes = database();
        assert_eq!(vendor(read(&bytes), "00:11:22:44:55:66").as_deref(), Some("ACME"));
        assert_eq!(vendor(read(&bytes), "00:11:22:34:55:66").as_deref(), Some("ACME Nord"));
        assert_eq!(vendor(read(&bytes), "00:11:23:44:55:66"), None);
        assert_eq!(vendor(read(b"KSLP"), "00:11:22:44:55:66"), None);
        assert!(is_of_a_maker("00:11:22:33:44:55") && !is_of_a_maker("02:11:22:33:44:55") && !is_of_a_maker(""));
    }

    proptest::proptest! {
        #[test]
        fn no_damage_panics_or_hangs(at in 0usize..512, value: u8) {
            let mut bytes = database();
            bytes[at] = value;
            vendor(read(&bytes), "00:11:22:34:55:66");
        }
    }
}

//! `/proc/PID/stat` and `/proc/PID/status`.

use super::text::{clean, fields, lines, number};

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessStat {
    /// The process's name, at most 15 bytes.
    pub name: String,
    /// One letter: `R`, `S`, `Z`, …
    pub state: u8,
    /// The parent's PID.
    pub parent: u32,
    /// Number of the controlling terminal, 0 for none.
    pub terminal: i32,
    /// `PF_KTHREAD`: a thread of the kernel.
    pub is_kernel: bool,
    /// When it was started, clock ticks since the machine was; tells it from another that gets the same PID later.
    pub started: Option<u64>,
}

/// Reads `/proc/PID/stat`. The name may hold anything, parentheses too, so the last one ends it.
pub fn stat(bytes: &[u8]) -> Option<ProcessStat> {
    const PF_KTHREAD: u64 = 0x0020_0000;
    let open = memchr::memchr(b'(', bytes)?;
    let close = memchr::memrchr(b')', bytes)?;
    let name = clean(bytes.get(open + 1..close)?).unwrap_or_default();
    let mut words = fields(bytes.get(close + 1..)?);
    let state = *words.next()?.first()?;
    let parent = number(words.next()?)?;
    let terminal = number(words.nth(2)?)?;
    let flags: u64 = number(words.nth(1)?)?;
    let started = words.nth(12).and_then(number);
    Some(ProcessStat { name, state, parent, terminal, is_kernel: flags & PF_KTHREAD != 0, started })
}

/// The effective user id in `/proc/PID/status`.
pub fn effective_user(bytes: &[u8]) -> Option<u32> {
    lines(bytes).find_map(|line| number(fields(line.strip_prefix(b"Uid:")?).nth(1)?))
}

/// The inode in a link such as `socket:[12345]`.
pub fn socket_inode(link: &[u8]) -> Option<u64> {
    number(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_shift_the_fields() {
        let found = stat(b"14 (a) R 1 (b)) S 7 14110 11643 34817 -1 4194304 99 0\n").unwrap();
        let expected = ProcessStat { name: "a) R 1 (b)".into(), state: b'S', parent: 7, terminal: 34_817, is_kernel: false, started: None };
        assert_eq!(found, expected);
        // As the kernel of this machine wrote it.
        let whole = b"10 (kworker/0:0H-e) I 2 0 0 0 -1 69238880 0 0 0 0 0 4 0 0 0 -20 1 0 9 0 0 18446744073709551615 0";
        assert_eq!(stat(whole).and_then(|found| found.started), Some(9));
        assert!(stat(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0").unwrap().is_kernel);
        assert_eq!(stat(b"14 (cat) R 1"), None);
        assert_eq!(stat(b") ("), None);
    }

    #[test]
    fn users_and_inodes() {
        assert_eq!(effective_user(b"Name:\tx\nUid:\t0\t33\t33\t33\n"), Some(33));
        assert_eq!(socket_inode(b"socket:[4242]"), Some(4_242));
        assert_eq!(socket_inode(b"pipe:[4242]"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            stat(&bytes);
            effective_user(&bytes);
            socket_inode(&bytes);
        }
    }
}

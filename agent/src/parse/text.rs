//! Bytes that should be text.

/// The lines, without their ends.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Text as a machine may be trusted to write it: invalid UTF-8 replaced, control characters removed, trimmed, at most
/// 1,024 characters. `None` where nothing is left.
pub fn clean(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(1_024).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The fields of a line, separated by white space.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// A decimal number.
pub fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// A list such as `0-3,8`, as the kernel writes processors and memory nodes; at most 65,536 entries.
pub fn number_list(bytes: &[u8]) -> Vec<u32> {
    const MOST: usize = 1 << 16;
    let mut found = Vec::new();
    for part in bytes.trim_ascii().split(|&byte| byte == b',') {
        let mut ends = part.splitn(2, |&byte| byte == b'-').map(number::<u32>);
        let Some(first) = ends.next().flatten() else { continue };
        let last = ends.next().flatten().unwrap_or(first);
        found.extend((first..=last).take(MOST.saturating_sub(found.len())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers() {
        assert_eq!(number_list(b"0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(number_list(b"3-1,x,,-,5"), [5]);
        assert_eq!(number_list(b"0-4294967295,0-4294967295").len(), 65_536);
        assert!(number_list(b"").is_empty());
    }
}

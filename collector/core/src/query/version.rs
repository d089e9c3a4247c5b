//! Versions in the order that people and packagers mean.

use std::cmp::Ordering;

/// Compares an installed version with one that somebody wrote. Digits compare as numbers, letters before other signs, `~` before
/// even the end. What the written one leaves out is not compared: without an epoch (`1:`) in it the installed one's does not count, and
/// without a revision (`-1`) neither does that, so that `3.0.7-1` is the version 3.0.7.
pub fn compare(installed: &str, written: &str) -> Ordering {
    let (written_epoch, written_rest) = epoch(written);
    let (installed_epoch, installed_rest) = epoch(installed);
    let by_epoch = written_epoch.map_or(Ordering::Equal, |written| numbers(installed_epoch.unwrap_or("0"), written));
    let (installed_main, installed_revision) = revision(installed_rest);
    match revision(written_rest) {
        (written_main, None) => by_epoch.then_with(|| parts(installed_main, written_main)),
        (written_main, Some(written_revision)) => by_epoch
            .then_with(|| parts(installed_main, written_main))
            .then_with(|| parts(installed_revision.unwrap_or(""), written_revision)),
    }
}

fn epoch(version: &str) -> (Option<&str>, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => (Some(epoch), rest),
        _ => (None, version),
    }
}

fn revision(version: &str) -> (&str, Option<&str>) {
    version.rsplit_once('-').map_or((version, None), |(main, revision)| (main, Some(revision)))
}

/// Runs of anything but digits and runs of digits, in turns.
fn parts(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = run(a, |c| !c.is_ascii_digit());
        let (b_text, b_rest) = run(b, |c| !c.is_ascii_digit());
        let (a_digits, a_next) = run(a_rest, |c| c.is_ascii_digit());
        let (b_digits, b_next) = run(b_rest, |c| c.is_ascii_digit());
        let order = texts(a_text, b_text).then_with(|| numbers(a_digits, b_digits));
        if order.is_ne() {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
    Ordering::Equal
}

fn run(text: &str, of: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

fn texts(a: &str, b: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => (0, '~'),
        None => (1, ' '),
        Some(letter) if letter.is_alphabetic() => (2, letter.to_lowercase().next().unwrap_or(letter)),
        Some(other) => (3, other),
    };
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        let order = weight(next_a).cmp(&weight(next_b));
        if order.is_ne() || (next_a.is_none() && next_b.is_none()) {
            return order;
        }
    }
}

/// Digits as numbers of any length.
fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_parts() {
        use Ordering::{Equal, Greater, Less};
        for (installed, written, expected) in [
            ("3.0.7", "3.0.7", Equal),
            ("3.0.10", "3.0.7", Greater),
            ("3.0.7~rc1", "3.0.7", Less),
            ("3.0.7-1~deb12u1", "3.0.7", Equal),
            ("3.0.7-1", "3.0.7-2", Less),
            ("3.0.7-1~deb12u1", "3.0.7-1", Less),
            ("1:9.2p1-2", "9.3", Less),
            ("1:9.2p1-2", "1:9.2p1", Equal),
            ("9.2", "1:1.0", Less),
            ("12", "9", Greater),
            ("1.1.1w", "1.1.1", Greater),
            ("1.1.1a", "1.1.1W", Less),
            ("1.2.0", "1.2", Greater),
            ("1.02", "1.2", Equal),
            ("99999999999999999999999", "99999999999999999999998", Greater),
            ("", "1", Less),
            ("2.1+git", "2.1a", Greater),
        ] {
            assert_eq!(compare(installed, written), expected, "{installed} and {written}");
        }
    }
}

//! What is pretended, as a text: the same in the API, the address of a page and the command line.
//!
//! | text | pretends |
//! | --- | --- |
//! | `app01 needs db02` | that app01 cannot do without db02 |
//! | `app01 uses cache02` | that app01 serves worse without it |
//! | `app01 needs-not db01` | that app01 does not depend on db01 |
//! | `app01 needs 1 of db01 db02`, `app01 uses 50% of …` | that so many of these must serve |
//! | `app01 without "database replicas"` | that the need group does not exist |
//! | `vm1 moves host7 to host8` | that vm1 depends on host8 in the place of host7 |
//!
//! Items are named by id, by name (`"in quotes"` if it has spaces), or by a filter word that only one has.

use rollcall_core::{Estate, MinUp, impact::Pretend};
use rollcall_shared::{CiId, Timestamp, catalogue::Hardness};

use super::meant::{MeantError, one};

/// Longest text, bytes.
const MOST_BYTES: usize = 4_000;
/// Most members of a pretended group.
const MOST_MEMBERS: usize = 50;

/// Reads what is pretended.
///
/// # Errors
/// [`MeantError`] says what is understood, or which item is not.
pub fn pretended(estate: &Estate, text: &str, now: Timestamp) -> Result<Pretend, MeantError> {
    let wrong = |problem: &str| MeantError { text: text.chars().take(120).collect(), problem: problem.to_owned() };
    if text.len() > MOST_BYTES {
        return Err(wrong("longer than 4000 bytes"));
    }
    let words = words(text).ok_or_else(|| wrong("a quotation mark is not closed"))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let item = |text: &str| one(estate, text, now);
    let two = |ci: &str, on: &str| -> Result<(CiId, CiId), MeantError> {
        let (ci, on) = (item(ci)?, item(on)?);
        if ci == on { Err(wrong("nothing depends on itself")) } else { Ok((ci, on)) }
    };
    Ok(match words[..] {
        [ci, verb @ ("needs" | "uses"), number, "of", ref members @ ..] if !members.is_empty() => {
            if members.len() > MOST_MEMBERS {
                return Err(wrong("a group has at most 50 members"));
            }
            let min_up = min_up(number).ok_or_else(|| wrong("how many is a number from 1, or a share such as 50%"))?;
            let ci = item(ci)?;
            let mut members = members.iter().map(|member| item(member)).collect::<Result<Vec<CiId>, _>>()?;
            members.sort();
            members.dedup();
            if members.contains(&ci) {
                return Err(wrong("nothing depends on itself"));
            }
            Pretend::Group { ci, name: "what is pretended".to_owned(), members, min_up, hardness: hardness(verb) }
        }
        [ci, verb @ ("needs" | "uses"), on] => {
            let (ci, on) = two(ci, on)?;
            Pretend::Needs { ci, on, hardness: hardness(verb) }
        }
        [ci, "needs-not", on] => {
            let (ci, on) = two(ci, on)?;
            Pretend::NeedsNot { ci, on }
        }
        [ci, "without", group] => {
            let ci = item(ci)?;
            let wanted = group.to_lowercase();
            let mut groups = estate.need_groups_of(ci).filter(|it| it.name.to_lowercase() == wanted || it.id.to_string() == wanted);
            let group = groups.next().ok_or_else(|| wrong("the item has no need group of that name"))?;
            Pretend::WithoutGroup { ci, group: group.id }
        }
        [ci, "moves", from, "to", to] => {
            let (ci, to) = two(ci, to)?;
            let from = item(from)?;
            let is_on =
                estate.dependencies(ci).any(|edge| edge.to == from) || estate.need_groups_of(ci).any(|group| group.members.contains(&from));
            if !is_on {
                return Err(wrong("it does not depend on what it is to move away from"));
            }
            Pretend::Moved { ci, from, to }
        }
        _ => {
            return Err(wrong(
                "understood are: A needs B, A uses B, A needs-not B, A needs 1 of B C, A uses 50% of B C, A without GROUP, A moves B to C",
            ));
        }
    })
}

fn hardness(verb: &str) -> Hardness {
    if verb == "needs" { Hardness::Hard } else { Hardness::Soft }
}

fn min_up(text: &str) -> Option<MinUp> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().filter(|percent| (1..=100).contains(percent)).map(MinUp::Percent),
        None => text.parse().ok().filter(|count| *count >= 1).map(MinUp::Count),
    }
}

/// Words at spaces and commas, quoted ones whole; `None` if a quotation mark is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => (quoted, open) = (true, !open),
            '\\' if open => word.extend(characters.next()),
            character if !open && (character.is_whitespace() || character == ',') => {
                if quoted || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                quoted = false;
            }
            other => word.push(other),
        }
    }
    if quoted || !word.is_empty() {
        words.push(word);
    }
    (!open).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_spaces_and_commas_and_kept_in_quotes() {
        for (text, expected) in [
            ("a needs b", Some(vec!["a", "needs", "b"])),
            ("\"a b\" needs 1 of c, \"d\\\" e\",f", Some(vec!["a b", "needs", "1", "of", "c", "d\" e", "f"])),
            ("\"\" x", Some(vec!["", "x"])),
            ("\"a", None),
        ] {
            assert_eq!(words(text), expected.map(|words| words.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }

    #[test]
    fn how_many_is_a_count_or_a_share() {
        for (text, expected) in [("2", Some(MinUp::Count(2))), ("50%", Some(MinUp::Percent(50))), ("0", None), ("101%", None), ("x", None)]
        {
            assert_eq!(min_up(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_says_what_is() {
        let estate = Estate::default();
        for text in ["", "a", "a needs", "a eats b", "a needs b c"] {
            let error = pretended(&estate, text, Timestamp::from_millis(0)).unwrap_err();
            assert!(error.problem.contains("understood are"), "{text}: {error}");
        }
        assert!(pretended(&estate, "a needs b", Timestamp::from_millis(0)).unwrap_err().to_string().contains("no item"));
    }
}

//! The filter language: what a person types into the search box, an API client puts into `filter=`, and the command line
//! takes as arguments. The three read the same.
//!
//! A filter is words separated by spaces; all of them must hold. `"…"` keeps spaces together, `\` takes the next
//! character as it is inside quotes, and `-` before a word turns it round.
//!
//! | word | holds for |
//! | --- | --- |
//! | `web` | items in whose name, texts, addresses or software names it occurs |
//! | `class:server` | items of that class or one that specialises it |
//! | `lifecycle:retired` | `active` (what is meant without this word), `retired` or `any` |
//! | `agent:yes` | items that an agent reports; `no`; or the items of one agent by its id |
//! | `seen:7d` | items whose agent was heard within that time (`m`, `h`, `d`, `w`) |
//! | `quiet:7d` | items with an agent that was not heard within that time |
//! | `software:openssl` | machines with software in whose name it occurs |
//! | `id:…` | the item of that id |
//! | `name:db`, `owner:"Team A"`, `memory_bytes:8` | items in whose name or attribute it occurs, ignoring case |
//! | `name=db01`, `owner="Team A"`, `tags=pci` | items whose name or attribute is exactly that, ignoring case; of a list: one member is |
//! | `owner=""` | items without that attribute |
//!
//! Short names: `os` (operating system and its version), `serial`, `address` (`ip_addresses`), `mac` (`mac_addresses`), `tag` (`tags`).

use std::fmt;

use rollcall_shared::{AgentId, CiId, catalogue};

/// Longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 2_000;

/// Most words in a filter.
pub const MAX_TERMS: usize = 32;

/// A filter: every term must hold. Its [`Display`](fmt::Display) form parses to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The terms, in the order they were written.
    pub terms: Vec<Term>,
}

/// One word of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Whether the condition must *not* hold.
    pub negated: bool,
    /// The condition.
    pub condition: Condition,
}

/// What one word asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The text occurs anywhere.
    Text(String),
    /// Of this class or one that specialises it.
    Class(&'static str),
    /// In this state; `None`: in any.
    Lifecycle(Option<rollcall_core::Lifecycle>),
    /// Reported by an agent.
    HasAgent(bool),
    /// Reported by this agent.
    Agent(AgentId),
    /// Its agent was heard within so many milliseconds.
    SeenWithin(i64),
    /// It has an agent, not heard within so many milliseconds.
    QuietFor(i64),
    /// Has software in whose name this occurs.
    Software(String),
    /// This item.
    Id(CiId),
    /// The field's text has this in it, ignoring case.
    Contains(Field, String),
    /// The field is this, ignoring case; empty: it has none.
    Is(Field, String),
}

/// What a condition compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The item's name.
    Name,
    /// One attribute, or several of which any may match.
    Attributes(&'static str, Vec<&'static str>),
}

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the filter, at {word:?}: {problem}")]
pub struct FilterError {
    /// The word.
    pub word: String,
    /// What is wrong and what is understood.
    pub problem: String,
}

/// Short names, and the attributes they stand for.
const SHORT_NAMES: &[(&str, &[&str])] = &[
    ("os", &["operating_system", "operating_system_version"]),
    ("address", &["ip_addresses"]),
    ("mac", &["mac_addresses"]),
    ("tag", &["tags"]),
];

impl Filter {
    /// Reads a filter; empty text holds for every active item.
    ///
    /// # Errors
    /// [`FilterError`] names the word and what is understood instead.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_FILTER_BYTES {
            return Err(error(text, format!("longer than {MAX_FILTER_BYTES} bytes")));
        }
        let words = split(text)?;
        if words.len() > MAX_TERMS {
            return Err(error(text, format!("more than {MAX_TERMS} words")));
        }
        words.into_iter().map(Word::into_term).collect::<Result<_, _>>().map(|terms| Self { terms })
    }

    /// The class asked for, if exactly one is, so that lists can show that class's columns.
    pub fn class(&self) -> Option<&'static str> {
        let mut classes = self.terms.iter().filter_map(|term| match term.condition {
            Condition::Class(class) if !term.negated => Some(class),
            _ => None,
        });
        classes.next().filter(|_| classes.next().is_none())
    }

    /// Whether the filter says itself which lifecycle states it wants.
    pub fn names_lifecycle(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.condition, Condition::Lifecycle(_)))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        match &self.condition {
            Condition::Text(text) => write!(f, "{}", Quoted(text)),
            Condition::Class(class) => write!(f, "class:{class}"),
            Condition::Lifecycle(state) => write!(f, "lifecycle:{}", state.map_or("any", rollcall_core::Lifecycle::as_str)),
            Condition::HasAgent(has) => write!(f, "agent:{}", if *has { "yes" } else { "no" }),
            Condition::Agent(id) => write!(f, "agent:{id}"),
            Condition::SeenWithin(millis) => write!(f, "seen:{}m", millis / MINUTE_MS),
            Condition::QuietFor(millis) => write!(f, "quiet:{}m", millis / MINUTE_MS),
            Condition::Software(name) => write!(f, "software:{}", Quoted(name)),
            Condition::Id(id) => write!(f, "id:{id}"),
            Condition::Contains(field, value) => write!(f, "{field}:{}", Quoted(value)),
            Condition::Is(field, value) => write!(f, "{field}={}", Quoted(value)),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Attributes(name, _) => name,
        })
    }
}

/// A value as it must be written: always quoted, so that nothing in it is taken for an operator.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}

const MINUTE_MS: i64 = 60_000;

/// A word, split at its operator.
struct Word {
    raw: String,
    negated: bool,
    key: Option<(String, char)>,
    value: String,
}

impl Word {
    fn into_term(self) -> Result<Term, FilterError> {
        let condition = match &self.key {
            None => Condition::Text(self.value.clone()),
            Some((key, operator)) => self.condition(&key.to_lowercase(), *operator)?,
        };
        Ok(Term { negated: self.negated, condition })
    }

    fn condition(&self, key: &str, operator: char) -> Result<Condition, FilterError> {
        let value = self.value.trim();
        let wrong = |problem: String| error(&self.raw, problem);
        Ok(match key {
            "class" => Condition::Class(
                catalogue::class(&value.to_lowercase())
                    .ok_or_else(|| {
                        wrong(format!(
                            "there is no class {value:?}{}",
                            suggestion(value, catalogue::CLASSES.iter().map(|class| class.name))
                        ))
                    })?
                    .name,
            ),
            "lifecycle" if value == "any" => Condition::Lifecycle(None),
            "lifecycle" => Condition::Lifecycle(Some(
                rollcall_core::Lifecycle::parse(value).ok_or_else(|| wrong("a lifecycle is active, retired or any".to_owned()))?,
            )),
            "agent" => match value {
                "yes" => Condition::HasAgent(true),
                "no" => Condition::HasAgent(false),
                id => Condition::Agent(id.parse().map_err(|_| wrong("after agent: comes yes, no or an agent's id".to_owned()))?),
            },
            "seen" => Condition::SeenWithin(duration_ms(value).ok_or_else(|| wrong(NOT_A_DURATION.to_owned()))?),
            "quiet" => Condition::QuietFor(duration_ms(value).ok_or_else(|| wrong(NOT_A_DURATION.to_owned()))?),
            "id" => Condition::Id(value.parse().map_err(|_| wrong("an id is a UUID".to_owned()))?),
            "software" if value.is_empty() => return Err(wrong("name the software, as in software:openssl".to_owned())),
            "software" => Condition::Software(value.to_owned()),
            other => {
                let field = field(other).ok_or_else(|| {
                    wrong(format!(
                        "there is no attribute {other:?}{}; to search for the text itself, put it in quotes",
                        suggestion(other, attribute_names())
                    ))
                })?;
                if operator == '=' { Condition::Is(field, value.to_owned()) } else { Condition::Contains(field, value.to_owned()) }
            }
        })
    }
}

const NOT_A_DURATION: &str = "a time is a number and m, h, d or w, as in 7d";

fn duration_ms(text: &str) -> Option<i64> {
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "m" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        "d" => 24 * 60 * MINUTE_MS,
        "w" => 7 * 24 * 60 * MINUTE_MS,
        _ => return None,
    };
    number.parse::<u32>().ok().and_then(|number| i64::from(number).checked_mul(unit_ms))
}

/// The field of that name, short or not.
pub(super) fn field(name: &str) -> Option<Field> {
    if name == "name" {
        return Some(Field::Name);
    }
    if let Some((name, attributes)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Some(Field::Attributes(name, attributes.to_vec()));
    }
    attribute_names().find(|known| *known == name).map(|name| Field::Attributes(name, vec![name]))
}

fn attribute_names() -> impl Iterator<Item = &'static str> {
    catalogue::CLASSES.iter().flat_map(|class| class.attributes).map(|attribute| attribute.name)
}

/// `; did you mean "server"?` where a known name shares a beginning with, or is in, what was written.
pub(super) fn suggestion<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    let written = written.to_lowercase();
    let start: String = written.chars().take(4).collect();
    let mut known = known;
    match known.find(|name| start.chars().count() >= 2 && (name.starts_with(&start) || written.contains(*name))) {
        Some(name) => format!("; did you mean {name:?}?"),
        None => String::new(),
    }
}

fn error(word: &str, problem: String) -> FilterError {
    FilterError { word: word.chars().take(80).collect(), problem }
}

fn split(text: &str) -> Result<Vec<Word>, FilterError> {
    let mut words = Vec::new();
    let mut characters = text.chars().filter(|character| !character.is_control() || character.is_whitespace()).peekable();
    loop {
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Ok(words);
        }
        let mut word = Word { raw: String::new(), negated: false, key: None, value: String::new() };
        let mut quoted = false;
        let mut quotes_open = false;
        while let Some(character) = characters.next_if(|character| quotes_open || !character.is_whitespace()) {
            word.raw.push(character);
            match character {
                '"' => {
                    quotes_open = !quotes_open;
                    quoted = true;
                }
                '\\' if quotes_open => word.value.extend(characters.next()),
                '-' if !quoted && !word.negated && word.key.is_none() && word.value.is_empty() => word.negated = true,
                // What was quoted is text; and only a name can stand before an operator, so that `fe80::1` and `c:\x` are text too.
                ':' | '='
                    if !quoted
                        && word.key.is_none()
                        && is_name(&word.value)
                        && !looks_like_address(&word.value, &mut characters.clone()) =>
                {
                    word.key = Some((std::mem::take(&mut word.value), character));
                }
                other => word.value.push(other),
            }
        }
        if quotes_open {
            return Err(error(&word.raw, "the quotation mark is not closed".to_owned()));
        }
        if word.key.is_some() || !word.value.is_empty() {
            words.push(word);
        } else if word.negated && !quoted {
            return Err(error(&word.raw, "after - comes what must not hold, as in -class:laptop".to_owned()));
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        && text.chars().any(|c| c.is_ascii_alphabetic())
}

/// `fe80::1` and `aa:bb:cc:dd:ee:ff` begin as `key:value` does: hexadecimal digits before the colon, and more colons after.
fn looks_like_address(before: &str, rest: &mut dyn Iterator<Item = char>) -> bool {
    before.len() <= 4 && before.chars().all(|c| c.is_ascii_hexdigit()) && rest.take_while(|c| !c.is_whitespace()).any(|c| c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood_and_written_again() {
        for (written, meant) in [
            ("", ""),
            ("  web   db01 ", r#""web" "db01""#),
            ("class:Server os:debian", r#"class:server os:"debian""#),
            (r#"owner:"Team A" -serial=ABC"#, r#"owner:"Team A" -serial="ABC""#),
            (r#"owner="" "class:server""#, r#"owner="" "class:server""#),
            ("seen:2h quiet:1w agent:no lifecycle:any", "seen:120m quiet:10080m agent:no lifecycle:any"),
            ("fe80::1 aa:bb:cc:dd:ee:ff", r#""fe80::1" "aa:bb:cc:dd:ee:ff""#),
            (r#""say \"hi\" \\""#, r#""say \"hi\" \\""#),
            ("web-01 -web", r#""web-01" -"web""#),
            ("'; drop table ci; --", r#""';" "drop" "table" "ci;" -"-""#),
        ] {
            let filter = Filter::parse(written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(filter.to_string(), meant, "{written}");
            assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter, "{written}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_is() {
        for (written, word, in_problem) in [
            ("web class:sever", "class:sever", "no class \"sever\""),
            ("class:serv", "class:serv", "\"server\""),
            ("ownr:x", "ownr:x", "no attribute"),
            ("owner:\"Team", "owner:\"Team", "not closed"),
            ("seen:soon", "seen:soon", "7d"),
            ("seen:é", "seen:é", "7d"),
            ("lifecycle:gone", "lifecycle:gone", "active, retired or any"),
            ("agent:x", "agent:x", "yes, no"),
            ("-", "-", "must not hold"),
        ] {
            let error = Filter::parse(written).unwrap_err();
            assert_eq!(error.word, word, "{written}");
            assert!(error.problem.contains(in_problem), "{written}: {}", error.problem);
        }
        assert!(Filter::parse(&"a".repeat(MAX_FILTER_BYTES + 1)).is_err());
        assert!(Filter::parse(&"a ".repeat(MAX_TERMS + 1)).is_err());
    }

    #[test]
    fn the_class_asked_for_is_told_only_if_there_is_one() {
        for (written, class) in
            [("class:server", Some("server")), ("class:server class:laptop", None), ("-class:server", None), ("x", None)]
        {
            assert_eq!(Filter::parse(written).unwrap().class(), class, "{written}");
        }
    }
}

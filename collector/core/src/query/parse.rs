//! From text to a filter.

use super::{
    filter::{Condition, Field, Filter, Term},
    operand::{Comparison, Moment, Operand, duration_ms, number},
    relation::Relation,
    words::{self, CONDITIONS, Kind, suggestion},
};
use crate::{
    Catalogue,
    model::{Lifecycle, Stage},
};

/// Longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 2_000;

/// Most conditions in a filter, everywhere in it.
pub const MAX_TERMS: usize = 64;

/// How deep groups and relations go into each other.
pub const MAX_DEPTH: usize = 6;

/// Most relations in a filter, everywhere in it.
pub const MAX_HOPS: usize = 6;

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the filter, at {word:?} (character {position}): {problem}")]
pub struct FilterError {
    /// The word, cut where it is long.
    pub word: String,
    /// Where it begins, counted in characters from 1.
    pub position: usize,
    /// What is wrong and what is understood.
    pub problem: String,
}

impl Filter {
    /// Reads a filter; empty text holds for every active item.
    ///
    /// # Errors
    /// [`FilterError`] names the word and what is understood instead.
    pub fn parse(catalogue: &Catalogue, text: &str) -> Result<Self, FilterError> {
        let chars: Vec<char> = text.chars().filter(|character| !character.is_control() || character.is_whitespace()).collect();
        let mut parser = Parser { catalogue, chars, at: 0, terms: 0, hops: 0 };
        if text.len() > MAX_FILTER_BYTES {
            return Err(parser.error(0, format!("the filter is longer than {MAX_FILTER_BYTES} bytes")));
        }
        let mut alternatives = parser.alternatives(0)?;
        Ok(match alternatives.len() {
            0 | 1 => Self { terms: alternatives.pop().unwrap_or_default() },
            _ => Self { terms: vec![Term::new(Condition::Any(alternatives))] },
        })
    }
}

struct Parser<'c> {
    catalogue: &'c Catalogue,
    chars: Vec<char>,
    at: usize,
    terms: usize,
    hops: usize,
}

/// What stands after an operator: characters, and whether each was quoted.
type Value = Vec<(char, bool)>;

/// How a key and its value were joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// `:`
    Fits,
    /// `!=`
    Differs,
    /// Every other.
    Compares(Comparison),
}

impl Parser<'_> {
    /// Terms, and `OR` between them, up to the end or, inside a group, its `)`.
    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Term>>, FilterError> {
        let start = self.at;
        let mut alternatives = Vec::new();
        let mut terms = Vec::new();
        let mut or_at = None;
        loop {
            self.skip_spaces();
            let Some(character) = self.peek() else {
                if depth > 0 {
                    return Err(self.error(start.saturating_sub(1), "the parenthesis is not closed".to_owned()));
                }
                break;
            };
            if character == ')' {
                if depth > 0 {
                    break;
                }
                return Err(self.error(
                    self.at,
                    "this parenthesis closes none that was opened; text with parentheses goes into quotation marks".to_owned(),
                ));
            }
            if self.take_word("OR") {
                if terms.is_empty() {
                    return Err(self.error(self.at - 2, OR_STANDS_BETWEEN.to_owned()));
                }
                or_at = Some(self.at - 2);
                alternatives.push(std::mem::take(&mut terms));
            } else if !self.take_word("AND") {
                terms.extend(self.term(depth)?);
            }
        }
        match (terms.is_empty(), or_at) {
            (true, Some(at)) => return Err(self.error(at, OR_STANDS_BETWEEN.to_owned())),
            (false, _) => alternatives.push(terms),
            (true, None) => {}
        }
        Ok(alternatives)
    }

    /// One condition; none for an empty text.
    fn term(&mut self, depth: usize) -> Result<Option<Term>, FilterError> {
        let start = self.at;
        let mut negated = false;
        if self.take_word("NOT") {
            negated = true;
            self.skip_spaces();
            if self.peek().is_none_or(|next| next == ')') {
                return Err(self.error(start, "after NOT comes what must not hold, as in NOT class:laptop".to_owned()));
            }
        } else if self.peek() == Some('-') {
            negated = true;
            self.at += 1;
            if self.peek().is_none_or(|next| next.is_whitespace() || (next == ')' && depth > 0)) {
                return Err(self.error(start, "after - comes what must not hold, as in -class:laptop".to_owned()));
            }
        }
        if self.peek() == Some('(') {
            let alternatives = self.group(start, depth)?;
            if alternatives.is_empty() {
                return Err(self.error(start, "there is nothing between the parentheses".to_owned()));
            }
            return Ok(Some(Term { negated, condition: Condition::Any(alternatives) }));
        }
        let condition = self.word(start, depth)?;
        Ok(condition.map(|(differs, condition)| Term { negated: negated != differs, condition }))
    }

    /// What stands in parentheses, from the opening one to after the closing one.
    fn group(&mut self, start: usize, depth: usize) -> Result<Vec<Vec<Term>>, FilterError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(start, format!("parentheses go more than {MAX_DEPTH} deep")));
        }
        self.at += 1;
        let alternatives = self.alternatives(depth + 1)?;
        self.at += 1;
        Ok(alternatives)
    }

    /// A word with its operator and value, and whether the operator turns it round.
    fn word(&mut self, start: usize, depth: usize) -> Result<Option<(bool, Condition)>, FilterError> {
        let mut key: Option<(String, Operator)> = None;
        let mut value = Value::new();
        let (mut quoted, mut quotes_open, mut parentheses) = (false, false, 0);
        while let Some(character) = self.peek() {
            if !quotes_open && (character.is_whitespace() || (character == ')' && depth > 0 && parentheses == 0)) {
                break;
            }
            if !quoted
                && key.is_none()
                && let Some(found) = self.key(&value)?
            {
                if self.peek() == Some('(')
                    && let Some(relation) = Relation::parse(self.catalogue, &found.0)
                {
                    return self.related(start, depth, relation, found.1).map(Some);
                }
                key = Some(found);
                value.clear();
                continue;
            }
            self.at += 1;
            match character {
                '"' => {
                    quotes_open = !quotes_open;
                    quoted = true;
                    continue;
                }
                '\\' if quotes_open => {
                    if let Some(next) = self.peek() {
                        self.at += 1;
                        value.push((next, true));
                    }
                    continue;
                }
                '(' if !quotes_open => parentheses += 1,
                ')' if !quotes_open && parentheses > 0 => parentheses -= 1,
                _ => {}
            }
            value.push((character, quotes_open));
        }
        if quotes_open {
            return Err(self.error(start, "the quotation mark is not closed".to_owned()));
        }
        match key {
            None if value.is_empty() => Ok(None),
            None => {
                self.count(start, 1)?;
                Ok(Some((false, Condition::Text(text_of(&value)))))
            }
            Some((key, operator)) => {
                let condition = self.choices(start, &key, operator, &value, quoted)?;
                Ok(Some((operator == Operator::Differs, condition)))
            }
        }
    }

    /// The key that ends here, if an operator stands here and what is before it is a name: `fe80::1`, `c:\x` and `10.0.0.7:443` are text.
    /// Goes on behind the operator.
    fn key(&mut self, before: &Value) -> Result<Option<(String, Operator)>, FilterError> {
        let rest = &self.chars[self.at..];
        let (mut operator, mut length) = match rest {
            [':', ..] => (Operator::Fits, 1),
            ['=', ..] => (Operator::Compares(Comparison::Equal), 1),
            ['!', '=', ..] => (Operator::Differs, 2),
            ['<', '=', ..] => (Operator::Compares(Comparison::AtMost), 2),
            ['<', ..] => (Operator::Compares(Comparison::Less), 1),
            ['>', '=', ..] => (Operator::Compares(Comparison::AtLeast), 2),
            ['>', ..] => (Operator::Compares(Comparison::More), 1),
            _ => return Ok(None),
        };
        let written: String = before.iter().map(|(character, _)| *character).collect();
        let name = written.to_lowercase().replace('-', "_");
        let plain = written.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && written.chars().any(|c| c.is_ascii_alphabetic());
        let is_key = if plain { !looks_like_address(&written, rest) } else { is_known(self.catalogue, &name) };
        if !is_key {
            return Ok(None);
        }
        // As some other languages have it: `memory_bytes:>=16GiB`.
        if operator == Operator::Fits
            && let Some((comparison, more)) = match &rest[1..] {
                ['<', '=', ..] => Some((Comparison::AtMost, 2)),
                ['<', ..] => Some((Comparison::Less, 1)),
                ['>', '=', ..] => Some((Comparison::AtLeast, 2)),
                ['>', ..] => Some((Comparison::More, 1)),
                _ => None,
            }
        {
            (operator, length) = (Operator::Compares(comparison), length + more);
        }
        self.at += length;
        Ok(Some((name, operator)))
    }

    fn related(&mut self, start: usize, depth: usize, relation: Relation, operator: Operator) -> Result<(bool, Condition), FilterError> {
        if operator != Operator::Fits {
            return Err(self.error(start, format!("after {relation} comes a colon, as in {relation}:(class:server)")));
        }
        self.hop(start)?;
        let mut alternatives = self.group(start, depth)?;
        let terms = match alternatives.len() {
            0 | 1 => alternatives.pop().unwrap_or_default(),
            _ => vec![Term::new(Condition::Any(alternatives))],
        };
        Ok((false, Condition::Related(relation, Filter { terms })))
    }

    /// A value's choices, separated by commas: one condition for each.
    fn choices(&mut self, start: usize, key: &str, operator: Operator, value: &Value, quoted: bool) -> Result<Condition, FilterError> {
        let parts: Vec<&[(char, bool)]> = value.split(|(character, quoted)| *character == ',' && !quoted).collect();
        self.count(start, parts.len())?;
        let mut conditions = Vec::new();
        for part in &parts {
            if parts.len() > 1 && part.is_empty() && !quoted {
                return Err(
                    self.error(start, "a choice is missing beside a comma; a comma that is meant goes into quotation marks".to_owned())
                );
            }
            conditions.push(self.condition(start, key, operator, part)?);
        }
        Ok(match conditions.len() {
            1 => conditions.remove(0),
            _ => Condition::Any(conditions.into_iter().map(|condition| vec![Term::new(condition)]).collect()),
        })
    }

    fn condition(&mut self, start: usize, key: &str, operator: Operator, part: &[(char, bool)]) -> Result<Condition, FilterError> {
        let text = text_of(part);
        let value = text.trim();
        if let Some((attribute, of)) = key.rsplit_once('.') {
            self.no_order(start, key, operator)?;
            return match of {
                "source" => Ok(Condition::SourceOf(attribute.to_owned(), self.source(start, value)?)),
                _ => Ok(Condition::PinnedOf(attribute.to_owned(), self.yes_no(start, key, value)?)),
            };
        }
        if CONDITIONS.contains(&key) {
            self.no_order(start, key, operator)?;
            return self.special(start, key, operator, part, value);
        }
        match words::field(self.catalogue, key) {
            Some(field) => self.field(start, field, operator, part, value),
            None => match Relation::parse(self.catalogue, key) {
                Some(relation) if operator == Operator::Fits => {
                    self.hop(start)?;
                    let terms = match value {
                        "*" | "" => Vec::new(),
                        text => vec![Term::new(Condition::Text(text.to_owned()))],
                    };
                    Ok(Condition::Related(relation, Filter { terms }))
                }
                Some(relation) => Err(self.error(start, format!("after {relation} comes a colon, as in {relation}:(class:server)"))),
                None => {
                    let mut known = Relation::known_words(self.catalogue);
                    known.extend(words::field_names(self.catalogue).chain(CONDITIONS.iter().copied()).map(str::to_owned));
                    Err(self.error(
                        start,
                        format!(
                            "there is no attribute {:?} and no relationship of that name{}; to search for the text itself, put it in quotation marks",
                            shorten(key),
                            suggestion(key, known.iter().map(String::as_str))
                        ),
                    ))
                }
            },
        }
    }

    fn no_order(&self, start: usize, key: &str, operator: Operator) -> Result<(), FilterError> {
        match operator {
            Operator::Fits | Operator::Differs | Operator::Compares(Comparison::Equal) => Ok(()),
            Operator::Compares(_) => Err(self.error(start, format!("{key} has no order; write {key}:…"))),
        }
    }

    fn special(
        &mut self,
        start: usize,
        key: &str,
        operator: Operator,
        part: &[(char, bool)],
        value: &str,
    ) -> Result<Condition, FilterError> {
        let wrong = |problem: String| self.error(start, problem);
        Ok(match key {
            "class" => {
                let known = self.catalogue.class(&value.to_lowercase());
                let missing =
                    || wrong(format!("there is no class {:?}{}", shorten(value), suggestion(value, words::class_names(self.catalogue))));
                Condition::Class(known.ok_or_else(missing)?.name.to_string())
            }
            "lifecycle" if value == "any" => Condition::Lifecycle(None),
            // `retired` takes in what was disposed of as well.
            "lifecycle" => match (Lifecycle::parse(value), Stage::parse(value)) {
                (Some(state), _) => Condition::Lifecycle(Some(state)),
                (None, Some(stage)) => Condition::Stage(stage),
                (None, None) => {
                    let stages = Stage::ALL.map(Stage::as_str).join(", ");
                    return Err(wrong(format!("a lifecycle is active, retired or any, or one of {stages}")));
                }
            },
            "agent" => match value {
                "yes" => Condition::HasAgent(true),
                "no" => Condition::HasAgent(false),
                id => Condition::Agent(id.parse().map_err(|_| wrong("after agent: comes yes, no or an agent's id".to_owned()))?),
            },
            "seen" => Condition::SeenWithin(duration_ms(value).ok_or_else(|| wrong(NOT_A_DURATION.to_owned()))?),
            "quiet" => Condition::QuietFor(duration_ms(value).ok_or_else(|| wrong(NOT_A_DURATION.to_owned()))?),
            "sighted" => Condition::SightedWithin(duration_ms(value).ok_or_else(|| wrong(NOT_A_DURATION.to_owned()))?),
            "unsighted" => Condition::NotSightedFor(duration_ms(value).ok_or_else(|| wrong(NOT_A_DURATION.to_owned()))?),
            "id" => Condition::Id(value.parse().map_err(|_| wrong("an id is a UUID".to_owned()))?),
            "source" => Condition::Source(self.source(start, value)?),
            "pinned" => Condition::Pinned(self.yes_no(start, key, value)?),
            _ => self.software(start, operator, part)?,
        })
    }

    /// `openssl`, or `openssl<3.0.7`.
    fn software(&self, start: usize, operator: Operator, part: &[(char, bool)]) -> Result<Condition, FilterError> {
        let sign = |index: usize| part.get(index).filter(|(_, quoted)| !quoted).map(|(character, _)| *character);
        let compared = (0..part.len()).find_map(|at| match (sign(at), sign(at + 1)) {
            (Some('<'), Some('=')) => Some((at, Comparison::AtMost, 2)),
            (Some('<'), _) => Some((at, Comparison::Less, 1)),
            (Some('>'), Some('=')) => Some((at, Comparison::AtLeast, 2)),
            (Some('>'), _) => Some((at, Comparison::More, 1)),
            (Some('='), _) => Some((at, Comparison::Equal, 1)),
            _ => None,
        });
        let (name, version) = match compared {
            Some((at, comparison, length)) => (text_of(&part[..at]), Some((comparison, text_of(&part[at + length..]).trim().to_owned()))),
            None => (text_of(part), None),
        };
        let name = name.trim().to_owned();
        if name.is_empty() || version.as_ref().is_some_and(|(_, version)| version.is_empty()) {
            return Err(self.error(start, "name the software, as in software:openssl or software:openssl<3.0.7".to_owned()));
        }
        let exact = operator != Operator::Fits || version.is_some();
        Ok(Condition::Software { name, exact, version })
    }

    fn field(&self, start: usize, field: Field, operator: Operator, part: &[(char, bool)], value: &str) -> Result<Condition, FilterError> {
        let wrong = |problem: String| self.error(start, problem);
        let is_star = part.len() == 1 && part[0] == ('*', false);
        let comparison = match operator {
            Operator::Fits | Operator::Compares(Comparison::Equal) if is_star => return Ok(Condition::Has(field)),
            Operator::Differs if is_star => return Ok(Condition::Has(field)),
            Operator::Fits if value.is_empty() => return Ok(Condition::Has(field)),
            Operator::Compares(Comparison::Equal) | Operator::Differs if value.is_empty() => {
                return Ok(Condition::Is(field, String::new()));
            }
            Operator::Compares(comparison) => comparison,
            Operator::Fits | Operator::Differs => Comparison::Equal,
        };
        let kind = words::kind(self.catalogue, &field);
        if kind == Kind::Boolean || kind == Kind::Text {
            if comparison != Comparison::Equal {
                return match kind {
                    Kind::Boolean => Err(wrong(format!("{field} is yes or no; write {field}:yes"))),
                    _ if value.is_empty() => Err(wrong(format!("nothing stands behind {field}{comparison}"))),
                    _ => Ok(Condition::Compare(field, comparison, Operand::Version(value.to_owned()))),
                };
            }
            if kind == Kind::Boolean {
                let yes = match value.to_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => self.yes_no(start, &field.to_string(), value)?,
                };
                return Ok(Condition::Is(field, yes.to_string()));
            }
            return Ok(if operator == Operator::Fits {
                Condition::Contains(field, value.to_owned())
            } else {
                Condition::Is(field, value.to_owned())
            });
        }
        let operand = |text: &str| match &kind {
            Kind::Number(unit) => number(text, unit).map(Operand::Number).ok_or_else(|| wrong(not_a_number(&field, unit))),
            _ => Moment::parse(text).map(Operand::Time).ok_or_else(|| wrong(NOT_A_MOMENT.to_owned())),
        };
        if let Some((from, to)) = value.split_once("..") {
            if comparison != Comparison::Equal || (from.is_empty() && to.is_empty()) {
                return Err(wrong(format!("a range has two ends, as in {field}:A..B; one of them may be missing")));
            }
            let ends = [(from, Comparison::AtLeast), (to, Comparison::AtMost)].into_iter().filter(|(text, _)| !text.trim().is_empty());
            let ends = ends.map(|(text, comparison)| Ok(Term::new(Condition::Compare(field.clone(), comparison, operand(text.trim())?))));
            return Ok(Condition::Any(vec![ends.collect::<Result<_, FilterError>>()?]));
        }
        let operand = operand(value)?;
        // Nobody means exactly seven days ago.
        let is_distance = matches!(operand, Operand::Time(Moment::Distance(_)));
        let comparison = if is_distance && comparison == Comparison::Equal { Comparison::AtMost } else { comparison };
        Ok(Condition::Compare(field, comparison, operand))
    }

    fn source(&self, start: usize, value: &str) -> Result<String, FilterError> {
        let kind = value.split(':').next().unwrap_or_default();
        if ["agent", "import", "api", "user"].contains(&kind) {
            return Ok(value.to_owned());
        }
        Err(self.error(start, "a source is agent, import, api or user, with a name behind it where it has one: import:sap".to_owned()))
    }

    fn yes_no(&self, start: usize, key: &str, value: &str) -> Result<bool, FilterError> {
        match value {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(self.error(start, format!("after {key}: comes yes or no"))),
        }
    }

    fn count(&mut self, start: usize, terms: usize) -> Result<(), FilterError> {
        self.terms += terms;
        if self.terms > MAX_TERMS {
            return Err(self.error(start, format!("the filter has more than {MAX_TERMS} conditions")));
        }
        Ok(())
    }

    fn hop(&mut self, start: usize) -> Result<(), FilterError> {
        self.hops += 1;
        if self.hops > MAX_HOPS {
            return Err(self.error(start, format!("the filter follows more than {MAX_HOPS} relationships")));
        }
        self.count(start, 1)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Goes on behind this word if it stands here by itself.
    fn take_word(&mut self, word: &str) -> bool {
        let end = self.at + word.len();
        let stands = self.chars.get(self.at..end).is_some_and(|here| here.iter().copied().eq(word.chars()));
        let ends = self.chars.get(end).is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')'));
        if stands && ends {
            self.at = end;
        }
        stands && ends
    }

    /// What is wrong with the word that begins there.
    fn error(&self, start: usize, problem: String) -> FilterError {
        let mut quoted = false;
        let rest = self.chars.get(start..).unwrap_or_default().iter();
        let word = rest.take_while(|character| {
            quoted ^= **character == '"';
            quoted || !character.is_whitespace()
        });
        FilterError { word: word.take(80).collect(), position: start + 1, problem }
    }
}

const OR_STANDS_BETWEEN: &str = "OR stands between two conditions; to search for the word, put it in quotation marks";
const NOT_A_DURATION: &str = "a time is a number and m, h, d, w or y, as in 7d";
const NOT_A_MOMENT: &str =
    "a moment is a day (2026-12-31), month, year or RFC 3339 instant, now, +30d or -30d from now, or a distance from now as in 7d";

fn not_a_number(field: &Field, unit: &str) -> String {
    match unit {
        "" => format!("{field} is compared with a number, as in {field}>=4"),
        "bytes" => format!("{field} is compared with a number of bytes, as in {field}>=16GiB"),
        unit => format!("{field} is compared with a number in {unit}, as in {field}>=4"),
    }
}

fn text_of(value: &[(char, bool)]) -> String {
    value.iter().map(|(character, _)| *character).collect()
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Names that are more than letters, digits and `_` are keys only where they mean something: `web-01:8080` is text.
fn is_known(catalogue: &Catalogue, name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((attribute, "source" | "pinned")) => {
            matches!(words::field(catalogue, attribute), Some(Field::Attributes(_, names)) if names == [attribute])
        }
        Some(_) => false,
        None => CONDITIONS.contains(&name) || words::field(catalogue, name).is_some() || Relation::parse(catalogue, name).is_some(),
    }
}

/// `fe80::1` and `aa:bb:cc:dd:ee:ff` begin as `key:value` does: hexadecimal digits before the colon, and more colons after.
fn looks_like_address(before: &str, rest: &[char]) -> bool {
    let hexadecimal = before.len() <= 4 && before.chars().all(|c| c.is_ascii_hexdigit());
    hexadecimal && rest.first() == Some(&':') && rest[1..].iter().take_while(|c| !c.is_whitespace()).any(|c| *c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(&Catalogue::built_in(), text)
    }

    #[test]
    fn what_is_written_is_understood_and_written_again() {
        for (written, meant) in [
            ("", ""),
            ("  web   db01 ", r#""web" "db01""#),
            ("class:Server os:debian", r#"class:server os:"debian""#),
            (r#"owner:"Team A" -serial=ABC"#, r#"owner:"Team A" -serial="ABC""#),
            (r#"owner="" "class:server""#, r#"owner="" "class:server""#),
            ("seen:2h quiet:1w agent:no lifecycle:any", "seen:120m quiet:10080m agent:no lifecycle:any"),
            ("lifecycle:in_stock sighted:1h unsighted:1w", "lifecycle:in_stock sighted:60m unsighted:10080m"),
            ("fe80::1 aa:bb:cc:dd:ee:ff 10.0.0.7:443 web-01:8080", r#""fe80::1" "aa:bb:cc:dd:ee:ff" "10.0.0.7:443" "web-01:8080""#),
            (r#""say \"hi\" \\""#, r#""say \"hi\" \\""#),
            ("web-01 -web", r#""web-01" -"web""#),
            ("'; drop table ci; --", r#""';" "drop" "table" "ci;" -"-""#),
            ("a b)", r#""a" "b)""#),
            ("<script>alert(1)</script>", r#""<script>alert(1)</script>""#),
            ("memory_bytes>=16GiB cpu-cores:4..8", "memory_bytes>=17179869184 (cpu_cores>=4 cpu_cores<=8)"),
            ("memory_bytes:>=1.5KiB memory_bytes:64..", "memory_bytes>=1536 (memory_bytes>=64)"),
            ("cpu_cores!=4 -cpu_cores!=5", "-cpu_cores=4 cpu_cores=5"),
            ("class:server,laptop", "(class:server OR class:laptop)"),
            (r#"owner:"a,b",c"#, r#"(owner:"a,b" OR owner:"c")"#),
            ("owner!=a,b", r#"-(owner="a" OR owner="b")"#),
            ("a OR b c", r#"("a" OR "b" "c")"#),
            ("(a OR (b AND c)) NOT (d)", r#"("a" OR ("b" "c")) -("d")"#),
            ("owner:* owner!=*", "owner:* -owner:*"),
            (r#"owner:"*""#, r#"owner:"*""#),
            ("first-seen:7d changed>1w valid_until<2026-12-31", "first_seen<=10080m changed>10080m valid_until<2026-12-31"),
            ("booted_at>-1d valid_until<+30d valid_until<now", "booted_at>-1440m valid_until<+43200m valid_until<now"),
            ("valid_until=2026 valid_until:2026-12", "valid_until=2026 valid_until=2026-12"),
            ("firmware_version<2.1", r#"firmware_version<"2.1""#),
            ("software:openssl<3.0.7 software=bash", r#"software:"openssl"<"3.0.7" software="bash""#),
            ("software:c++,python3>=3.11", r#"(software:"c++" OR software:"python3">="3.11")"#),
            ("source:import:sap owner.source:user owner.pinned:no", r#"source:"import:sap" owner.source:"user" owner.pinned:no"#),
            ("inventory_incomplete:yes", r#"inventory_incomplete="true""#),
            ("hosts:db01 runs-on:*", r#"hosts:("db01") runs_on:*"#),
            (
                "class:server hosts:(class:database needed-by:(class:business_service criticality=critical))",
                r#"class:server hosts:(class:database needed_by:(class:business_service criticality="critical"))"#,
            ),
            ("-needs:(a OR b)", r#"-needs:(("a" OR "b"))"#),
        ] {
            let filter = parse(written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(filter.to_string(), meant, "{written}");
            assert_eq!(parse(meant).unwrap_or_else(|error| panic!("{meant}: {error}")), filter, "{written}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_is() {
        for (written, word, position, in_problem) in [
            ("web class:sever", "class:sever", 5, "no class \"sever\""),
            ("class:serv", "class:serv", 1, "\"server\""),
            ("ownr:x", "ownr:x", 1, "no attribute"),
            ("owner:\"Team", "owner:\"Team", 1, "not closed"),
            ("seen:soon", "seen:soon", 1, "7d"),
            ("seen:é", "seen:é", 1, "7d"),
            ("lifecycle:gone", "lifecycle:gone", 1, "active, retired or any"),
            ("agent:x", "agent:x", 1, "yes, no"),
            ("-", "-", 1, "must not hold"),
            ("b OR", "OR", 3, "between two"),
            ("a (b OR )", "OR", 6, "between two"),
            ("a (b", "(b", 3, "not closed"),
            ("a )", ")", 3, "closes none"),
            ("OR a", "OR", 1, "between two"),
            ("()", "()", 1, "nothing between"),
            ("NOT", "NOT", 1, "after NOT"),
            ("cpu_cores>four", "cpu_cores>four", 1, "a number"),
            ("memory_bytes>16XB", "memory_bytes>16XB", 1, "16GiB"),
            ("valid_until<soon", "valid_until<soon", 1, "2026-12-31"),
            ("cpu_cores:..", "cpu_cores:..", 1, "two ends"),
            ("class<server", "class<server", 1, "no order"),
            ("inventory_incomplete>1", "inventory_incomplete>1", 1, "yes or no"),
            ("owner:a,,b", "owner:a,,b", 1, "a choice is missing"),
            ("software:openssl<", "software:openssl<", 1, "name the software"),
            ("source:rumour", "source:rumour", 1, "agent, import, api or user"),
            ("hosts=db01", "hosts=db01", 1, "a colon"),
            ("host:db01", "host:db01", 1, "did you mean"),
        ] {
            let error = parse(written).unwrap_err();
            assert_eq!((error.word.as_str(), error.position), (word, position), "{written}");
            assert!(error.problem.contains(in_problem), "{written}: {}", error.problem);
        }
    }

    #[test]
    fn a_filter_has_bounds() {
        for (written, in_problem) in [
            ("a".repeat(MAX_FILTER_BYTES + 1), "bytes"),
            ("a ".repeat(MAX_TERMS + 1), "conditions"),
            (format!("owner:{}", "a,".repeat(MAX_TERMS + 1)), "conditions"),
            (format!("{}a{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1)), "deep"),
            ("(".repeat(1_999), "deep"),
            ("hosts:x ".repeat(MAX_HOPS + 1), "relationships"),
            (format!("{}x{}", "hosts:(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1)), "more than"),
        ] {
            let error = parse(&written).unwrap_err();
            assert!(error.problem.contains(in_problem), "{written}: {error}");
            assert!(error.word.chars().count() <= 80);
        }
        let deepest = format!("{}a{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        assert!(parse(&deepest).is_ok());
    }

    #[test]
    fn the_class_asked_for_is_told_only_if_there_is_one() {
        for (written, class) in
            [("class:server", Some("server")), ("class:server class:laptop", None), ("-class:server", None), ("x", None)]
        {
            assert_eq!(parse(written).unwrap().class(), class, "{written}");
        }
    }
}

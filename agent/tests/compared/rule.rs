//! One line of a table: which facts of theirs it is about, and where ours are or why there are none.

use std::fmt;

use serde_json::Value;

/// One thing a tool says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    /// Where it says it.
    pub(crate) path: Vec<String>,
    /// What it says, as text.
    pub(crate) value: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}", self.path.join("/"), self.value)
    }
}

impl Fact {
    pub(crate) fn new<const N: usize>(path: [&str; N], value: impl fmt::Display) -> Self {
        Self { path: path.map(str::to_owned).to_vec(), value: value.to_string() }
    }
}

/// Every scalar below `value`; members of lists stand under `[]`. Null and empty text say nothing.
pub(crate) fn flatten(path: &[String], value: &Value, facts: &mut Vec<Fact>) {
    let below = |name: &str| [path, &[name.to_owned()]].concat();
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Object(members) => members.iter().for_each(|(name, member)| flatten(&below(name), member, facts)),
        Value::Array(entries) => entries.iter().for_each(|entry| flatten(&below("[]"), entry, facts)),
        scalar => facts.push(Fact { path: path.to_vec(), value: text(scalar) }),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How a fact compares.
pub(crate) enum Outcome {
    Same,
    /// What ours says.
    Different(String),
    /// Why it is not in ours.
    NotCovered(&'static str),
}

/// Their value in our words; `None` where it says nothing that can be compared.
type Convert = fn(&str) -> Option<String>;

enum Is {
    /// Where ours is: `disks.disks[name=$1].size_bytes`; `$1` is what the first `*` stood for, and a list without a
    /// condition means any of its entries, and `.#` at the end how many there are.
    Field(&'static str, Convert),
    NotCovered(&'static str),
}

/// One line of a table.
pub(crate) struct Rule {
    /// Path of facts: `disks/*/size_bytes`; `*` is any one name, `**` at the end all that is below.
    pub(crate) theirs: &'static str,
    is: Is,
}

impl Rule {
    /// Ours says the same at `ours`.
    pub(crate) const fn same(theirs: &'static str, ours: &'static str) -> Self {
        Self { theirs, is: Is::Field(ours, |value| Some(value.to_owned())) }
    }

    /// Ours says it at `ours`, in other words.
    pub(crate) const fn as_(theirs: &'static str, ours: &'static str, convert: Convert) -> Self {
        Self { theirs, is: Is::Field(ours, convert) }
    }

    /// Ours does not say it, for this reason.
    pub(crate) const fn not(theirs: &'static str, reason: &'static str) -> Self {
        Self { theirs, is: Is::NotCovered(reason) }
    }

    pub(crate) fn ours(&self) -> &'static str {
        match self.is {
            Is::Field(ours, _) => ours,
            Is::NotCovered(_) => "nothing",
        }
    }

    /// What the `*`s stand for, if this line is about the fact.
    pub(crate) fn captures(&self, fact: &Fact) -> Option<Vec<String>> {
        let mut captured = Vec::new();
        let mut names = fact.path.iter();
        for part in self.theirs.split('/') {
            if part == "**" {
                return names.next().is_some().then_some(captured);
            }
            let name = names.next()?;
            if part == "*" {
                captured.push(name.clone());
            } else if part != name {
                return None;
            }
        }
        names.next().is_none().then_some(captured)
    }

    pub(crate) fn check(&self, fact: &Fact, captured: &[String], sections: &Value) -> Outcome {
        let (ours, convert) = match self.is {
            Is::NotCovered(reason) => return Outcome::NotCovered(reason),
            Is::Field(ours, convert) => (ours, convert),
        };
        let Some(expected) = convert(&fact.value) else { return Outcome::NotCovered("says nothing here") };
        let mut found = vec![sections];
        let counted = ours.strip_suffix(".#");
        let mut rest = counted.unwrap_or(ours);
        while !rest.is_empty() {
            let (step, after) = step(rest);
            found = found.into_iter().flat_map(|value| follow(value, step, captured, &fact.value)).collect();
            rest = after;
        }
        if counted.is_some() {
            let count = found.len().to_string();
            return if count == expected { Outcome::Same } else { Outcome::Different(count) };
        }
        let found: Vec<String> = found.into_iter().filter(|value| !value.is_null()).map(text).collect();
        if found.contains(&expected) { Outcome::Same } else { Outcome::Different(format!("{found:?}, not {expected:?}")) }
    }
}

/// The first step of a path (`name` or `name[key=value]`) and the rest; dots within brackets belong to the value.
fn step(path: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b'.' if depth == 0 => return (&path[..at], &path[at + 1..]),
            _ => {}
        }
    }
    (path, "")
}

/// What a step leads to: a member, and where that is a list, its entries for which the condition holds. `$0` in a condition
/// is their value.
fn follow<'a>(value: &'a Value, step: &str, captured: &[String], theirs: &str) -> Vec<&'a Value> {
    let (name, condition) = match step.split_once('[') {
        Some((name, condition)) => (name, condition.trim_end_matches(']')),
        None => (step, ""),
    };
    let member = &value[name];
    let Some(entries) = member.as_array() else { return vec![member] };
    let holds = |entry: &&Value| {
        condition.split(',').filter(|one| !one.is_empty()).all(|one| {
            let (key, wanted) = one.split_once('=').unwrap_or((one, ""));
            let wanted = match wanted.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()) {
                Some(0) => theirs,
                Some(number) => captured.get(number - 1).map_or("", String::as_str),
                None => wanted,
            };
            text(&entry[key]) == wanted
        })
    };
    entries.iter().filter(holds).collect()
}

/// In lower case.
pub(crate) fn lower(value: &str) -> Option<String> {
    Some(value.to_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_find_what_they_are_about() {
        let sections = json!({ "disks": { "disks": [{ "name": "a.b", "size": 5, "tags": ["x", "y"] }, { "name": "c", "size": 6 }] } });
        let fact = Fact::new(["disk", "a.b", "size"], 5);
        let check = |rule: Rule, fact: &Fact| {
            let captured = rule.captures(fact)?;
            Some(matches!(rule.check(fact, &captured, &sections), Outcome::Same))
        };
        let cases = [
            (Rule::same("disk/*/size", "disks.disks[name=$1].size"), Some(true)),
            (Rule::same("disk/*/size", "disks.disks.size"), Some(true)),
            (Rule::same("disk/*/size", "disks.disks[name=c].size"), Some(false)),
            (Rule::same("disk/*/size", "disks.disks[name=$1].color"), Some(false)),
            (Rule::as_("disk/*/size", "disks.disks.#", |_| Some("2".to_owned())), Some(true)),
            (Rule::same("disk/*/**", "disks.disks[name=$1,size=$0].size"), Some(true)),
            (Rule::same("disk/*", "disks"), None),
            (Rule::same("disk/*/size/more", "disks"), None),
        ];
        for (rule, expected) in cases {
            let (theirs, ours) = (rule.theirs, rule.ours());
            assert_eq!(check(rule, &fact), expected, "{theirs} {ours}");
        }
        assert_eq!(check(Rule::same("tag/*", "disks.disks[name=$1].tags"), &Fact::new(["tag", "a.b"], "y")), Some(true));
    }

    #[test]
    fn facts_are_scalars_with_a_path() {
        let mut facts = Vec::new();
        flatten(&[], &json!({ "a": { "b": [1, "two", null, ""] }, "c": true }), &mut facts);
        let shown: Vec<_> = facts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [r#"a/b/[] = "1""#, r#"a/b/[] = "two""#, r#"c = "true""#]);
    }
}

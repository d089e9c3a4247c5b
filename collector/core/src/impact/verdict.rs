//! The answer in one sentence.

use rollcall_shared::catalogue::Hardness;

use super::{Absorbed, Affected, Assessment, Certainty, FailureKind, State};

/// A name is shortened to this many characters.
const NAME_CHARACTERS: usize = 60;
/// At most this many names in a row; the rest is counted.
const NAMES: usize = 3;

pub(super) fn sentence(assessment: &Assessment<'_>) -> String {
    if assessment.failures.is_empty() {
        return match assessment.not_found.len() {
            0 => "Nothing fails, so nothing is affected.".into(),
            1 => "The configuration item named is not in the inventory (any more), so there is nothing to assess.".into(),
            many => format!("None of the {many} configuration items named is in the inventory (any more), so there is nothing to assess."),
        };
    }
    let condition = condition(assessment);
    if assessment.certainty == Certainty::Unknown {
        return format!("It is not known what breaks if {condition}: {}.", why_unknown(assessment));
    }
    let mut sentence = format!("If {condition}, {}", effects(assessment));
    sentence.push_str(&among_them(assessment));
    for clause in [redundancy(assessment), already(assessment), weak_evidence(assessment), missing(assessment)].into_iter().flatten() {
        sentence.push_str("; ");
        sentence.push_str(&clause);
    }
    sentence.push('.');
    sentence
}

/// "db01 is down and web01 and web02 are degraded"
fn condition(assessment: &Assessment<'_>) -> String {
    let kinds = [(FailureKind::Down, "down"), (FailureKind::Maintenance, "down for maintenance"), (FailureKind::Degraded, "degraded")];
    let parts = kinds.into_iter().filter_map(|(kind, words)| {
        let failing = assessment.failures.iter().filter(|failure| failure.kind == kind);
        let names: Vec<String> = failing.map(|failure| shown(&failure.ci.name)).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        (!names.is_empty()).then(|| format!("{} {verb} {words}", list(&names, NAMES, "more", "more")))
    });
    list(&parts.collect::<Vec<_>>(), kinds.len(), "", "")
}

/// "3 configuration items go down and 2 are degraded"
fn effects(assessment: &Assessment<'_>) -> String {
    let counts = assessment.counts;
    if counts.harmed() == 1
        && let Some(only) = assessment.affected.first()
    {
        let verb = if only.state == State::Down { "goes down" } else { "is degraded" };
        return format!("{} {verb}", titled(assessment, only));
    }
    let down = match counts.down {
        0 => None,
        1 => Some("1 configuration item goes down".to_owned()),
        many => Some(format!("{many} configuration items go down")),
    };
    let degraded = match (counts.degraded, &down) {
        (0, _) => None,
        (1, _) => Some("1 is degraded".to_owned()),
        (many, Some(_)) => Some(format!("{many} are degraded")),
        (many, None) => Some(format!("{many} configuration items are degraded")),
    };
    match (down, degraded) {
        (Some(down), Some(degraded)) => format!("{down} and {degraded}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) if !assessment.already.is_empty() && counts.at_risk == 0 => "nothing more is affected than already is".into(),
        (None, None) if assessment.absorbed.is_empty() && has_no_dependents(assessment) => {
            let them = if assessment.failures.len() == 1 { "it" } else { "them" };
            format!("nothing else is affected: nothing is known to depend on {them}")
        }
        (None, None) if counts.at_risk == 0 => "nothing else is affected".into(),
        (None, None) => "nothing else goes down or is degraded".into(),
    }
}

/// ", among them the business services Webshop and CRM"
fn among_them(assessment: &Assessment<'_>) -> String {
    let names: Vec<String> = assessment.business_services().map(|service| shown(&service.ci.name)).collect();
    match names.len() {
        // A single effect has been named already.
        0 => String::new(),
        _ if assessment.counts.harmed() == 1 => String::new(),
        1 => format!(", among them the business service {}", names[0]),
        _ => format!(", among them the business services {}", list(&names, NAMES, "more", "more")),
    }
}

/// "the redundancy of orders-api (1 of 2 still serves) absorbs it for 4 more"
fn redundancy(assessment: &Assessment<'_>) -> Option<String> {
    let redundant: Vec<&Absorbed<'_>> = assessment.absorbed.iter().filter(|absorbed| absorbed.redundancy().is_some()).collect();
    let first = redundant.first()?;
    let need = first.redundancy()?;
    let serves = if need.serving == 1 { "serves" } else { "serve" };
    let margin = if first.state == State::AtRisk { ", none to spare" } else { "" };
    let others = match redundant.len() - 1 {
        0 => String::new(),
        1 => " and of 1 other".to_owned(),
        many => format!(" and of {many} others"),
    };
    let spared = match assessment.spared {
        0 => String::new(),
        more => format!(" for {more} more"),
    };
    let who = shown(&first.ci.name);
    Some(format!(
        "the redundancy of {who} ({} of {} still {serves}{margin}){others} absorbs it{spared}",
        need.serving,
        need.providers.len()
    ))
}

/// "db02 and web02 are down already"
fn already(assessment: &Assessment<'_>) -> Option<String> {
    let parts = [State::Down, State::Degraded].into_iter().filter_map(|state| {
        let names: Vec<String> = assessment.already.iter().filter(|one| one.state == state).map(|one| shown(&one.ci.name)).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        (!names.is_empty()).then(|| format!("{} {verb} {} already", list(&names, NAMES, "more", "more"), state.label()))
    });
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn weak_evidence(assessment: &Assessment<'_>) -> Option<String> {
    let evidence = assessment.evidence;
    let rests = if evidence.stale == 1 { "rests" } else { "rest" };
    let age = span(assessment.basis.observed_stale_after_millis);
    (assessment.certainty == Certainty::Partly)
        .then(|| format!("{} of these {} {rests} on evidence older than {age}", evidence.stale, evidence.harmed))
}

fn missing(assessment: &Assessment<'_>) -> Option<String> {
    match assessment.not_found.len() {
        0 => None,
        1 => Some("1 configuration item named is not in the inventory and was left out".into()),
        many => Some(format!("{many} configuration items named are not in the inventory and were left out")),
    }
}

fn why_unknown(assessment: &Assessment<'_>) -> String {
    let age = span(assessment.basis.observed_stale_after_millis);
    let agents = if assessment.failures.len() == 1 { "it, but its agent has" } else { "them, but their agents have" };
    match assessment.evidence.harmed {
        0 => format!("nothing is known to depend on {agents} been silent for more than {age}"),
        1 => format!("the 1 configuration item that would be affected rests on evidence older than {age}"),
        many => format!("the {many} configuration items that would be affected rest on evidence older than {age}"),
    }
}

fn has_no_dependents(assessment: &Assessment<'_>) -> bool {
    assessment.failures.iter().all(|failure| !assessment.graph.dependents(failure.ci.id).any(|edge| edge.hardness != Hardness::None))
}

fn titled(assessment: &Assessment<'_>, affected: &Affected<'_>) -> String {
    let title = if assessment.graph.is_business_service(affected.ci) { "the business service " } else { "" };
    format!("{title}{}", shown(&affected.ci.name))
}

/// "a", "a and b", "a, b and c", and beyond `most` "a, b, c and 4 more".
pub(super) fn list(names: &[String], most: usize, one_more: &str, more: &str) -> String {
    let (head, tail) = match names {
        [] => return String::new(),
        [only] => return only.clone(),
        _ if names.len() <= most => (&names[..names.len() - 1], names[names.len() - 1].clone()),
        _ => {
            let rest = names.len() - most;
            (&names[..most], format!("{rest} {}", if rest == 1 { one_more } else { more }))
        }
    };
    format!("{} and {tail}", head.join(", "))
}

/// A name fit for a sentence: no control characters, not too long, never empty.
pub(super) fn shown(name: &str) -> String {
    let clean = |c: char| if c.is_control() || is_bidi_control(c) { '\u{fffd}' } else { c };
    let mut shown: String = name.trim().chars().take(NAME_CHARACTERS).map(clean).collect();
    if name.trim().chars().nth(NAME_CHARACTERS).is_some() {
        shown.push('…');
    }
    if shown.is_empty() { "(no name)".into() } else { shown }
}

/// Characters that turn the direction of the text around them: a name must not rearrange the sentence it stands in.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A span of time in its largest whole unit: "7 days".
fn span(millis: i64) -> String {
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
    let unit = units.into_iter().find(|(unit, _)| millis >= *unit && millis % unit == 0);
    let (unit, name) = unit.unwrap_or((1_000, "second"));
    let count = millis / unit;
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{graph, outage},
        *,
    };

    #[track_caller]
    fn check(estate: &str, failing: &str, expected: &str) {
        let graph = graph(estate);
        assert_eq!(outage(&graph, failing).verdict(), expected, "{failing} fails in\n{estate}");
    }

    const SHOP: &str = "
        service Webshop
        Webshop -> web01
        web01 -> orders-db
        orders-db -> db01
        report ~> orders-db
        mailer ~> orders-db
        orders-api needs 1 of db01 db02
        till1 -> orders-api
        till2 -> orders-api
        till3 -> till1
        till3 ~> till2
        bench -> till3";

    #[test]
    fn the_whole_sentence() {
        check(
            SHOP,
            "db01",
            "If db01 is down, 3 configuration items go down and 2 are degraded, among them the business service Webshop; the redundancy \
             of orders-api (1 of 2 still serves, none to spare) absorbs it for 4 more.",
        );
        check(
            SHOP,
            "db02",
            "If db02 is down, nothing else goes down or is degraded; the redundancy of orders-api (1 of 2 still serves, none to spare) absorbs it for 4 more.",
        );
        check(SHOP, "Webshop", "If Webshop is down, nothing else is affected: nothing is known to depend on it.");
        check(SHOP, "Webshop bench", "If Webshop and bench are down, nothing else is affected: nothing is known to depend on them.");
        check(
            SHOP,
            "bench",
            "It is not known what breaks if bench is down: nothing is known to depend on it, but its agent has been silent for more than 7 days.",
        );
        check(SHOP, "till3:maintenance", "If till3 is down for maintenance, bench goes down.");
        check(SHOP, "till2", "If till2 is down, 2 configuration items are degraded.");
        check(SHOP, "web01:degraded", "If web01 is degraded, the business service Webshop is degraded.");
        check(
            SHOP,
            "till3 till2:degraded web01:maintenance",
            "If till3 is down, web01 is down for maintenance and till2 is degraded, 2 configuration items go down, among them the business service Webshop.",
        );
    }

    #[test]
    fn many_names_are_counted() {
        check("a -> x\nb -> x\nc ~> x\nd -> y", "x y", "If x and y are down, 3 configuration items go down and 1 is degraded.");
        check("a -> v\na -> w\na -> x\na -> y\na -> z", "v w x y z", "If v, w, x and 2 more are down, a goes down.");
        check(
            "service A\nservice B\nservice C\nservice D\nA -> x\nB -> x\nC -> x\nD -> x",
            "x",
            "If x is down, 4 configuration items go down, among them the business services A, B, C and 1 more.",
        );
        check(
            "a needs 2 of x b c d\ne needs 1 of x b\nf needs 1 of x c\ng likes 1 of x d d2",
            "x",
            "If x is down, nothing else goes down or is degraded; the redundancy of e (1 of 2 still serves, none to spare) and of 3 others absorbs it.",
        );
        check("a needs 2 of x b c d", "x", "If x is down, nothing else is affected; the redundancy of a (3 of 4 still serve) absorbs it.");
        check("a ~> x", "x:degraded", "If x is degraded, nothing else is affected.");
    }

    #[test]
    fn stale_evidence_is_said() {
        check(
            "a -> x stale\nb -> x",
            "x",
            "If x is down, 2 configuration items go down; 1 of these 2 rests on evidence older than 7 days.",
        );
        check(
            "a -> x\nb -> x stale\nc -> b",
            "x",
            "If x is down, 3 configuration items go down; 2 of these 3 rest on evidence older than 7 days.",
        );
        check("a -> x stale\na -> x", "x", "If x is down, a goes down.");
        check(
            "a -> x stale",
            "x",
            "It is not known what breaks if x is down: the 1 configuration item that would be affected rests on evidence older than 7 days.",
        );
        check(
            "a -> x stale\nb -> a",
            "x",
            "It is not known what breaks if x is down: the 2 configuration items that would be affected rest on evidence older than 7 days.",
        );
    }

    #[test]
    fn what_is_not_there_is_said() {
        check("a -> x", "gone", "The configuration item named is not in the inventory (any more), so there is nothing to assess.");
        check("a -> x", "g1 g2", "None of the 2 configuration items named is in the inventory (any more), so there is nothing to assess.");
        check("a -> x", "", "Nothing fails, so nothing is affected.");
        check("a -> x", "x gone", "If x is down, a goes down; 1 configuration item named is not in the inventory and was left out.");
    }

    #[test]
    fn a_name_cannot_disturb_the_sentence() {
        assert_eq!(shown(" db\n01\u{202e} "), "db\u{fffd}01\u{fffd}");
        assert_eq!(shown("  "), "(no name)");
        assert_eq!(shown(&"x".repeat(99)).chars().count(), NAME_CHARACTERS + 1);
    }

    #[test]
    fn spans_are_in_whole_units() {
        for (millis, text) in
            [(604_800_000, "7 days"), (86_400_000, "1 day"), (5_400_000, "90 minutes"), (1_500, "1 second"), (0, "0 seconds")]
        {
            assert_eq!(span(millis), text);
        }
    }
}

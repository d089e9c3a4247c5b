//! Why are these two one machine, or why are they not: each key side by side, each rule, and what stands against.

use std::collections::BTreeSet;

use rollcall_shared::{CiId, Timestamp};

use super::{
    Policy,
    identify::{self, Basis, Newcomer, RULES, Reporter, is_machine},
    likeness::{self, Adapters},
    plan::Plan,
};
use crate::{
    Estate,
    model::{Ci, Conflict, ConflictState, IdentityKeyKind},
    observe::IdentityFacts,
};

/// Two items beside each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Keys of every kind that one of them has.
    pub keys: Vec<KeyComparison>,
    /// The identification rules, strongest first.
    pub rules: Vec<RuleCheck>,
    /// What speaks against them being one, in sentences.
    pub against: Vec<String>,
    /// What is already decided about the two, or asked.
    pub standing: Standing,
}

/// Keys of one kind on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyComparison {
    /// The kind.
    pub kind: IdentityKeyKind,
    /// The first one's values.
    pub one: BTreeSet<String>,
    /// The second one's.
    pub other: BTreeSet<String>,
    /// Whether they have one in common; `None` where one of them has none.
    pub agree: Option<bool>,
    /// Further items that carry a common value.
    pub carried_by_more: usize,
}

/// One rule and what it says of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCheck {
    /// What people call what it compares.
    pub rule: &'static str,
    /// Whether it would join them, suggests it, or does not.
    pub verdict: RuleVerdict,
    /// Why, in a sentence.
    pub why: String,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    /// The same machine.
    Joins,
    /// It finds something in common, and a reason why they are two.
    Copy,
    /// A person should look.
    Suggests,
    /// It finds nothing that both have, or too little.
    NotMet,
}

impl RuleVerdict {
    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joins => "joins",
            Self::Copy => "copy",
            Self::Suggests => "suggests",
            Self::NotMet => "not_met",
        }
    }
}

/// What is decided about two items.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing.
    Open,
    /// Both are one: the one was merged into the other.
    Merged,
    /// It is asked.
    Asked(Conflict),
    /// A person keeps them apart.
    KeptApart(Conflict),
}

/// Compares two items by what is known of them now. `None` if one does not exist.
pub fn compare(estate: &Estate, one: CiId, other: CiId, now: Timestamp, policy: &Policy) -> Option<Comparison> {
    let mut none = uuid::Uuid::nil;
    let plan = Plan::new(estate, now, policy, &mut none);
    let (a, b) = (estate.ci(one)?, estate.ci(other)?);
    Some(Comparison { keys: keys(&plan, a, b), rules: rules(&plan, a, b), against: against(&plan, a, b), standing: standing(&plan, a, b) })
}

fn keys(plan: &Plan<'_>, a: &Ci, b: &Ci) -> Vec<KeyComparison> {
    let values = |ci: &Ci, kind| ci.keys.iter().filter(|key| key.kind == kind).map(|key| key.value.clone()).collect::<BTreeSet<_>>();
    let compared = IdentityKeyKind::ALL.into_iter().map(|kind| {
        let (one, other) = (values(a, kind), values(b, kind));
        let common: BTreeSet<CiId> = a
            .keys
            .iter()
            .filter(|key| key.kind == kind && other.contains(&key.value))
            .flat_map(|key| plan.with_key(key))
            .filter(|id| *id != a.id && *id != b.id)
            .collect();
        let agree = (!one.is_empty() && !other.is_empty()).then(|| !one.is_disjoint(&other));
        KeyComparison { kind, one, other, agree, carried_by_more: common.len() }
    });
    compared.filter(|it| !it.one.is_empty() || !it.other.is_empty()).collect()
}

fn rules(plan: &Plan<'_>, a: &Ci, b: &Ci) -> Vec<RuleCheck> {
    let identity = IdentityFacts::of_item(a);
    let keys = a.keys.iter().cloned().collect();
    let newcomer = Newcomer { reporter: Reporter::Item(a.id), keys: &keys, identity: Some(&identity) };
    RULES.iter().map(|rule| check(plan, &newcomer, rule, a, b)).collect()
}

fn check(plan: &Plan<'_>, newcomer: &Newcomer<'_>, rule: &'static identify::Rule, a: &Ci, b: &Ci) -> RuleCheck {
    let said = |verdict, why: String| RuleCheck { rule: rule.name, verdict, why };
    if !is_machine(plan.estate, a) || !is_machine(plan.estate, b) {
        return said(RuleVerdict::NotMet, "only machines are recognised by rules".to_owned());
    }
    if rule.basis == Basis::Agent {
        return match (a.agent, b.agent) {
            (Some(one), Some(other)) if one == other => said(RuleVerdict::Joins, format!("both are reported by agent {one}")),
            (Some(_), Some(_)) => said(RuleVerdict::NotMet, "each has an agent of its own".to_owned()),
            _ => said(RuleVerdict::NotMet, "they have no agent in common".to_owned()),
        };
    }
    match identify::check(plan, newcomer, rule, b.id) {
        None => said(RuleVerdict::NotMet, "no common value, or more than one other item carries it".to_owned()),
        Some((values, Ok(()))) => said(RuleVerdict::Joins, format!("both have {values}")),
        Some((values, Err(Some(why)))) => said(RuleVerdict::Copy, format!("both have {values}, but {why}")),
        Some((values, Err(None))) if matches!(rule.basis, Basis::Suggestion(_)) => {
            said(RuleVerdict::Suggests, format!("both have {values}, which merges nothing by itself"))
        }
        Some((values, Err(None))) => said(RuleVerdict::NotMet, format!("both have {values}, and too little else agrees")),
    }
}

fn against(plan: &Plan<'_>, a: &Ci, b: &Ci) -> Vec<String> {
    let mut against = Vec::new();
    if likeness::hardware_differs(plan, &a.keys, &b.keys) {
        against.push("their hardware ids differ: serial number, manufacturer or SMBIOS UUID".to_owned());
    }
    let identity = IdentityFacts::of_item(a);
    let keys = a.keys.iter().cloned().collect();
    let newcomer = Newcomer { reporter: Reporter::Item(a.id), keys: &keys, identity: Some(&identity) };
    match likeness::adapters(&newcomer, b) {
        Adapters::Different => against.push("they have no network adapter in common".to_owned()),
        Adapters::Overlap => against.push("each has a network adapter that the other lacks".to_owned()),
        Adapters::Same | Adapters::Unknown => {}
    }
    if let (Some(one), Some(other)) = (a.agent, b.agent)
        && one != other
    {
        let heard = |agent| plan.estate.agent_last_seen(agent).is_some_and(|at| plan.now.millis_since(at) <= plan.policy.alive_window_ms);
        let words =
            if heard(one) && heard(other) { "both agents have just reported: two living machines" } else { "each has an agent of its own" };
        against.push(words.to_owned());
    }
    if likeness::are_two_to_a_source(a, b) {
        against.push("one source knows them by two names".to_owned());
    }
    against
}

fn standing(plan: &Plan<'_>, a: &Ci, b: &Ci) -> Standing {
    if plan.standing(a.id) == plan.standing(b.id) {
        return Standing::Merged;
    }
    let between = |it: &&Conflict| it.known == b.id || it.other == Some(b.id);
    match plan.conflicts_of(a.id).into_iter().find(between) {
        Some(conflict) if conflict.state == ConflictState::KeptApart => Standing::KeptApart(conflict.clone()),
        Some(conflict) => Standing::Asked(conflict.clone()),
        None => Standing::Open,
    }
}

use rollcall_shared::Timestamp;

use super::{Ci, Lifecycle};

/// Where a CI is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Thought of.
    Planned,
    /// Ordered, not here yet.
    Ordered,
    /// Here, with nobody.
    InStock,
    /// Does its work.
    InUse,
    /// Being repaired; what depends on it still does.
    InRepair,
    /// Out of use: kept for history, out of lists, graph and impact.
    Retired,
    /// Sold, scrapped, given back.
    Disposed,
}

impl Stage {
    /// Every stage, in the order of a life.
    pub const ALL: [Self; 7] = [Self::Planned, Self::Ordered, Self::InStock, Self::InUse, Self::InRepair, Self::Retired, Self::Disposed];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Ordered => "ordered",
            Self::InStock => "in_stock",
            Self::InUse => "in_use",
            Self::InRepair => "in_repair",
            Self::Retired => "retired",
            Self::Disposed => "disposed",
        }
    }

    /// The reverse of [`Stage::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }

    /// The name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Ordered => "Ordered",
            Self::InStock => "In stock",
            Self::InUse => "In use",
            Self::InRepair => "In repair",
            Self::Retired => "Retired",
            Self::Disposed => "Disposed of",
        }
    }

    /// Whether it counts in lists.
    pub const fn lifecycle(self) -> Lifecycle {
        match self {
            Self::Retired | Self::Disposed => Lifecycle::Retired,
            _ => Lifecycle::Active,
        }
    }

    /// Whether it counts in graph and impact. What is planned, ordered or in stock is needed by nobody yet: it is listed, and no more.
    pub const fn takes_part(self) -> bool {
        matches!(self, Self::InUse | Self::InRepair)
    }
}

/// Somebody stood before it and saw it: an audit by hand or by scanner, apart from what its agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// Where, in people's words; empty if nobody said.
    pub place: String,
    /// Who saw it, in people's words.
    pub by: String,
    /// Who wrote it down: `user:NAME`, `api:NAME`.
    pub source: String,
}

/// What must be known for a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// A reason, in people's words.
    Reason,
    /// A value of this attribute.
    Attribute(&'static str),
    /// A value of one of these attributes, of a CI of a class that specialises `hardware`: a thing is with somebody or somewhere.
    OneOfHardware(&'static [&'static str]),
}

/// A way from one stage to another.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// From.
    pub from: Stage,
    /// To.
    pub to: Stage,
    /// What people call it.
    pub label: &'static str,
    /// What must be known.
    pub needs: &'static [Requirement],
}

const fn way(from: Stage, to: Stage, label: &'static str, needs: &'static [Requirement]) -> Transition {
    Transition { from, to, label, needs }
}

const NOTHING: &[Requirement] = &[];
const REASON: &[Requirement] = &[Requirement::Reason];
const HOLDER: &[Requirement] = &[Requirement::OneOfHardware(&["owner", "assigned_to", "location"])];
const PROOF: &[Requirement] = &[Requirement::Attribute("disposed_on"), Requirement::Attribute("disposal_reason")];

/// Every way there is, with what it asks for. An agent that reports goes its own way: see `reconcile::machine`.
pub const TRANSITIONS: &[Transition] = &[
    way(Stage::Planned, Stage::Ordered, "Ordered", NOTHING),
    way(Stage::Planned, Stage::InStock, "Received into stock", NOTHING),
    way(Stage::Planned, Stage::InUse, "Put into use", HOLDER),
    way(Stage::Planned, Stage::Retired, "Given up", NOTHING),
    way(Stage::Ordered, Stage::Planned, "Order cancelled", NOTHING),
    way(Stage::Ordered, Stage::InStock, "Received into stock", NOTHING),
    way(Stage::Ordered, Stage::InUse, "Put into use", HOLDER),
    way(Stage::Ordered, Stage::Retired, "Given up", NOTHING),
    way(Stage::InStock, Stage::InUse, "Put into use", HOLDER),
    way(Stage::InStock, Stage::InRepair, "Sent to repair", REASON),
    way(Stage::InStock, Stage::Retired, "Retire", NOTHING),
    way(Stage::InStock, Stage::Disposed, "Disposed of", PROOF),
    way(Stage::InUse, Stage::InStock, "Returned to stock", NOTHING),
    way(Stage::InUse, Stage::InRepair, "Sent to repair", REASON),
    way(Stage::InUse, Stage::Retired, "Retire", NOTHING),
    way(Stage::InUse, Stage::Disposed, "Disposed of", PROOF),
    way(Stage::InRepair, Stage::InUse, "Repaired", HOLDER),
    way(Stage::InRepair, Stage::InStock, "Returned to stock", NOTHING),
    way(Stage::InRepair, Stage::Retired, "Retire", NOTHING),
    way(Stage::InRepair, Stage::Disposed, "Disposed of", PROOF),
    way(Stage::Retired, Stage::InUse, "Restore", NOTHING),
    way(Stage::Retired, Stage::InStock, "Returned to stock", NOTHING),
    way(Stage::Retired, Stage::Disposed, "Disposed of", PROOF),
    way(Stage::Disposed, Stage::Retired, "Not disposed of after all", REASON),
];

/// The way from one stage to another, if there is one.
pub fn transition(from: Stage, to: Stage) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|way| way.from == from && way.to == to)
}

impl Requirement {
    /// Whether it is met by a CI as it would be afterwards; `hardware` says whether its class specialises `hardware`.
    pub fn is_met(self, ci: &Ci, hardware: bool, reason: &str) -> bool {
        let known = |name: &str| ci.value(name).is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
        match self {
            Self::Reason => !reason.trim().is_empty(),
            Self::Attribute(name) => known(name),
            Self::OneOfHardware(names) => !hardware || names.iter().any(|name| known(name)),
        }
    }

    /// What is asked for, in words.
    pub fn wanted(self) -> String {
        match self {
            Self::Reason => "a reason".to_owned(),
            Self::Attribute(name) => format!("the attribute {name}"),
            Self::OneOfHardware(names) => format!("one of the attributes {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_stage_can_be_reached_and_left() {
        let of = |end: fn(&Transition) -> Stage| TRANSITIONS.iter().map(end).collect::<BTreeSet<_>>();
        let all = BTreeSet::from(Stage::ALL);
        assert_eq!(of(|way| way.from), all);
        // Planned and ordered are where a life begins.
        assert_eq!(of(|way| way.to), all);
        let pairs: BTreeSet<_> = TRANSITIONS.iter().map(|way| (way.from, way.to)).collect();
        assert_eq!(pairs.len(), TRANSITIONS.len());
        assert!(transition(Stage::Disposed, Stage::InUse).is_none());
    }

    #[test]
    fn what_is_not_listed_takes_no_part() {
        for stage in Stage::ALL {
            assert!(!stage.takes_part() || stage.lifecycle() == Lifecycle::Active, "{stage:?}");
            assert_eq!(Stage::parse(stage.as_str()), Some(stage));
        }
    }
}

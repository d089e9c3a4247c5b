use rollcall_shared::{CiId, NeedGroupId, Timestamp, catalogue::Hardness};

use super::{attribute::Source, ci::Lifecycle};

/// A declared need of a CI that several providers meet together: "2 of these 3". The relationships from `ci` to the
/// members count through the group and no longer each for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NeedGroup {
    /// Its id.
    pub id: NeedGroupId,
    /// Whose need it is.
    pub ci: CiId,
    /// What people call it: "database replicas".
    pub name: String,
    /// The providers, sorted, without repetition, never empty.
    pub members: Vec<CiId>,
    /// How many must serve.
    pub min_up: MinUp,
    /// How badly it is needed.
    pub hardness: Hardness,
    /// Whether it counts.
    pub lifecycle: Lifecycle,
    /// Whether it counts, or asks to.
    pub standing: Standing,
    /// What speaks for it, where evidence suggested it; kept after it is accepted or rejected.
    pub suggestion: Option<Suggestion>,
    /// Who declared or decided it; [`Source::Agent`] while it is only suggested by what agents see.
    pub source: Source,
    /// When this version came to be.
    pub valid_from: Timestamp,
    /// Counts this group's versions from 1.
    pub version: u32,
}

/// Whether a need group counts. Whoever reads needs sees the accepted ones only; [`crate::Estate::suggestions`] has the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It counts.
    #[default]
    Accepted,
    /// Evidence speaks for it, nobody has decided.
    Suggested,
    /// Somebody decided against it. Remembered, so that it is not asked again.
    Rejected,
}

impl Standing {
    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Suggested => "suggested",
            Self::Rejected => "rejected",
        }
    }

    /// The reverse of [`Standing::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Suggested, Self::Rejected].into_iter().find(|standing| standing.as_str() == text)
    }
}

/// Why a need group is suggested.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// What was recognised.
    pub pattern: Pattern,
    /// What speaks for it, in sentences with the values.
    pub evidence: Vec<String>,
}

/// What redundancy looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// One that serves others sends their work to the same service on several machines.
    BehindBalancer,
    /// A client uses the same service on several machines.
    SpreadClient,
    /// A client uses one of several that copy their data from one another.
    Replicas,
    /// An address that a client uses was on one machine after another, with the same service behind it.
    MovingAddress,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 4] = [Self::BehindBalancer, Self::SpreadClient, Self::Replicas, Self::MovingAddress];

    /// The name in data, settings and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BehindBalancer => "behind_balancer",
            Self::SpreadClient => "spread_client",
            Self::Replicas => "replicas",
            Self::MovingAddress => "moving_address",
        }
    }

    /// The reverse of [`Pattern::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.as_str() == text)
    }
}

/// How many providers of a group must serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MinUp {
    /// At least this many. More than there are members means all of them.
    Count(u32),
    /// At least this share of the members, 1 to 100, rounded up.
    Percent(u8),
}

impl MinUp {
    /// How many of `members` providers must serve: at least 1, at most all.
    pub fn of(self, members: usize) -> usize {
        let wanted = match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (members * usize::from(percent)).div_ceil(100),
        };
        wanted.clamp(1, members.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::MinUp::{Count, Percent};

    #[test]
    fn a_share_is_rounded_up_and_kept_within_the_group() {
        for (min_up, members, wanted) in
            [(Count(2), 3, 2), (Count(9), 3, 3), (Count(0), 3, 1), (Percent(50), 3, 2), (Percent(100), 4, 4), (Percent(1), 5, 1)]
        {
            assert_eq!(min_up.of(members), wanted, "{min_up:?} of {members}");
        }
    }
}

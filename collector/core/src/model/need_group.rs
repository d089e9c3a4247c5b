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
    /// Who declared it.
    pub source: Source,
    /// When this version came to be.
    pub valid_from: Timestamp,
    /// Counts this group's versions from 1.
    pub version: u32,
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

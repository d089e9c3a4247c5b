use rollcall_shared::CiId;

/// How a CI fares, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Not touched, or touched with margin to spare.
    #[default]
    Ok,
    /// Every need is met, but some declared group lost a provider and exactly as many serve as must. It serves fully: what needs it
    /// is not touched.
    AtRisk,
    /// Serves worse: fewer than needed of a soft group serve, or a hard group is met only if degraded providers count. A soft group
    /// that is met is met, degraded providers or not.
    Degraded,
    /// Does not serve: it failed, or fewer than needed of a hard group serve.
    Down,
}

impl State {
    /// Every state, best first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::AtRisk, Self::Degraded, Self::Down];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AtRisk => "at_risk",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// The reverse of [`State::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AtRisk => "at risk",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// How a CI fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// It serves, but worse.
    Degraded,
    /// It does not serve, as planned.
    Maintenance,
    /// It does not serve.
    Down,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Degraded, Self::Maintenance, Self::Down];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Maintenance => "maintenance",
            Self::Down => "down",
        }
    }

    /// The reverse of [`FailureKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The state that it puts the CI in.
    pub const fn state(self) -> State {
        match self {
            Self::Degraded => State::Degraded,
            Self::Maintenance | Self::Down => State::Down,
        }
    }
}

/// What fails, all at once. Of several failures of one CI the worst counts, and unplanned before planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// What fails and how.
    pub failures: Vec<(CiId, FailureKind)>,
}

impl Outage {
    /// These CIs are down.
    pub fn down(cis: impl IntoIterator<Item = CiId>) -> Self {
        Self::all(cis, FailureKind::Down)
    }

    /// These CIs fail in the same way.
    pub fn all(cis: impl IntoIterator<Item = CiId>, kind: FailureKind) -> Self {
        Self { failures: cis.into_iter().map(|ci| (ci, kind)).collect() }
    }
}

/// How many CIs an outage puts in each state, those that fail themselves not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counts {
    /// Down.
    pub down: usize,
    /// Degraded.
    pub degraded: usize,
    /// At risk.
    pub at_risk: usize,
}

impl Counts {
    /// Those that serve worse or not at all.
    pub fn harmed(self) -> usize {
        self.down + self.degraded
    }

    pub(super) fn add(&mut self, state: State) {
        match state {
            State::Ok => {}
            State::AtRisk => self.at_risk += 1,
            State::Degraded => self.degraded += 1,
            State::Down => self.down += 1,
        }
    }
}

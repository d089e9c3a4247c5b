use rollcall_shared::{AgentId, CiId, RelationshipId, Timestamp, catalogue::Hardness};

use super::{attribute::Source, ci::Lifecycle, endpoint::Endpoint, judgement::Judgement, small_set::SmallSet};

/// A directed relationship: `from` depends on `to`.
#[derive(Clone, Debug, PartialEq)]
pub struct Relationship {
    /// Its id.
    pub id: RelationshipId,
    /// Its type, a name of the catalogue.
    pub kind: String,
    /// The dependent.
    pub from: CiId,
    /// What it depends on.
    pub to: CiId,
    /// Hardness set by a person or, for observed administration and the like, by classification; absent: the type's.
    pub hardness: Option<Hardness>,
    /// What an observed connection is for, where it is more than the dependent's own work, or a person set the hardness: why the
    /// hardness is what it is.
    pub judgement: Option<Judgement>,
    /// Whether it counts; a retired one is kept for history.
    pub lifecycle: Lifecycle,
    /// Why it is believed, by method and reporter; never empty.
    pub evidence: Vec<Evidence>,
    /// When it was first seen or declared.
    pub first_seen: Timestamp,
    /// When this version came to be, the collector's clock.
    pub valid_from: Timestamp,
    /// Counts this relationship's versions from 1.
    pub version: u32,
}

/// One reason to believe in a relationship: one method, one reporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// How it is known.
    pub method: Method,
    /// The agent that saw it; absent for what people, imports or API clients declare.
    pub agent: Option<AgentId>,
    /// Who said it.
    pub source: Source,
    /// In a few words with values: `tcp 10.0.0.7:5432, direction from the listener table`.
    pub detail: String,
    /// The addresses and ports on the dependency's side, for observed connections; empty for everything else. Says which
    /// service is meant when one appears there later.
    pub endpoints: SmallSet<Endpoint>,
    /// Samples in which it was seen active, over all windows reported; 0 for what is not sampled.
    pub samples_seen: u64,
    /// Samples taken.
    pub samples_total: u64,
    /// First time seen, the collector's clock.
    pub first_seen: Timestamp,
    /// Last time reported, the collector's clock. An unchanged check-in of the agent confirms it without a new version:
    /// readers take the later of this and [`crate::Estate::agent_last_seen`].
    pub last_seen: Timestamp,
    /// The longest time without it that it came back from, milliseconds: the pace at which a weekly job shows itself.
    pub longest_silence_ms: i64,
}

impl Evidence {
    /// Of what was met on a local network: whether its agent's last list had it, so that every check-in confirms it. Of 1 sample it was seen
    /// in 1, or in 0 since it went.
    pub fn is_listed(&self) -> bool {
        self.method == Method::Neighbour && self.samples_seen > 0
    }
}

/// How a relationship is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A connection was observed by one of its ends.
    Connection,
    /// The machine's agent lists the service.
    RunsOn,
    /// The machine's resolver configuration.
    Resolver,
    /// The machine's default route.
    Gateway,
    /// A mounted remote file system.
    Mount,
    /// A hypervisor's or container host's list of guests, met by the guest's own ids.
    Guest,
    /// A service's or the machine's configuration names it.
    Configuration,
    /// A certificate that lies on the machine.
    Certificate,
    /// The machine met it on its local network: ARP, NDP, or what it announces to everybody.
    Neighbour,
    /// A person or API client declared it.
    Declared,
    /// An import brought it.
    Imported,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 11] = [
        Self::Connection,
        Self::RunsOn,
        Self::Resolver,
        Self::Gateway,
        Self::Mount,
        Self::Guest,
        Self::Configuration,
        Self::Certificate,
        Self::Neighbour,
        Self::Declared,
        Self::Imported,
    ];

    /// Whether people or imports said it; what agents saw is not.
    pub const fn is_said(self) -> bool {
        matches!(self, Self::Declared | Self::Imported)
    }

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::RunsOn => "runs_on",
            Self::Resolver => "resolver",
            Self::Gateway => "gateway",
            Self::Mount => "mount",
            Self::Guest => "guest",
            Self::Configuration => "configuration",
            Self::Certificate => "certificate",
            Self::Neighbour => "neighbour",
            Self::Declared => "declared",
            Self::Imported => "imported",
        }
    }

    /// The reverse of [`Method::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

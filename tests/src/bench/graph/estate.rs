//! Generated estates of any size, the same for the same seed, in two shapes. In both a fifth are machines and a hundredth business services; the rest
//! are services that run on machines and call each other.

use std::borrow::Cow;

use rollcall_core::{
    Method, MinUp, Revision,
    graph::{EdgeEvidence, EdgePart, Graph, GraphParts, GroupPart, NodePart},
};
use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};
use uuid::Uuid;

/// SplitMix64: the same numbers everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// The estate in numbers.
#[derive(Debug)]
pub struct Estate {
    /// Configuration items.
    pub cis: usize,
    /// Dependent, dependency, whether hard.
    pub edges: Vec<(u32, u32, bool)>,
    /// Dependent, members, how many must serve.
    pub groups: Vec<(u32, Vec<u32>, u32)>,
    machines: usize,
}

/// How the dependencies of an estate lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Three of ten services are platforms for the others, each of which calls any five of them; platforms call earlier ones. Without
    /// redundancy one outage of twenty would reach hundreds of thousands; half of all services can do without some of those they call, and the
    /// others mostly without any of them.
    Platforms,
    /// Every service may call every one of the tiers below; few are called by many, as databases and directories are. Deep and tangled.
    Popular,
    /// Applications of forty services that call each other, in circles too, and a few hundred shared services; machines are guests of
    /// hypervisors in racks at sites, which take down thousands.
    Applications,
}

impl Shape {
    /// All.
    pub const ALL: [Self; 3] = [Self::Platforms, Self::Popular, Self::Applications];

    /// What people read.
    pub fn label(self) -> &'static str {
        match self {
            Self::Platforms => "platforms that everything rests on",
            Self::Popular => "popular services, deep and tangled",
            Self::Applications => "applications on guests in racks at sites",
        }
    }
}

impl Estate {
    /// An estate of about five dependencies for each configuration item.
    pub fn generate(cis: usize, shape: Shape, seed: u64) -> Self {
        let mut estate = match shape {
            Shape::Platforms => Self::services(cis, seed, 7, |service, random| random.below(service.min(cis / 4))),
            // The fourth power makes few services popular with many.
            Shape::Popular => Self::services(cis, seed, 2, |service, random| {
                let share = random.below(1 << 20) as f64 / f64::from(1 << 20);
                ((share * share * share * share * service as f64) as usize).min(service - 1)
            }),
            Shape::Applications => Self::applications(cis, seed),
        };
        estate.edges.sort_unstable();
        estate.edges.dedup_by_key(|edge| (edge.0, edge.1));
        estate
    }

    /// The same without redundancy and with every dependency hard: an outage reaches whatever depends on it in any way.
    pub fn plain(&self) -> Self {
        let edges = self.edges.iter().map(|&(from, to, _)| (from, to, true)).collect();
        Self { cis: self.cis, edges, groups: Vec::new(), machines: self.machines }
    }

    fn applications(cis: usize, seed: u64) -> Self {
        const APPLICATION: usize = 40;
        const SHARED: usize = 300;
        let mut random = Random(seed);
        let (machines, business) = (cis / 5, cis / 100);
        let services = cis - machines - business;
        let (mut edges, mut groups) = (Vec::with_capacity(cis * 5), Vec::new());
        // Of the machines: sites, racks of 40 hypervisors, hypervisors with 20 guests each, and guests.
        let hypervisors = (machines / 20).max(1);
        let racks = (hypervisors / 40).max(1);
        let sites = (racks / 100).max(1);
        let (first_hypervisor, first_guest) = (sites + racks, (sites + racks + hypervisors).min(machines - 1));
        edges.extend((0..racks).map(|rack| ((sites + rack) as u32, (rack % sites) as u32, true)));
        edges.extend((0..hypervisors).map(|one| ((first_hypervisor + one) as u32, (sites + one / 40 % racks) as u32, true)));
        edges.extend((first_guest..machines).map(|guest| (guest as u32, (first_hypervisor + random.below(hypervisors)) as u32, true)));
        for service in 0..services {
            let ci = (machines + service) as u32;
            let first = edges.len();
            let application = service / APPLICATION * APPLICATION;
            // Mostly those further down in the application, sometimes back up.
            for _ in 0..random.below(8) {
                let within = if random.below(50) == 0 { APPLICATION.min(services - application) } else { service - application };
                if within > 0 {
                    let target = application + random.below(within);
                    if target != service {
                        edges.push((ci, (machines + target) as u32, random.below(4) > 0));
                    }
                }
            }
            let called = edges.len();
            // Shared ones have their own below them.
            if service >= SHARED {
                edges.push((ci, (machines + random.below(SHARED)) as u32, random.below(8) == 0));
            }
            edges.push((ci, (first_guest + random.below(machines - first_guest)) as u32, true));
            let mut members: Vec<u32> = edges[first..called].iter().map(|edge| edge.1).collect();
            members.sort_unstable();
            members.dedup();
            if members.len() >= 2 && random.below(2) == 0 {
                groups.push((ci, members, 1));
            }
        }
        for index in 0..business {
            let ci = (machines + services + index) as u32;
            let application = random.below(services.div_ceil(APPLICATION)) * APPLICATION;
            let size = APPLICATION.min(services - application);
            let mut members: Vec<u32> =
                (0..3).map(|_| (machines + application + size / 2 + random.below(size.div_ceil(2))) as u32).collect();
            members.retain(|&member| (member as usize) < machines + services);
            members.sort_unstable();
            members.dedup();
            edges.extend(members.iter().map(|&member| (ci, member, true)));
            let least = members.len().min(2) as u32;
            groups.push((ci, members, least));
        }
        Self { cis, edges, groups, machines }
    }

    /// `called` says which of the services before one it calls; of eight calls so many are soft.
    fn services(cis: usize, seed: u64, soft: usize, called: impl Fn(usize, &mut Random) -> usize) -> Self {
        let mut random = Random(seed);
        let (machines, business) = (cis / 5, cis / 100);
        let services = cis - machines - business;
        let (mut edges, mut groups) = (Vec::with_capacity(cis * 5), Vec::new());
        for service in 0..services {
            let ci = (machines + service) as u32;
            edges.push((ci, random.below(machines) as u32, true));
            let calls = random.below(11);
            let first = edges.len();
            for _ in 0..calls {
                if service == 0 {
                    break;
                }
                let target = called(service, &mut random);
                edges.push((ci, (machines + target) as u32, random.below(8) >= soft));
            }
            // Half of all services have redundant providers: one is enough, or all but one.
            if calls >= 2 && random.below(2) == 0 && edges.len() > first + 1 {
                let mut members: Vec<u32> = edges[first..].iter().map(|edge| edge.1).collect();
                members.sort_unstable();
                members.dedup();
                let least = if random.below(2) == 0 { 1 } else { members.len() as u32 - 1 };
                groups.push((ci, members, least.max(1)));
            }
        }
        for index in 0..business {
            let ci = (machines + services + index) as u32;
            let mut members: Vec<u32> = (0..3).map(|_| (machines + services / 2 + random.below(services / 2)) as u32).collect();
            members.sort_unstable();
            members.dedup();
            edges.extend(members.iter().map(|&member| (ci, member, true)));
            edges.push((ci, (machines + random.below(services)) as u32, false));
            let least = members.len().min(2) as u32;
            groups.push((ci, members, least));
        }
        Self { cis, edges, groups, machines }
    }

    /// Who can be reached directly: every dependency, through groups too.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.edges.iter().map(|&(from, to, _)| (from, to))
    }

    /// Its graph.
    pub fn graph(&self) -> Graph {
        let node = |ci: usize| NodePart {
            id: id(ci as u32),
            name: Cow::Owned(format!("ci-{ci}")),
            class: self.class(ci as u32),
            owner: None,
            agent: Some(self.agent(ci as u32)),
            stopped: false,
        };
        let edge = |(number, &(from, to, hard)): (usize, &(u32, u32, bool))| EdgePart {
            relationship: RelationshipId(Uuid::from_u128((1 << 120) | number as u128)),
            kind: if (to as usize) < self.machines { "runs_on" } else { "connects_to" },
            from: id(from),
            to: id(to),
            hardness: if hard { Hardness::Hard } else { Hardness::Soft },
            evidence: vec![self.evidence(from, to)],
        };
        let group = |(number, (ci, members, least)): (usize, &(u32, Vec<u32>, u32))| GroupPart {
            id: NeedGroupId(Uuid::from_u128((1 << 110) | number as u128)),
            ci: id(*ci),
            name: "providers",
            members: members.iter().map(|&member| id(member)).collect(),
            min_up: MinUp::Count(*least),
            hardness: Hardness::Hard,
        };
        Graph::from_parts(GraphParts {
            revision: Revision(1),
            nodes: (0..self.cis).map(node).collect(),
            edges: self.edges.iter().enumerate().map(edge).collect(),
            groups: self.groups.iter().enumerate().map(group).collect(),
        })
    }

    /// Who reports a configuration item: the agent of its machine.
    pub fn agent(&self, ci: u32) -> AgentId {
        AgentId(Uuid::from_u128((1 << 100) | (u128::from(ci) % self.machines as u128)))
    }

    /// Why a relationship is believed: the dependent's agent sees its connections, and told of them at another time than others did.
    pub fn evidence(&self, from: u32, to: u32) -> EdgeEvidence {
        EdgeEvidence {
            method: Method::Connection,
            agent: Some(self.agent(from)),
            last_seen: Timestamp::from_millis(1_763_000_000_000 + i64::from(from % 1_000)),
            samples_seen: u64::from(to % 97),
            samples_total: 97,
        }
    }

    /// The class of a configuration item.
    pub fn class(&self, ci: u32) -> &'static str {
        match ci as usize {
            ci if ci < self.machines => "server",
            ci if ci < self.cis - self.cis / 100 => "service_instance",
            _ => "business_service",
        }
    }

    /// Configuration items to ask about, of all kinds.
    pub fn questions(&self, count: usize) -> Vec<u32> {
        let mut random = Random(77);
        (0..count).map(|_| random.below(self.cis) as u32).collect()
    }
}

/// The id of a configuration item; ids do not follow the layers.
pub fn id(ci: u32) -> CiId {
    CiId(Uuid::from_u128((u128::from(ci.wrapping_mul(2_654_435_761)) << 64) | u128::from(ci) | (7 << 76)))
}

/// The number of a configuration item with such an id.
pub fn number(ci: CiId) -> u32 {
    ci.0.as_u128() as u32
}

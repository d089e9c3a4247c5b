use std::collections::{BTreeMap, BTreeSet, HashSet};

use rollcall_shared::CiId;

use super::{Assessment, State};
use crate::graph::Node;

/// Relationship type whose dependency answers for the dependent.
const OWNED_BY: &str = "owned_by";

/// Somebody to tell.
#[derive(Clone, Debug)]
pub struct Contact<'a> {
    /// Who.
    pub who: Who<'a>,
    /// The worst that happens to something of theirs.
    pub worst: State,
    /// What fails or is affected of theirs, worst first.
    pub cis: Vec<&'a Node>,
}

/// A person, team or organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who<'a> {
    /// By its configuration item, to which an `owned_by` relationship leads.
    Ci(CiId, &'a str),
    /// By a name in an `owner` attribute.
    Name(&'a str),
}

impl<'a> Assessment<'a> {
    /// Who answers for what fails and what is affected (at risk included), those with the worst first, then those with the most, then by name.
    /// An `owner` attribute that only repeats the name of a CI that is there too counts once.
    pub fn people(&self) -> Vec<Contact<'a>> {
        let affected: HashSet<CiId> = self.affected.iter().map(|affected| affected.ci.id).collect();
        let failing = self.failures.iter().filter(|failure| !affected.contains(&failure.ci.id));
        let failing = failing.map(|failure| (failure.ci, failure.kind.state()));
        let affected = self.affected.iter().map(|affected| (affected.ci, affected.state));
        let mut told: BTreeMap<Who<'a>, Vec<(State, &'a Node)>> = BTreeMap::new();
        for (ci, state) in failing.chain(affected) {
            let owners = self.graph.dependencies(ci.id).filter(|edge| edge.kind == OWNED_BY);
            let owners: BTreeSet<Who<'a>> = owners.map(|edge| Who::Ci(edge.to.id, &edge.to.name)).collect();
            let named = ci.owner().filter(|name| !owners.iter().any(|who| matches!(who, Who::Ci(_, owner) if owner == name)));
            for who in owners.into_iter().chain(named.map(Who::Name)) {
                told.entry(who).or_default().push((state, ci));
            }
        }
        let mut contacts: Vec<Contact<'a>> = told.into_iter().map(|(who, cis)| contact(who, cis)).collect();
        contacts.sort_by(|a, b| (b.worst, b.cis.len(), a.who).cmp(&(a.worst, a.cis.len(), b.who)));
        contacts
    }
}

fn contact<'a>(who: Who<'a>, mut cis: Vec<(State, &'a Node)>) -> Contact<'a> {
    cis.sort_by(|a, b| (b.0, &a.1.name, a.1.id).cmp(&(a.0, &b.1.name, b.1.id)));
    Contact { who, worst: cis.first().map_or(State::Ok, |(state, _)| *state), cis: cis.into_iter().map(|(_, ci)| ci).collect() }
}

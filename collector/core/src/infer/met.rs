use rollcall_shared::{CiId, Timestamp};

use crate::{
    Estate,
    model::{Ci, Evidence, Method},
};

/// When the device that some evidence speaks of was there last: as long as its agent's list has it, every check-in says so.
pub(crate) fn met_at(estate: &Estate, evidence: &Evidence) -> Timestamp {
    let heard = evidence.agent.filter(|_| evidence.is_listed()).and_then(|agent| estate.agent_last_seen(agent));
    heard.map_or(evidence.last_seen, |heard| heard.max(evidence.last_seen))
}

/// When a device without an agent was last met on a local network or talked to, and the machines or services that did, the latest first.
pub fn meetings(estate: &Estate, device: CiId) -> Vec<(CiId, Timestamp)> {
    let edges = || estate.dependents(device).map(|edge| (edge.from, edge)).chain(estate.dependencies(device).map(|edge| (edge.to, edge)));
    let seen = |evidence: &&Evidence| matches!(evidence.method, Method::Neighbour | Method::Connection);
    let at = |evidence: &Evidence| if evidence.method == Method::Neighbour { met_at(estate, evidence) } else { evidence.last_seen };
    let mut meetings: Vec<(CiId, Timestamp)> =
        edges().filter_map(|(who, edge)| Some((who, edge.evidence.iter().filter(seen).map(at).max()?))).collect();
    // Who has met it and talks to it too is one.
    meetings.sort_by_key(|(who, at)| (*who, std::cmp::Reverse(*at)));
    meetings.dedup_by_key(|(who, _)| *who);
    meetings.sort_by_key(|(who, at)| (std::cmp::Reverse(*at), *who));
    meetings
}

/// When a device without an agent was last met or talked to; `None` for everything else.
pub fn last_met(estate: &Estate, ci: &Ci) -> Option<Timestamp> {
    (ci.class == DEVICE).then(|| meetings(estate, ci.id).first().map(|(_, at)| *at)).flatten()
}

/// The class of devices without an agent.
pub const DEVICE: &str = "unmanaged_host";

//! Redundancy that shows: the same service on several machines behind one balancer, replicas that talk to each other, clients spread over
//! peers, an address that moves. Suggested with what speaks for it; people or rules decide.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rollcall_shared::{CiId, NeedGroupId, catalogue::Hardness};

use super::{identify::listed, plan::Plan, sweep, upstreams::VIRTUAL_ADDRESSES};
use crate::{
    Estate,
    infer::{hosting_machine, kind_of},
    model::{Ci, Endpoint, Lifecycle, Method, MinUp, NeedGroup, Pattern, Purpose, Relationship, Source, Standing, Suggestion},
};

/// Programs that pass requests on.
const BALANCERS: &[&str] =
    &["apache", "caddy", "envoy", "haproxy", "keepalived", "nginx", "pgbouncer", "pgpool", "proxysql", "squid", "traefik", "varnish"];
/// More members than this are no redundancy of anything, but a fleet.
const MOST_MEMBERS: usize = 64;

/// A group that evidence speaks for.
struct Candidate {
    of: CiId,
    name: String,
    members: BTreeSet<CiId>,
    pattern: Pattern,
    evidence: Vec<String>,
}

/// What redundancy is judged by beside an item's own connections.
pub(super) struct Whole {
    /// Services that hold the same, by each of them.
    clusters: BTreeMap<CiId, Cluster>,
    /// Machines between which configurations move an address.
    moving: BTreeMap<IpAddr, BTreeSet<CiId>>,
}

impl Whole {
    pub(super) fn of(estate: &Estate) -> Self {
        Self { clusters: clusters(estate), moving: moving_addresses(estate) }
    }
}

/// Suggests what speaks for itself in what these CIs need, and withdraws suggestions that nothing speaks for any more.
pub(super) fn reconcile(plan: &mut Plan<'_>, whole: &sweep::Whole, cis: &[CiId]) {
    for client in cis {
        let suggestions = whole.suggestions.get(client).into_iter().flatten();
        // Some may have been settled since.
        let suggestions: Vec<&NeedGroup> = suggestions.filter_map(|id| plan.estate.suggestion(*id)).collect();
        reconcile_one(plan, &whole.redundancy, *client, &suggestions);
    }
}

fn reconcile_one(plan: &mut Plan<'_>, whole: &Whole, client: CiId, groups: &[&NeedGroup]) {
    let estate = plan.estate;
    let edges: Vec<&Relationship> = estate.dependencies(client).filter(|edge| is_need(estate, edge)).collect();
    let mut candidates = candidates_of(estate, client, &edges, &whole.clusters);
    candidates.extend(on_moving_addresses(estate, client, &edges, &whole.moving));
    let mut supported: BTreeSet<NeedGroupId> = BTreeSet::new();
    for candidate in candidates {
        let shares = |group: &&&NeedGroup| group.members.iter().filter(|member| candidate.members.contains(member)).count() >= 2;
        let rejected = groups.iter().filter(|group| group.standing == Standing::Rejected).find(shares);
        let declared: Vec<&NeedGroup> = estate.need_groups_of(candidate.of).collect();
        let suggested = groups.iter().filter(|group| group.standing == Standing::Suggested).find(shares);
        if declared.iter().any(|group| shares(&group)) || rejected.is_some_and(|group| covers(group, &candidate)) {
            continue;
        }
        match suggested {
            Some(group) => {
                supported.insert(group.id);
                renew(plan, group, candidate);
            }
            None => suggest(plan, candidate),
        }
    }
    for group in groups.iter().filter(|group| group.standing == Standing::Suggested && !supported.contains(&group.id)) {
        let retired = NeedGroup { lifecycle: Lifecycle::Retired, ..(*group).clone() };
        plan.put_need_group(retired, "nothing speaks for it any more");
    }
}

fn covers(group: &NeedGroup, candidate: &Candidate) -> bool {
    candidate.members.iter().all(|member| group.members.contains(member))
}

fn suggest(plan: &mut Plan<'_>, candidate: Candidate) {
    let pattern = candidate.pattern;
    let (standing, source) = if plan.policy.accepted_patterns.contains(&pattern) {
        (Standing::Accepted, Source::Api("rule".to_owned()))
    } else if plan.policy.rejected_patterns.contains(&pattern) {
        (Standing::Rejected, Source::Api("rule".to_owned()))
    } else {
        (Standing::Suggested, Source::Agent)
    };
    let reason = format!("{}: {}", standing.as_str(), candidate.evidence.join("; "));
    let group = NeedGroup {
        id: NeedGroupId(plan.new_id()),
        ci: candidate.of,
        name: candidate.name,
        members: candidate.members.into_iter().collect(),
        min_up: MinUp::Count(1),
        hardness: Hardness::Hard,
        lifecycle: Lifecycle::Active,
        standing,
        suggestion: Some(Suggestion { pattern, evidence: candidate.evidence }),
        source,
        valid_from: plan.now,
        version: 1,
    };
    plan.put_need_group(group, reason);
}

/// Other members or another pattern are news; the same ones with other counts are not.
fn renew(plan: &mut Plan<'_>, group: &NeedGroup, candidate: Candidate) {
    let members: Vec<CiId> = candidate.members.into_iter().collect();
    let pattern = group.suggestion.as_ref().map(|suggestion| suggestion.pattern);
    if group.members == members && pattern == Some(candidate.pattern) {
        return;
    }
    let reason = candidate.evidence.join("; ");
    let suggestion = Some(Suggestion { pattern: candidate.pattern, evidence: candidate.evidence });
    plan.put_need_group(NeedGroup { members, suggestion, name: candidate.name, ..group.clone() }, reason);
}

/// Whether an outage travels along it and it is somebody's own work.
fn is_need(estate: &Estate, edge: &Relationship) -> bool {
    let is_work = edge.judgement.as_ref().is_none_or(|judgement| judgement.purpose == Purpose::Work);
    let hardness = estate.hardness(edge);
    let kind = matches!(edge.kind.as_str(), "connects_to" | "balances_to" | "part_of");
    // What is configured and was not seen yet stands in for the others all the same.
    let counts = hardness == Some(Hardness::Hard)
        || (edge.kind == "connects_to" && edge.evidence.iter().any(|it| it.method == Method::Configuration));
    edge.lifecycle == Lifecycle::Active && kind && is_work && counts && is_active(estate, edge.from) && is_active(estate, edge.to)
}

fn is_active(estate: &Estate, id: CiId) -> bool {
    estate.ci(id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active)
}

fn candidates_of(estate: &Estate, client: CiId, edges: &[&Relationship], clusters: &BTreeMap<CiId, Cluster>) -> Vec<Candidate> {
    let Some(of) = estate.ci(client) else { return Vec::new() };
    let mut candidates = Vec::new();
    let mut grouped: BTreeMap<(String, Vec<u16>), Vec<&Relationship>> = BTreeMap::new();
    let mut met: BTreeSet<&BTreeSet<CiId>> = BTreeSet::new();
    for edge in edges {
        let Some(target) = estate.ci(edge.to).filter(|ci| is_service(estate, ci)) else { continue };
        match clusters.get(&edge.to).filter(|cluster| !cluster.members.contains(&client)) {
            // Whichever of them it uses, the others hold the same.
            Some(cluster) if met.insert(&cluster.members) => candidates.push(Candidate {
                of: client,
                name: format!("{} replicas", kind_of(target)),
                members: cluster.members.clone(),
                pattern: Pattern::Replicas,
                evidence: cluster.evidence.clone(),
            }),
            Some(_) => {}
            None => {
                let ports: BTreeSet<u16> = edge.evidence.iter().flat_map(|it| &it.endpoints).map(|endpoint| endpoint.port).collect();
                grouped.entry((kind_of(target).to_owned(), ports.into_iter().collect())).or_default().push(*edge);
            }
        }
    }
    for ((kind, ports), edges) in grouped {
        candidates.extend(peers(estate, of, &kind, &ports, &edges));
    }
    candidates
}

/// The same program at the same port on several machines.
fn peers(estate: &Estate, of: &Ci, kind: &str, ports: &[u16], edges: &[&Relationship]) -> Option<Candidate> {
    let members: BTreeSet<CiId> = edges.iter().map(|edge| edge.to).collect();
    let machines: BTreeSet<CiId> = members.iter().filter_map(|member| hosting_machine(estate, estate.ci(*member)?)).collect();
    if machines.len() < 2 || machines.len() != members.len() || members.len() > MOST_MEMBERS {
        return None;
    }
    let moving = same_endpoint(edges);
    let is_database = members.iter().any(|member| estate.ci(*member).is_some_and(|ci| estate.is_a(ci, "database")));
    let pattern = match moving {
        Some(_) => Pattern::MovingAddress,
        None if BALANCERS.contains(&kind_of(of)) => Pattern::BehindBalancer,
        // Two databases of the same make hold different data unless something says otherwise.
        None if is_database => return None,
        None => Pattern::SpreadClient,
    };
    let named: Vec<String> = machines.iter().filter_map(|machine| Some(estate.ci(*machine)?.name.clone())).collect();
    let at = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let at = if at.is_empty() { String::new() } else { format!(" at port {at}") };
    let mut evidence = vec![format!("{} uses {kind} on {}{at}", of.name, list(&named))];
    if let Some(endpoint) = moving {
        evidence.push(format!("{endpoint} was on one of them after another"));
    }
    if pattern == Pattern::BehindBalancer {
        evidence.push(format!("{} is a program that spreads requests", kind_of(of)));
    }
    let others: BTreeSet<&str> = members
        .iter()
        .flat_map(|member| estate.dependents(*member))
        .filter(|edge| edge.from != of.id && is_need(estate, edge))
        .filter_map(|edge| estate.ci(edge.from))
        .filter(|other| kind_of(other) == kind_of(of))
        .map(|other| other.name.as_str())
        .collect();
    if !others.is_empty() {
        evidence.push(format!("{} more of the same kind use them", others.len()));
    }
    Some(Candidate { of: of.id, name: format!("{kind} on {} machines", machines.len()), members, pattern, evidence })
}

/// An address and port by which several of them were reached.
fn same_endpoint(edges: &[&Relationship]) -> Option<Endpoint> {
    let mut reached: BTreeMap<Endpoint, BTreeSet<CiId>> = BTreeMap::new();
    for edge in edges {
        for endpoint in edge.evidence.iter().flat_map(|evidence| &evidence.endpoints).filter(|endpoint| !endpoint.address.is_loopback()) {
            reached.entry(*endpoint).or_default().insert(edge.to);
        }
    }
    reached.into_iter().find(|(_, targets)| targets.len() > 1).map(|(endpoint, _)| endpoint)
}

/// Machines between which configurations move an address.
fn moving_addresses(estate: &Estate) -> BTreeMap<IpAddr, BTreeSet<CiId>> {
    let mut moving: BTreeMap<IpAddr, BTreeSet<CiId>> = BTreeMap::new();
    for ci in estate.active_cis().filter(|ci| ci.attributes.contains_key(VIRTUAL_ADDRESSES)) {
        for address in listed(ci, VIRTUAL_ADDRESSES).iter().filter_map(|text| text.parse().ok()) {
            moving.entry(address).or_default().extend(hosting_machine(estate, ci));
        }
    }
    moving.retain(|_, machines| machines.len() > 1);
    moving
}

/// What takes over where a client uses an address that moves: the same program on the machines that the address moves between.
fn on_moving_addresses(
    estate: &Estate,
    client: CiId,
    edges: &[&Relationship],
    moving: &BTreeMap<IpAddr, BTreeSet<CiId>>,
) -> Vec<Candidate> {
    let Some(of) = estate.ci(client) else { return Vec::new() };
    let mut candidates = Vec::new();
    for edge in edges {
        let Some(target) = estate.ci(edge.to).filter(|ci| is_service(estate, ci)) else { continue };
        let endpoints = edge.evidence.iter().flat_map(|evidence| &evidence.endpoints);
        let Some((endpoint, machines)) = endpoints.filter_map(|endpoint| Some((endpoint, moving.get(&endpoint.address)?))).next() else {
            continue;
        };
        if !hosting_machine(estate, target).is_some_and(|machine| machines.contains(&machine)) {
            continue;
        }
        let takes_over =
            |ci: &&Ci| is_service(estate, ci) && ci.lifecycle == Lifecycle::Active && !ci.is_stopped() && kind_of(ci) == kind_of(target);
        let of_machine =
            |machine: &CiId| estate.ci(*machine).and_then(|ci| ci.agent).into_iter().flat_map(|agent| estate.reported_by(agent));
        let members: BTreeSet<CiId> = machines.iter().flat_map(of_machine).filter(takes_over).map(|ci| ci.id).collect();
        if members.len() < 2 || members.contains(&client) {
            continue;
        }
        let named: Vec<String> = machines.iter().filter_map(|machine| Some(estate.ci(*machine)?.name.clone())).collect();
        let evidence = vec![
            format!("{} uses {} at {endpoint}", of.name, kind_of(target)),
            format!("configurations on {} move this address between them", list(&named)),
        ];
        let name = format!("{} at {}", kind_of(target), endpoint.address);
        candidates.push(Candidate { of: client, name, members, pattern: Pattern::MovingAddress, evidence });
    }
    candidates.dedup_by(|a, b| a.members == b.members);
    candidates
}

/// Services that hold the same.
struct Cluster {
    members: BTreeSet<CiId>,
    evidence: Vec<String>,
}

/// Databases of one make on several machines that talk to each other.
fn clusters(estate: &Estate) -> BTreeMap<CiId, Cluster> {
    let mut joined: BTreeMap<CiId, BTreeSet<CiId>> = BTreeMap::new();
    let mut evidence: BTreeMap<(CiId, CiId), String> = BTreeMap::new();
    let copying = |edge: &&Relationship| edge.judgement.as_ref().is_some_and(|judgement| judgement.purpose == Purpose::Replication);
    let alive = |edge: &&Relationship| is_active(estate, edge.from) && is_active(estate, edge.to) && edge.hardness != Some(Hardness::None);
    for edge in estate.relationships().filter(copying).filter(alive) {
        let (Some(from), Some(to)) = (estate.ci(edge.from), estate.ci(edge.to)) else { continue };
        let (here, there) = (hosting_machine(estate, from), hosting_machine(estate, to));
        let name = |machine: Option<CiId>| machine.and_then(|id| estate.ci(id)).map_or("?", |ci| ci.name.as_str());
        let how = edge.evidence.first().map_or("", |evidence| evidence.detail.as_str());
        evidence.insert((edge.from, edge.to), format!("{} on {} talks to the one on {} ({how})", kind_of(from), name(here), name(there)));
        let mut members: BTreeSet<CiId> = [edge.from, edge.to].into();
        for end in [edge.from, edge.to] {
            members.extend(joined.get(&end).into_iter().flatten().copied());
        }
        for member in &members {
            joined.insert(*member, members.clone());
        }
    }
    let about = |members: &BTreeSet<CiId>| {
        let among = evidence.iter().filter(|((from, to), _)| members.contains(from) && members.contains(to));
        among.map(|(_, text)| text.clone()).take(8).collect()
    };
    let bounded = joined.into_iter().filter(|(_, members)| members.len() <= MOST_MEMBERS);
    bounded.map(|(ci, members)| (ci, Cluster { evidence: about(&members), members })).collect()
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] if names.len() <= SHOWN => format!("{} and {last}", most.join(", ")),
        _ => format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}

fn is_service(estate: &Estate, ci: &Ci) -> bool {
    estate.is_a(ci, "service_instance")
}

//! Observed connections, joined at both ends by who owns the address. Not attributed is acceptable, wrongly attributed is not.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{AgentId, CiId, Timestamp, wire::v1::ServiceKey};

use super::{
    Policy,
    edges::{self, Residents, Sighting},
    forwarding::{self, Passed},
    neighbours,
    owner::{self, Owner},
    plan::Plan,
};
use crate::{
    model::{AgentFacts, Endpoint, Lifecycle, Method, SmallSet},
    observe::{AddressScope, Flows, IncomingFlow, Observed, OutgoingFlow, scope},
};

/// Asking for names; covered by the machine's configured name servers.
const NAME_SERVICE: &[u16] = &[53, 853];

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let Some(flows) = &observed.flows else { return };
    let reported_before = reported_before(plan, facts.agent);
    let mut join = Join { plan, machine, facts, flows, services: BTreeMap::new(), residents: Residents::default(), reported_before };
    join.services = edges::services_on(join.plan, machine);
    join.outgoing();
    join.incoming();
}

/// When an agent's connections were last written down.
fn reported_before(plan: &Plan<'_>, agent: AgentId) -> Option<Timestamp> {
    let edges = plan.estate.reported_by(agent).flat_map(|ci| plan.estate.dependencies(ci.id));
    let its = edges.flat_map(|edge| &edge.evidence).filter(|it| it.method == Method::Connection && it.agent == Some(agent));
    its.map(|it| it.last_seen).max()
}

/// Services that a window shows talking, without the agents' own reports.
pub(super) fn talkers<'a>(flows: &'a Flows, policy: &Policy) -> BTreeSet<&'a ServiceKey> {
    let outgoing = flows.outgoing.iter().filter(|flow| !is_report(flow, policy)).filter_map(|flow| flow.service.as_ref());
    let incoming = flows.incoming.iter().filter(|flow| !is_reported_to(flow, policy)).filter_map(|flow| flow.service.as_ref());
    outgoing.chain(incoming).collect()
}

/// An agent talking to its collector. What its machine closed before anybody saw whose it was is most likely its enrollment.
fn is_report(flow: &OutgoingFlow, policy: &Policy) -> bool {
    policy.collector_ports.contains(&flow.to.port) && flow.service.as_ref().is_none_or(|key| key.0.contains("rollcall-agent"))
}

/// A collector hearing its agents: every machine of the estate would seem to depend on it.
fn is_reported_to(flow: &IncomingFlow, policy: &Policy) -> bool {
    policy.collector_ports.contains(&flow.at.port) && flow.service.as_ref().is_some_and(|key| key.0.contains("rollcall"))
}

/// Whether what listens on a machine is known, so that what does not listen does not exist.
fn is_known_inside(plan: &Plan<'_>, machine: CiId) -> bool {
    plan.ci(machine).is_some_and(|ci| ci.agent.is_some())
}

struct Join<'a, 'p> {
    plan: &'a mut Plan<'p>,
    machine: CiId,
    facts: &'a AgentFacts,
    flows: &'a Flows,
    services: BTreeMap<ServiceKey, CiId>,
    residents: Residents,
    /// When this agent reported connections before.
    reported_before: Option<Timestamp>,
}

/// What a flow has called.
struct Called {
    to: CiId,
    /// The end that was reached.
    at: Endpoint,
    /// The gateway whose rules have passed it on.
    through: Option<CiId>,
}

impl Join<'_, '_> {
    fn outgoing(&mut self) {
        let mut seen: BTreeMap<(CiId, CiId), Sighting> = BTreeMap::new();
        // What is reached through a gateway's rules needs the gateway too.
        let mut passed: BTreeMap<(CiId, CiId), Sighting> = BTreeMap::new();
        for flow in &self.flows.outgoing {
            let from = self.local(flow.service.as_ref());
            let Some(Called { to, at, through }) = self.called(flow) else { continue };
            // What runs on a machine depends on it by running there; a service that talks to itself, on itself.
            if to == from || to == self.machine || is_report(flow, self.plan.policy) {
                continue;
            }
            let times = (flow.samples_seen, flow.since_ms);
            let Some(gateway) = through else {
                self.add(&mut seen, (from, to), at, times, flow.how);
                continue;
            };
            let name = self.plan.ci(gateway).map(|ci| ci.name.replace(',', " ")).unwrap_or_default();
            self.add(&mut seen, (from, to), at, times, &format!("{}; {} is passed on there by the rules of {name}", flow.how, flow.to));
            if gateway != self.machine {
                self.add(&mut passed, (from, gateway), flow.to, times, &format!("{}; passed on to {at} by its rules", flow.how));
            }
        }
        for ((from, gateway), sighting) in &passed {
            edges::see(self.plan, "routes_through", *from, *gateway, sighting);
        }
        for ((from, to), sighting) in &seen {
            edges::see(self.plan, "connects_to", *from, *to, sighting);
        }
        for to in seen.keys().map(|(_, to)| *to).collect::<BTreeSet<_>>() {
            // A window that names the service for all of them knows better than one that could not tell.
            if !seen.contains_key(&(self.machine, to)) {
                edges::withdraw(self.plan, self.machine, to, self.facts.agent, "its agent knows by now which service it is");
            }
            let reason = "both ends report it";
            edges::settle_departures(self.plan, &mut self.residents, self.machine, to, reason);
        }
    }

    /// What a flow calls: the service that listens there, else the host.
    fn called(&mut self, flow: &OutgoingFlow) -> Option<Called> {
        let realm = &self.facts.realm;
        let at = self.flows.at.plus_millis(-flow.quiet_ms);
        let directly = |to| Called { to, at: flow.to, through: None };
        let host = match neighbours::look_up(self.plan, self.machine, realm, flow.to.address, at)? {
            Owner::Machine(host) => host,
            Owner::Unmanaged(host) => return (!self.asks_for_names(flow, host)).then_some(directly(host)),
            Owner::Ambiguous => return None,
            Owner::Nobody => {
                // A person's programs call half of the internet; which half is neither an asset nor anybody's business.
                let private = flow.service.is_none() && scope(flow.to.address) == AddressScope::Internet;
                let host =
                    if private { None } else { neighbours::unmanaged(self.plan, self.machine, realm, flow.to.address, self.flows.at) };
                return host.map(directly);
            }
        };
        if self.asks_for_names(flow, host) {
            return None;
        }
        // What a machine sends to itself does not come in by its rules.
        let passed = if host == self.machine { Passed::Here(flow.to) } else { forwarding::passed(self.plan, self.machine, host, &flow.to) };
        match passed {
            Passed::Here(end) => self.at_host(host, &end).map(|to| Called { to, at: end, through: None }),
            Passed::On(end) => {
                let to = self.behind(host, &end, at)?;
                Some(Called { to, at: end, through: Some(host) })
            }
            Passed::Unknown => None,
        }
    }

    /// What receives at an end of a machine with an agent: the service, else the machine.
    fn at_host(&mut self, host: CiId, end: &Endpoint) -> Option<CiId> {
        let receiver = self.residents.receiver(self.plan, host, end);
        // Where nothing of a router's own listens, it passes the connection on, and to whom is not known.
        let passed_on = receiver.is_none() && host != self.machine && owner::forwards(self.plan, host) && is_known_inside(self.plan, host);
        if passed_on { None } else { Some(receiver.unwrap_or(host)) }
    }

    /// What stands at an end that a gateway passes a connection on to, as the gateway means it.
    fn behind(&mut self, gateway: CiId, end: &Endpoint, at: Timestamp) -> Option<CiId> {
        if scope(end.address) == AddressScope::Unusable {
            return None;
        }
        let realm = &self.facts.realm;
        match neighbours::look_up(self.plan, gateway, realm, end.address, at)? {
            // Its rules have done what they do.
            Owner::Machine(host) if host == gateway => self.residents.receiver(self.plan, host, end),
            Owner::Machine(host) => match forwarding::passed(self.plan, gateway, host, end) {
                Passed::Here(end) => self.at_host(host, &end),
                // One gateway behind another is more than is followed.
                Passed::On(_) | Passed::Unknown => None,
            },
            Owner::Unmanaged(host) => Some(host),
            Owner::Ambiguous => None,
            Owner::Nobody => neighbours::unmanaged(self.plan, gateway, realm, end.address, self.flows.at),
        }
    }

    fn asks_for_names(&self, flow: &OutgoingFlow, host: CiId) -> bool {
        NAME_SERVICE.contains(&flow.to.port) && self.plan.between("resolves_names_with", self.machine, host).is_some()
    }

    fn incoming(&mut self) {
        let mut seen: BTreeMap<(CiId, CiId), Sighting> = BTreeMap::new();
        for flow in &self.flows.incoming {
            if is_reported_to(flow, self.plan.policy) {
                continue;
            }
            let to = match &flow.service {
                Some(_) => self.local(flow.service.as_ref()),
                None => self.residents.receiver(self.plan, self.machine, &flow.at).unwrap_or(self.machine),
            };
            if let Some(from) = self.caller(flow) {
                self.add(&mut seen, (from, to), flow.at, (flow.samples_seen, flow.since_ms), flow.how);
            }
        }
        for ((from, to), sighting) in &seen {
            let may_be_anybody = owner::forwards(self.plan, *from);
            if self.plan.ci(*from).is_some_and(|ci| ci.class == "unmanaged_host") {
                if may_be_anybody {
                    continue;
                }
                edges::see(self.plan, "connects_to", *from, *to, sighting);
            } else {
                edges::confirm(self.plan, &mut self.residents, *from, *to, sighting, !may_be_anybody);
            }
        }
    }

    /// The host that opened an incoming connection; `None` for this machine itself, whose outgoing flows say it better, for
    /// strangers from the internet, and where the address may be somebody else's by now: a machine that is switched off calls nobody.
    fn caller(&mut self, flow: &IncomingFlow) -> Option<CiId> {
        let (realm, address) = (&self.facts.realm, flow.from);
        let at = self.flows.at.plus_millis(-flow.quiet_ms);
        match neighbours::look_up(self.plan, self.machine, realm, address, at)? {
            Owner::Machine(host) => (host != self.machine && owner::is_present(self.plan, host)).then_some(host),
            Owner::Unmanaged(host) => Some(host),
            Owner::Ambiguous => None,
            Owner::Nobody if scope(address) == AddressScope::Internet => None,
            Owner::Nobody => neighbours::unmanaged(self.plan, self.machine, realm, address, self.flows.at),
        }
    }

    /// The local service, if it is known and runs, else the machine.
    fn local(&self, service: Option<&ServiceKey>) -> CiId {
        let known = service.and_then(|key| self.services.get(key)).copied();
        known.filter(|id| self.plan.ci(*id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active)).unwrap_or(self.machine)
    }

    fn add(
        &self,
        seen: &mut BTreeMap<(CiId, CiId), Sighting>,
        ends: (CiId, CiId),
        endpoint: Endpoint,
        (samples, since_ms): (u64, i64),
        how: &str,
    ) {
        let sighting = seen.entry(ends).or_insert_with(|| Sighting {
            method: Method::Connection,
            agent: self.facts.agent,
            at: self.flows.at,
            since: self.flows.at,
            reported_before: self.reported_before,
            endpoints: SmallSet::new(),
            seen: 0,
            total: self.flows.samples,
            how: how.to_owned(),
        });
        sighting.endpoints.insert(endpoint);
        sighting.since = sighting.since.min(self.flows.at.plus_millis(-since_ms));
        sighting.seen = sighting.seen.max(samples);
    }
}

//! Port forwarding: who is reached by calling a gateway, as the rules of its own packet filter say. Where they leave a doubt, nobody is.

use std::{collections::BTreeSet, net::IpAddr};

use rollcall_shared::CiId;
use serde_json::Value;

use super::{edges, identify::listed, machine::claim, owner, plan::Plan};
use crate::{
    model::{AgentFacts, Ci, Endpoint, Evidence, Method, Source},
    observe::{AddressScope, Forward, Observed, is_in_or_is, scope},
};

/// The attribute with the rules, in the order in which they are tried.
const RULES: &str = "port_forwards";
/// The attribute with the networks behind each interface.
const WAYS: &str = "ways_in";
/// The attribute that says whether machines behind it call under its address.
pub(super) const HIDES_CALLERS: &str = "hides_callers";

/// What becomes of a connection to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// It stays with the machine, and reaches this end.
    Here(Endpoint),
    /// It goes to this end.
    On(Endpoint),
    /// It cannot be told.
    Unknown,
}

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let Some(network) = &observed.network else { return };
    let said = &network.items.forwarding;
    let texts = |values: &[String]| (!values.is_empty()).then(|| Value::from(values.to_vec()));
    let claims = [(RULES, texts(&said.rules)), (WAYS, texts(&said.ways)), (HIDES_CALLERS, said.hides_callers.then_some(Value::Bool(true)))];
    let (before, forwarded) = (plan.ci(machine).map(rules).unwrap_or_default(), owner::forwards(plan, machine));
    plan.edit_ci(machine, "the rules of its packet filter", |ci| {
        let mut changed = false;
        for (name, value) in claims {
            if value.is_some() || network.complete {
                changed |= claim(ci, name, value, Source::Agent, network.at);
            }
        }
        changed
    });
    let now = plan.ci(machine).map(rules).unwrap_or_default();
    if !forwarded && owner::forwards(plan, machine) {
        edges::forget_forwarded(plan, machine);
    }
    if before != now {
        forget_passed_on(plan, machine, facts, &now);
    }
}

/// What becomes of a connection that a machine opens to another, which is known to have the address that is called.
pub(super) fn passed(plan: &Plan<'_>, caller: CiId, gateway: CiId, called: &Endpoint) -> Passed {
    let Some(ci) = plan.ci(gateway) else { return Passed::Here(*called) };
    let rules = rules(ci);
    if rules.is_empty() {
        return Passed::Here(*called);
    }
    let callers: Vec<IpAddr> =
        plan.ci(caller).map(|ci| listed(ci, "ip_addresses")).unwrap_or_default().iter().filter_map(|it| it.parse().ok()).collect();
    let callers = Callers {
        of: callers.into_iter().filter(|it| it.is_ipv4() == called.address.is_ipv4()).collect(),
        ways: ways(ci),
        called: called.address,
    };
    let mut perhaps: BTreeSet<(Option<IpAddr>, u16)> = BTreeSet::new();
    let stays = (None, called.port);
    let mut decided = stays;
    for rule in rules.iter().filter(|rule| rule.is_about(called)) {
        match callers.meet(rule) {
            Some(true) => {
                decided = rule.target(called);
                break;
            }
            Some(false) => {}
            // Where it goes to several places, none of them is said.
            None if !rule.always && rule.target(called) == stays => return Passed::Unknown,
            None => drop(perhaps.insert(rule.target(called))),
        }
    }
    perhaps.insert(decided);
    match (perhaps.len(), decided) {
        (1, (None, port)) => Passed::Here(Endpoint { port, ..*called }),
        (1, (Some(address), port)) => Passed::On(Endpoint { address, port, protocol: called.protocol }),
        _ => Passed::Unknown,
    }
}

/// Who calls, as far as a rule may ask.
struct Callers {
    of: Vec<IpAddr>,
    /// Interfaces of the gateway with the networks behind them.
    ways: Vec<(String, String)>,
    called: IpAddr,
}

impl Callers {
    /// Whether a rule applies to them; `None` where it cannot be told.
    fn meet(&self, rule: &Forward) -> Option<bool> {
        let source = if rule.sources.is_empty() {
            Some(true)
        } else if self.are_hidden() || self.of.is_empty() {
            None
        } else {
            let in_sources = |address: &IpAddr| rule.sources.iter().any(|network| is_in_or_is(*address, network));
            agreed(self.of.iter().map(in_sources))
        };
        let interface = if rule.interfaces.is_empty() {
            Some(true)
        } else {
            self.interface().map(|interface| rule.interfaces.iter().any(|it| it == interface) != rule.other_interfaces)
        };
        match (source, interface) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) if rule.always => Some(true),
            _ => None,
        }
    }

    /// Whether somebody between may have given them another address: who has a private one does not call the internet under it.
    fn are_hidden(&self) -> bool {
        scope(self.called) == AddressScope::Internet && self.of.iter().any(|address| scope(*address) != AddressScope::Internet)
    }

    /// The interface by which they come in: the one that the gateway answers them by.
    fn interface(&self) -> Option<&str> {
        let mut ways = self.of.iter().map(|address| self.way(*address));
        let first = ways.next()??;
        if ways.any(|way| way != Some(first)) {
            return None;
        }
        // Under another address they would come by the way that everybody comes by.
        let everybody = self.ways.iter().find(|(_, network)| network.ends_with("/0") && network.contains(':') == self.called.is_ipv6());
        (!self.are_hidden() || everybody.is_some_and(|(interface, _)| interface == first)).then_some(first)
    }

    fn way(&self, address: IpAddr) -> Option<&str> {
        let length = |network: &str| network.rsplit_once('/').and_then(|(_, length)| length.parse::<u8>().ok()).unwrap_or(u8::MAX);
        let behind: Vec<_> = self.ways.iter().filter(|(_, network)| is_in_or_is(address, network)).collect();
        let nearest = behind.iter().map(|(_, network)| length(network)).max()?;
        let mut interfaces = behind.iter().filter(|(_, network)| length(network) == nearest).map(|(interface, _)| interface.as_str());
        let first = interfaces.next()?;
        interfaces.all(|interface| interface == first).then_some(first)
    }
}

/// What all say; `None` where they do not agree.
fn agreed(mut each: impl Iterator<Item = bool>) -> Option<bool> {
    let first = each.next()?;
    each.all(|it| it == first).then_some(first)
}

fn texts(ci: &Ci, attribute: &str) -> Vec<String> {
    let values = ci.value(attribute).and_then(Value::as_array).into_iter().flatten();
    values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn rules(ci: &Ci) -> Vec<Forward> {
    texts(ci, RULES).iter().filter_map(|text| text.parse().ok()).collect()
}

fn ways(ci: &Ci) -> Vec<(String, String)> {
    texts(ci, WAYS)
        .iter()
        .filter_map(|text| text.split_once(' '))
        .map(|(interface, network)| (interface.to_owned(), network.to_owned()))
        .collect()
}

/// Whether an item's packet filter passes on anything.
pub(super) fn passes_on(ci: &Ci) -> bool {
    ci.value(HIDES_CALLERS).is_some_and(|value| *value == Value::Bool(true)) || rules(ci).iter().any(Forward::changes)
}

/// Takes back what others said of connections to this machine that may have gone elsewhere; their next reports say it anew.
fn forget_passed_on(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, rules: &[Forward]) {
    let may_go_on = |called: &Endpoint| rules.iter().any(|rule| rule.changes() && rule.is_about(called));
    let here: Vec<CiId> = edges::services_on(plan, machine).into_values().chain([machine]).collect();
    let arriving: Vec<_> = here.into_iter().flat_map(|ci| plan.to(ci)).collect();
    for id in arriving {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "connects_to") else { continue };
        let is_doubtful =
            |it: &&Evidence| it.method == Method::Connection && it.agent != Some(facts.agent) && it.endpoints.iter().any(may_go_on);
        let kept: Vec<Evidence> = edge.evidence.iter().filter(|it| !is_doubtful(it)).cloned().collect();
        if kept.len() < edge.evidence.len() {
            edges::set_evidence(plan, id, kept, "the machine's packet filter passes such connections on");
        }
    }
}

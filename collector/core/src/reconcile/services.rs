//! What runs on a machine: which services are worth a configuration item, and when they are gone.
//!
//! Worth one is what listens, what talks, a daemon that everybody knows by name, and a container. The dozens of other units of a
//! machine stay visible in its document.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{AgentId, CiId, wire::v1::ServiceKey};
use serde_json::Value;

use super::{
    edges::{self, Sighting},
    flows,
    identify::listed,
    machine::claim,
    plan::Plan,
};
use crate::{
    model::{AgentFacts, Ci, Endpoint, Lifecycle, Method, RUNNING, SmallSet, Source, Stage},
    observe::{Listed, Observed, ServiceFacts, daemon_class},
};

/// Attributes that only the services section tells.
const DESCRIPTION: &[&str] = &["description", "unit", "executable", "package", "version", "user", "daemon"];

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let listing = observed.services.as_ref();
    let listeners = observed.listeners.as_ref();
    let talkers: BTreeSet<&ServiceKey> = observed.flows.as_ref().map(|flows| flows::talkers(flows, plan.policy)).unwrap_or_default();
    let known = edges::services_on(plan, machine);
    let notable = listing
        .into_iter()
        .flat_map(|listing| &listing.items)
        .filter(|(key, service)| known.contains_key(key) || service.daemon.is_some() || key.0.starts_with("container:"));
    let wanted: BTreeSet<&ServiceKey> = notable
        .map(|(key, _)| key)
        .chain(listeners.into_iter().flat_map(|listeners| listeners.items.keys()))
        .chain(talkers.iter().copied())
        .collect();
    let at = [listing.map(|it| it.at), listeners.map(|it| it.at), observed.flows.as_ref().map(|it| it.at)].into_iter().flatten().max();
    let Some(at) = at else { return };
    let mut ids = known.clone();
    for key in wanted {
        let described = listing.and_then(|listing| listing.items.get(key));
        let id = ensure(plan, machine, facts.agent, key, described, known.get(key).copied());
        ids.insert(key.clone(), id);
        let how = "listed by the machine's agent".to_owned();
        let (method, agent, endpoints) = (Method::RunsOn, facts.agent, SmallSet::new());
        edges::see(
            plan,
            "runs_on",
            id,
            machine,
            &Sighting { method, agent, at, since: at, reported_before: None, endpoints, seen: 0, total: 0, how },
        );
    }
    for (key, id) in &ids {
        if let Some(listing) = listing {
            describe(plan, *id, key, listing);
        }
        if let Some(listeners) = listeners {
            set_endpoints(plan, *id, key, listeners);
        }
    }
    let authoritative = listing.is_some_and(|listing| listing.complete) || listeners.is_some_and(|listeners| listeners.complete);
    for (key, id) in ids.iter().filter(|_| authoritative) {
        let listed_now = listing.is_some_and(|listing| listing.items.contains_key(key)) || talkers.contains(key);
        let may_talk = !listing.is_some_and(|listing| listing.complete) && talks(plan, *id);
        if !listed_now && !may_talk && plan.ci(*id).is_some_and(is_gone) {
            retire(plan, *id, machine, facts.agent);
        }
    }
}

/// The service's CI: known, brought back, or new.
fn ensure(
    plan: &mut Plan<'_>,
    machine: CiId,
    agent: AgentId,
    key: &ServiceKey,
    described: Option<&ServiceFacts>,
    known: Option<CiId>,
) -> CiId {
    if let Some(id) = known {
        plan.edit_ci(id, "the machine's agent lists it", |ci| {
            let was = (ci.lifecycle, ci.agent);
            if ci.lifecycle == Lifecycle::Retired {
                ci.enter(Stage::InUse);
            }
            (ci.agent, ci.merged_into) = (Some(agent), None);
            was != (ci.lifecycle, ci.agent)
        });
        return id;
    }
    let name = described.map(|service| service.name.trim()).filter(|name| !name.is_empty()).map_or_else(|| name_in(key), short_name);
    let class = daemon_class(described.and_then(|service| service.daemon.as_deref()));
    let reason = "first seen: the machine's agent lists it".to_owned();
    let id = plan.new_ci(class, name, vec![edges::service_key(machine, key)], Some(agent), reason);
    let now = plan.now;
    plan.edit_ci(id, "first seen", |ci| claim(ci, "service_key", Some(Value::from(key.0.as_str())), Source::Agent, now));
    id
}

/// `unit:nginx.service` and `process:/usr/sbin/nginx@www-data` are both called `nginx`.
fn name_in(key: &ServiceKey) -> String {
    let (kind, rest) = key.0.split_once(':').unwrap_or(("", &key.0));
    let name = match kind {
        "unit" => rest.strip_suffix(".service").unwrap_or(rest),
        "process" => {
            let executable = rest.rsplit_once('@').map_or(rest, |(executable, _)| executable);
            executable.rsplit(['/', '\\']).next().unwrap_or(executable)
        }
        _ => rest,
    };
    short_name(if name.is_empty() { &key.0 } else { name })
}

fn short_name(name: &str) -> String {
    name.chars().take(255).collect()
}

/// What the services section says about one service, or that it does not list it.
fn describe(plan: &mut Plan<'_>, id: CiId, key: &ServiceKey, listing: &Listed<BTreeMap<ServiceKey, ServiceFacts>>) {
    let service = listing.items.get(key);
    if service.is_none() && !listing.complete {
        return;
    }
    plan.edit_ci(id, "the agent's list of services", |ci| {
        let mut changed = false;
        for name in DESCRIPTION {
            let value = match (*name, service) {
                ("unit", Some(_)) => key.0.strip_prefix("unit:"),
                (name, Some(service)) => service.attributes.get(name).map(String::as_str),
                (_, None) => None,
            };
            changed |= claim(ci, name, value.map(Value::from), Source::Agent, listing.at);
        }
        // A service that is set up and does not run stays what it is, with its history, and says so.
        let is_stopped = service.is_some_and(|service| !service.running);
        changed |= claim(ci, RUNNING, is_stopped.then_some(Value::Bool(false)), Source::Agent, listing.at);
        let class = daemon_class(service.and_then(|service| service.daemon.as_deref()));
        if ci.class == "service_instance" && class != ci.class {
            ci.class = class.to_owned();
            changed = true;
        }
        if let Some(name) = service
            .map(|service| service.name.trim())
            .filter(|name| !name.is_empty() && ci.name == name_in(key) && ci.name != short_name(name))
        {
            ci.name = short_name(name);
            changed = true;
        }
        changed
    });
}

fn set_endpoints(plan: &mut Plan<'_>, id: CiId, key: &ServiceKey, listeners: &Listed<BTreeMap<ServiceKey, BTreeSet<Endpoint>>>) {
    let now = listeners.items.get(key);
    let mut texts: BTreeSet<String> = now.into_iter().flatten().map(ToString::to_string).collect();
    if !listeners.complete {
        texts.extend(plan.ci(id).map(|ci| listed(ci, "endpoints")).unwrap_or_default());
    }
    let value = (!texts.is_empty()).then(|| Value::from(texts.into_iter().collect::<Vec<_>>()));
    plan.edit_ci(id, "the agent's listening sockets", |ci| claim(ci, "endpoints", value, Source::Agent, listeners.at));
}

/// Nothing that the agent last said speaks for it.
fn is_gone(ci: &Ci) -> bool {
    let said =
        |name: &str| ci.attributes.get(name).is_some_and(|attribute| attribute.claims().iter().any(|claim| claim.source == Source::Agent));
    ci.lifecycle == Lifecycle::Active && !said("endpoints") && !DESCRIPTION.iter().any(|name| said(name))
}

fn talks(plan: &Plan<'_>, id: CiId) -> bool {
    plan.from(id).into_iter().filter_map(|id| plan.relationship(id)).any(|relationship| relationship.kind == "connects_to")
}

/// Its connections stay as they are: they count again if it comes back, and are retired for age if not.
fn retire(plan: &mut Plan<'_>, id: CiId, machine: CiId, agent: AgentId) {
    plan.edit_ci(id, "the machine's agent no longer lists it", |ci| {
        ci.enter(Stage::Retired);
        true
    });
    if let Some(runs_on) = plan.between("runs_on", id, machine) {
        let kept = plan.relationship(runs_on).map(|it| it.evidence.clone()).unwrap_or_default();
        let kept = kept.into_iter().filter(|it| it.method != Method::RunsOn || it.agent != Some(agent)).collect();
        edges::set_evidence(plan, runs_on, kept, "the machine's agent no longer lists the service");
    }
}

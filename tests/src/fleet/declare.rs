//! What no agent can see, said through the API as people would: business services and what they are made of, redundancy,
//! teams, sites, hypervisors.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::{Value, json};

use super::{
    Company,
    company::{BusinessService, Need, SERVICES, SITES},
    hardware::Kind,
    software::daemon_named,
};
use crate::harness::{Api, api::text};

/// Declares everything about this company. Done again, it finds what stands and changes nothing.
///
/// # Errors
/// If the collector refuses, or does not know a machine of the company (it has not reported yet).
pub async fn declare(api: &Api, company: &Company) -> anyhow::Result<Declared> {
    let known = Known::read(api).await?;
    let mut declared = Declared::default();
    let mut sites = HashMap::new();
    for site in SITES {
        let id = known.item(api, "location", site.name, json!({}), &mut declared).await?;
        sites.insert(site.code, id);
    }
    let mut hosts: HashMap<&str, Vec<String>> = HashMap::new();
    for machine in company.role("host") {
        hosts.entry(&machine.site).or_default().push(known.machine(&machine.identity.hostname)?.to_owned());
    }
    let mut guests: HashMap<&str, usize> = HashMap::new();
    for machine in &company.machines {
        // Of a clone nobody can say where it runs.
        let Ok(id) = known.machine(&machine.identity.hostname) else { continue };
        match (machine.kind, hosts.get(machine.site.as_str())) {
            (Kind::VirtualMachine, Some(hosts)) => {
                let next = guests.entry(&machine.site).or_default();
                let host = &hosts[*next % hosts.len()];
                *next += 1;
                relate(api, "runs_on", id, host, &mut declared).await?;
            }
            (Kind::Server, _) => relate(api, "located_in", id, &sites[machine.site.as_str()], &mut declared).await?,
            _ => {}
        }
    }
    for service in SERVICES {
        known.service(api, company, service, &mut declared).await?;
    }
    Ok(declared)
}

/// How much was declared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared {
    /// Items made.
    pub items: usize,
    /// Relationships declared.
    pub relationships: usize,
    /// Need groups declared.
    pub groups: usize,
}

/// What the collector knows already.
struct Known {
    machines: HashMap<String, String>,
    /// By agent and service key.
    services: HashMap<(String, String), String>,
    agents: HashMap<String, String>,
    /// By class and name.
    items: HashMap<(String, String), String>,
    /// By item and name.
    groups: Vec<(String, String)>,
}

impl Known {
    async fn read(api: &Api) -> anyhow::Result<Self> {
        let mut known =
            Self { machines: HashMap::new(), services: HashMap::new(), agents: HashMap::new(), items: HashMap::new(), groups: Vec::new() };
        for ci in api.all("/api/v1/cis?filter=class:item&limit=1000").await? {
            let (id, name, class) = (text(&ci, "id")?.to_owned(), text(&ci, "name")?.to_owned(), text(&ci, "class")?.to_owned());
            let agent = ci.get("agent").and_then(Value::as_str).map(str::to_owned);
            match (agent, ci.pointer("/attributes/service_key").and_then(Value::as_str)) {
                (Some(agent), Some(key)) => {
                    known.services.insert((agent, key.to_owned()), id);
                }
                (Some(agent), None) => {
                    let hostname = ci.pointer("/attributes/hostname").and_then(Value::as_str).unwrap_or(&name).to_owned();
                    known.agents.insert(hostname.clone(), agent);
                    known.machines.insert(hostname, id);
                }
                (None, _) => {
                    known.items.insert((class, name), id);
                }
            }
        }
        for group in api.all("/api/v1/need-groups").await? {
            let ci = group.pointer("/ci/id").and_then(Value::as_str).context("a group without an item")?;
            known.groups.push((ci.to_owned(), text(&group, "name")?.to_owned()));
        }
        Ok(known)
    }

    fn machine(&self, hostname: &str) -> anyhow::Result<&str> {
        self.machines.get(hostname).map(String::as_str).with_context(|| format!("the collector does not know {hostname} yet"))
    }

    async fn item(&self, api: &Api, class: &str, name: &str, attributes: Value, declared: &mut Declared) -> anyhow::Result<String> {
        if let Some(id) = self.items.get(&(class.to_owned(), name.to_owned())) {
            return Ok(id.clone());
        }
        let answer = api.post("/api/v1/cis", &json!({ "class": class, "name": name, "attributes": attributes })).await?;
        declared.items += 1;
        Ok(text(&answer, "id")?.to_owned())
    }

    async fn service(&self, api: &Api, company: &Company, service: &BusinessService, declared: &mut Declared) -> anyhow::Result<()> {
        let attributes = json!({ "owner": service.owner, "criticality": service.criticality });
        let id = self.item(api, "business_service", service.name, attributes, declared).await?;
        for need in service.needs {
            if self.groups.contains(&(id.clone(), need.name.to_owned())) {
                continue;
            }
            let members = self.providers(company, need)?;
            for member in &members {
                relate(api, "part_of", &id, member, declared).await?;
            }
            let hardness = if need.soft { "soft" } else { "hard" };
            let group =
                json!({ "ci": id, "name": need.name, "members": members, "min_up": { "count": need.min_up }, "hardness": hardness });
            api.post("/api/v1/need-groups", &group).await.with_context(|| format!("{}: {}", service.name, need.name))?;
            declared.groups += 1;
        }
        Ok(())
    }

    /// The service instances that meet a need.
    fn providers(&self, company: &Company, need: &Need) -> anyhow::Result<Vec<String>> {
        let key = daemon_named(need.daemon).key();
        let machines = company.role(need.role).filter(|machine| self.machines.contains_key(&machine.identity.hostname));
        let ids = machines.map(|machine| {
            let hostname = &machine.identity.hostname;
            let agent = self.agents.get(hostname).with_context(|| format!("{hostname} has no agent"))?;
            let id = self.services.get(&(agent.clone(), key.0.clone()));
            id.cloned().with_context(|| format!("the collector knows no {key} on {hostname}"))
        });
        ids.collect()
    }
}

async fn relate(api: &Api, kind: &str, from: &str, to: &str, declared: &mut Declared) -> anyhow::Result<()> {
    let body = json!({ "type": kind, "from": from, "to": to, "note": "simulated company" });
    api.post("/api/v1/relationships", &body).await?;
    declared.relationships += 1;
    Ok(())
}

//! Certificates that lie on machines: one item each, however many machines have it, so that what runs out is seen with all whom it concerns.

use std::collections::BTreeSet;

use rollcall_shared::CiId;
use serde_json::Value;

use super::{
    edges::{self, Sighting},
    machine::claim,
    plan::Plan,
};
use crate::{
    model::{AgentFacts, IdentityKey, IdentityKeyKind, Lifecycle, Method, SmallSet, Source},
    observe::{CertificateFacts, Observed},
};

pub(super) fn reconcile(plan: &mut Plan<'_>, machine: CiId, facts: &AgentFacts, observed: &Observed) {
    let Some(certificates) = &observed.certificates else { return };
    let mut there = BTreeSet::new();
    for certificate in &certificates.items {
        let id = item(plan, certificate, certificates.at);
        there.insert(id);
        let how = format!("in {}", certificate.place.replace(',', " "));
        let (method, agent, at, endpoints) = (Method::Certificate, facts.agent, certificates.at, SmallSet::new());
        edges::see(
            plan,
            "uses",
            machine,
            id,
            &Sighting { method, agent, at, since: at, reported_before: None, endpoints, seen: 0, total: 0, how },
        );
    }
    if !certificates.complete {
        return;
    }
    for id in plan.from(machine) {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "uses" && !there.contains(&edge.to)) else { continue };
        let kept = edge.evidence.iter().filter(|it| it.method != Method::Certificate || it.agent != Some(facts.agent)).cloned().collect();
        edges::set_evidence(plan, id, kept, "the certificate is no longer on the machine");
    }
}

fn item(plan: &mut Plan<'_>, certificate: &CertificateFacts, at: rollcall_shared::Timestamp) -> CiId {
    let key = IdentityKey { kind: IdentityKeyKind::CertificateFingerprint, value: certificate.fingerprint.clone() };
    let known = plan.with_key(&key).into_iter().next();
    let id = known.unwrap_or_else(|| {
        let reason = "first seen: an agent found it on its machine".to_owned();
        plan.new_ci("certificate", certificate.name.clone(), vec![key], None, reason)
    });
    let names = (!certificate.names.is_empty()).then(|| Value::from(certificate.names.clone()));
    plan.edit_ci(id, "an agent found it on its machine", |ci| {
        let mut changed = ci.lifecycle != Lifecycle::Active && ci.merged_into.is_none();
        if changed {
            ci.lifecycle = Lifecycle::Active;
        }
        for (name, value) in [
            ("valid_until", Some(Value::from(certificate.valid_until.to_string()))),
            ("issuer", Some(Value::from(certificate.issuer.as_str())).filter(|_| !certificate.issuer.is_empty())),
            ("fingerprint", Some(Value::from(certificate.fingerprint.as_str()))),
            ("names", names),
        ] {
            changed |= claim(ci, name, value, Source::Agent, at);
        }
        changed
    });
    id
}
